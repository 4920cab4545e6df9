/**
 * Looks at the files in a folder that say what runs there. A Procfile and a Compose file are statements about that; package.json
 * scripts are only asked when there is neither. A file that cannot be read becomes a note, never an error.
 */

import { access, readFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { basename, join, resolve } from 'node:path'
import type { Found, FoundService } from '../../proposal/found.ts'
import { readPackage } from './package-scripts.ts'
import { readProcfile } from './procfile.ts'

/** Larger ones were not written by a person. */
const largestFileBytes = 1024 * 1024

export async function discover(directory: string, environment: Environment): Promise<Found> {
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
  const compose = await readComposeHere(directory, environment, notes)
  const manager =
    (await textOf(join(directory, 'pnpm-lock.yaml'), null, notes)) !== null
      ? 'pnpm'
      : (await textOf(join(directory, 'yarn.lock'), null, notes)) !== null
        ? 'yarn'
        : 'npm'
  const npmPackage = await attempt('package.json', (text) => readPackage(text, manager))
  const isLocked = npmPackage !== null && (await hasLock(directory, manager))
  const install = isLocked ? installers[manager] : null
  const ofFolder = (service: FoundService): FoundService => ({
    ...service,
    written: { source: sourceOf(install), ...service.written },
  })
  const stated = withoutDoubles([...procfile.map(ofFolder), ...(compose?.services ?? [])])
  return {
    name: compose?.name ?? npmPackage?.name ?? basename(resolve(directory)),
    services: stated.length > 0 ? stated : (npmPackage?.services ?? []).map(ofFolder),
    notes,
    hostMemoryBytes: totalmem(),
    isRoot: process.geteuid?.() === 0,
  }
}

/** What brings the packages of a lock file, and nothing else. */
const installers = {
  npm: 'npm ci',
  pnpm: 'pnpm install --frozen-lockfile',
  yarn: 'yarn install --frozen-lockfile',
} as const

const locks = { npm: 'package-lock.json', pnpm: 'pnpm-lock.yaml', yarn: 'yarn.lock' } as const

const hasLock = (directory: string, manager: keyof typeof locks): Promise<boolean> =>
  access(join(directory, locks[manager])).then(
    () => true,
    () => false,
  )

/** The folder as it is at each `up`; packages are installed for each release, and not copied. */
function sourceOf(install: string | null): unknown {
  return install === null ? '.' : { path: '.', ignore: ['node_modules'], build: install }
}

type Environment = Readonly<Record<string, string | undefined>>

/** What a config cannot say of a service stands with the service, the rest with the project. */
async function readComposeHere(
  directory: string,
  environment: Environment,
  notes: string[],
): Promise<{ readonly name: string; readonly services: readonly FoundService[] } | null> {
  const { findCompose } = await import('../../compose/find.ts')
  const files = await findCompose(directory)
  if (files.length === 0) return null
  const { readCompose } = await import('../../compose/read.ts')
  const reading = await readCompose({ files, cwd: directory, environment, profiles: [] })
  if (!reading.ok) {
    for (const { file, line, message } of reading.problems.slice(0, 5)) {
      notes.push(`${basename(file ?? files[0]!)}${line === null ? '' : ` line ${line}`} could not be understood: ${message}`)
    }
    return null
  }
  const about = (path: string, name: string): boolean => path === `services.${name}` || path.startsWith(`services.${name}.`)
  for (const note of reading.notes) {
    if (!reading.services.some(({ name }) => about(note.path, name)))
      notes.push(`${note.path}: ${note.message}; instead: ${note.instead}`)
  }
  const services = reading.services.map((service) => ({
    ...service,
    notes: reading.notes
      .filter(({ path }) => about(path, service.name))
      .map(({ path, message, instead }) => `${path.slice(`services.${service.name}.`.length)}: ${message}; instead: ${instead}`),
  }))
  return { name: reading.name, services }
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
