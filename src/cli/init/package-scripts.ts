/**
 * The scripts of a package.json that start something that stays: `start`, `worker` and their like. Tools (`test`, `build`) are
 * not for us.
 */

import type { FoundService } from '../../proposal/found.ts'
import { kindOf } from './procfile.ts'

export interface FoundPackage {
  readonly name: string | null
  readonly services: readonly FoundService[]
}

const wanted =
  /^(?:start|serve|server|web|api|worker|workers|queue|jobs|consumer|clock|cron|scheduler|(?:start|worker|serve):[\w-]+|(?:db[:_-]?)?migrate)$/

export function readPackage(text: string, manager: 'npm' | 'pnpm' | 'yarn'): FoundPackage {
  const content: unknown = JSON.parse(text)
  if (typeof content !== 'object' || content === null) return { name: null, services: [] }
  const { name, scripts } = content as { readonly name?: unknown; readonly scripts?: unknown }
  const entries = typeof scripts === 'object' && scripts !== null ? Object.entries(scripts) : []
  const chosen = entries.filter(
    (entry): entry is [string, string] => wanted.test(entry[0]) && typeof entry[1] === 'string' && entry[1].trim() !== '',
  )
  const migration = chosen.map(([script]) => script).find((script) => kindOf(script)['job'] === true)
  const services = chosen.map(([script, command]): FoundService => {
    const after = migration === undefined || migration === script ? {} : { after: [nameOf(migration)] }
    const written = { command: direct(script, command, manager), ...kindOf(script), ...after }
    return { name: nameOf(script), source: `package.json "${script}"`, written, notes: [], remarks: {} }
  })
  return { name: typeof name === 'string' ? name.replace(/^@[^/]*\//, '') : null, services }
}

const nameOf = (script: string): string => (script === 'start' ? 'web' : script.replaceAll(':', '-'))

/**
 * A script that is just `node …` runs without the package manager between us and it: signals and exit codes arrive as they
 * are.
 */
function direct(script: string, command: string, manager: string): string {
  return /^node\s[^&|;<>]*$/.test(command) ? command : `${manager} run ${script}`
}
