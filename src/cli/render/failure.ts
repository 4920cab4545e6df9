/** Failures: of a slot, with its last probe and last words, and of the command itself, with what to do next. */

import type { Failure } from '../../protocol/api.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Palette } from '../screen/colour.ts'
import { sanitise, wrap } from './width.ts'

const maxLogLines = 10

export function renderFailure(failure: Failure, palette: Palette, columns: number): string[] {
  const where = failure.slot ?? failure.service
  const log = failure.log.slice(-maxLogLines)
  const message = failure.message.startsWith(`${where} `) ? failure.message.slice(where.length + 1) : failure.message
  return [
    wrap(`${palette.red('✗')} ${palette.bold(where)}  ${palette.red(sanitise(message, false))}`, columns, 4),
    ...(failure.probe === null ? [] : [`    ${palette.dim('probe')}  ${sanitise(failure.probe, false)}`]),
    // Of a whole service (its canary, its image) there is no log to speak of.
    ...(log.length === 0
      ? failure.slot === null
        ? []
        : [`    ${palette.dim('it printed nothing')}`]
      : [
          `    ${palette.dim(log.length === 1 ? 'its last line:' : `its last ${log.length} lines:`)}`,
          ...log.map((line) => `    ${palette.dim('│')} ${sanitise(line, palette.isColoured)}`),
        ]),
  ]
}

/** `isVerbose` adds the chain of causes; a bug (anything that is not coded) always shows its stack. */
export function renderError(error: unknown, palette: Palette, isVerbose: boolean): string[] {
  if (!(error instanceof DarumaError)) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return [
      `${palette.red('bug:')} ${stack}`,
      palette.dim('This is a defect in daruma, not in your config. Please report it with the lines above.'),
    ]
  }
  const lines = layOut(error, palette)
  if (error.hint !== null) lines.push(`${palette.dim('→')} ${error.hint}`)
  if (isVerbose) lines.push(...renderCauses(error.cause, palette))
  return lines
}

/** Problems of a file come laid out: each with its place, its line of the file, and its own code. */
function layOut(error: DarumaError, palette: Palette): string[] {
  if (error.code === 'E_CONFIG') return [error.message]
  const code = error.code === 'E_COMPOSE' || error.code === 'E_SECRET' ? '' : ` ${palette.dim(`[${error.code}]`)}`
  // A message of several lines is a list: the code belongs to its head.
  const [head = '', ...list] = error.message.split('\n')
  return [`${palette.red('error:')} ${head}${code}`, ...list]
}

function renderCauses(cause: unknown, palette: Palette): string[] {
  const lines: string[] = []
  for (let current = cause, depth = 0; current instanceof Error && depth < 8; current = current.cause, depth += 1) {
    lines.push(palette.dim(`  because ${current.message}`))
  }
  return lines
}
