/** `daruma import`: a config from Compose files. The config goes to the file (or stdout), the list of what is missing to the person. */

import { writeFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { renderProblems } from '../../core/config/render-problems.ts'
import { DarumaError } from '../../ports/error.ts'
import { findCompose } from '../../compose/find.ts'
import { importFiles } from '../../compose/import.ts'
import type { Note } from '../../compose/tree/ledger.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'
import { resolveState } from '../daemon/state.ts'

export async function importCompose(context: Context, invocation: Invocation): Promise<number> {
  const { terminal, cwd } = context
  const files = invocation.words.length > 0 ? invocation.words : await findCompose(cwd)
  if (files.length === 0)
    throw new DarumaError('E_COMPOSE_MISSING', `there is no Compose file in ${cwd}`, { hint: 'daruma import FILE names one.' })
  const out = invocation.text('out')
  const target = out === '-' ? null : resolve(cwd, out ?? `${dirname(files[0]!)}/daruma.config.ts`)
  const imported = await importFiles({
    files,
    cwd,
    environment: context.environment,
    profiles: invocation.list('profile'),
    directory: target === null ? dirname(resolve(cwd, files[0]!)) : dirname(target),
    hostMemoryBytes: totalmem(),
    isRoot: context.userId === 0,
  })
  const display = (file: string): string => relative(cwd, file) || file
  if (!imported.ok) throw new DarumaError('E_COMPOSE', renderProblems(imported.problems, { displayPath: display }))
  if (target === null) terminal.write(imported.text)
  else await write(target, imported.text, invocation.has('force'))
  const services = `${imported.serviceCount} ${imported.serviceCount === 1 ? 'service' : 'services'}`
  if (invocation.json) {
    const notes = imported.notes.map(({ at, path, message, instead }) => ({
      file: at === null ? null : display(at.file),
      line: at?.line ?? null,
      path,
      message,
      instead,
    }))
    if (target !== null) terminal.print(JSON.stringify({ file: target, services: imported.serviceCount, notCarriedOver: notes }))
    return 0
  }
  const say = (text: string): void => (target === null ? terminal.note(text) : terminal.print(text))
  if (target !== null) say(`Wrote ${display(target)}: ${services} from ${files.map((file) => basename(file)).join(' and ')}.`)
  say(listOf(imported.notes, display))
  if (imported.notes.some(({ instead }) => instead.includes('STATE/'))) {
    const { directory } = resolveState(context, invocation)
    say(`\nSTATE stands for the project's folder: ${join(directory, 'projects', imported.name)}`)
  }
  if (target !== null) say('\nRead it, change it, then: daruma plan, daruma up')
  return 0
}

/** Throws `E_IMPORT_EXISTS` and `E_IMPORT_WRITE`. */
async function write(file: string, text: string, isForced: boolean): Promise<void> {
  try {
    await writeFile(file, text, { flag: isForced ? 'w' : 'wx' })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EEXIST')
      throw new DarumaError('E_IMPORT_EXISTS', `${file} is already there and stays as it is`, {
        hint: '--force overwrites it, --out names another, --out - only shows.',
      })
    throw new DarumaError('E_IMPORT_WRITE', `${file} cannot be written: ${code}`, { cause: error })
  }
}

function listOf(notes: readonly Note[], display: (file: string) => string): string {
  if (notes.length === 0) return 'Everything in it was carried over.'
  const lines = notes.flatMap(({ at, path, message, instead }) => {
    const place = at === null ? '' : `${display(at.file)}:${at.line}  `
    return [
      `  ${place}${path}`,
      `      ${oneLine(message)}`,
      ...(instead === 'nothing' ? [] : [`      instead: ${oneLine(instead)}`]),
    ]
  })
  return [`Not carried over (${notes.length}):`, ...lines].join('\n')
}

/** Other people's text must not reach the terminal as it is. */
const oneLine = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
