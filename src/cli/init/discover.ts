/**
 * Looks at the files in a folder that say what runs there. A Procfile and a Compose file are statements about that; package.json
 * scripts are only asked when there is neither. A file that cannot be read becomes a note, never an error.
 */

import { readFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { basename, join, resolve } from 'node:path'
import type { FoundCompose } from './compose.ts'
import type { Found, FoundService } from './found.ts'
import { readPackage } from './package-scripts.ts'
import { readProcfile } from './procfile.ts'

const composeNames = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml']
/** Larger ones were not written by a person. */
const largestFileBytes = 1024 * 1024

export async function discover(directory: string): Promise<Found> {
  const notes: string[] = []
  const attempt = async <Value>(name: string, read: (text: string) => Value | Promise<Value>): Promise<Value | null> => {
    const text = await textOf(join(directory, name), name, notes)
    if (text === null) return null
    try {
      return await read(text)
    } catch (error) {
      notes.push(`${name} could not be understood: ${error instanceof Error ? error.message.split('\n', 1)[0] : String(error)}`)
      return null
    }
  }
  const procfile = (await attempt('Procfile', readProcfile)) ?? []
  let compose: FoundCompose | null = null
  for (const name of composeNames) {
    compose ??= await attempt(name, async (text) => (await import('./compose.ts')).readCompose(text, name))
  }
  const manager =
    (await textOf(join(directory, 'pnpm-lock.yaml'), null, notes)) !== null
      ? 'pnpm'
      : (await textOf(join(directory, 'yarn.lock'), null, notes)) !== null
        ? 'yarn'
        : 'npm'
  const npmPackage = await attempt('package.json', (text) => readPackage(text, manager))
  const stated = withoutDoubles([...procfile, ...(compose?.services ?? [])])
  return {
    name: compose?.name ?? npmPackage?.name ?? basename(resolve(directory)),
    services: stated.length > 0 ? stated : (npmPackage?.services ?? []),
    notes: [...notes, ...(compose?.notes ?? [])],
    hostMemoryBytes: totalmem(),
    isRoot: process.geteuid?.() === 0,
  }
}

function withoutDoubles(services: readonly FoundService[]): readonly FoundService[] {
  const seen = new Set<string>()
  return services.filter(({ name }) => !seen.has(name) && seen.add(name))
}

/** Null when the file is not there; with a name, other reasons are noted. */
async function textOf(file: string, name: string | null, notes: string[]): Promise<string | null> {
  try {
    const text = await readFile(file, 'utf8')
    if (text.length <= largestFileBytes || name === null) return text
    notes.push(`${name} is too large to be read`)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== 'ENOENT' && name !== null) notes.push(`${name} could not be read: ${code}`)
  }
  return null
}
