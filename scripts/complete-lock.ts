/**
 * `node scripts/complete-lock.ts`, after a dependency was added: gives the lock file the entries of the platforms that npm left out.
 * A mirror that has the packages of some platforms only makes npm write a lock file without the others, and `npm ci` then refuses it,
 * on every machine. The new entries have no integrity; npm fills that in where such a package is really installed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './tree.ts'

export interface LockedPackage {
  readonly version?: string
  readonly cpu?: readonly string[]
  readonly dev?: boolean
  readonly libc?: readonly string[]
  readonly license?: string
  readonly optional?: boolean
  readonly os?: readonly string[]
  readonly engines?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export type LockedPackages = Readonly<Record<string, LockedPackage>>

/** The packages with every optional dependency of every package among them, sorted as npm sorts them. */
export function completeLock(packages: LockedPackages): LockedPackages {
  const all: Record<string, LockedPackage> = { ...packages }
  for (const [path, locked] of Object.entries(packages).toSorted(([a], [b]) => depth(a) - depth(b)))
    for (const [name, version] of Object.entries(locked.optionalDependencies ?? {})) {
      const isExact = /^\d/.test(version)
      if (!isExact || resolve(all, path, name)?.version === version) continue
      const top = `node_modules/${name}`
      all[top in all ? `${parentOf(path) || path}/${top}` : top] = entryOf(locked, name, version)
    }
  return Object.fromEntries(Object.entries(all).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** As Node resolves: beside the package, then one `node_modules` further up each time. */
function resolve(packages: LockedPackages, from: string, name: string): LockedPackage | undefined {
  for (let at = from; ; at = parentOf(at)) {
    const found = packages[at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`]
    if (found !== undefined || at === '') return found
  }
}

const depth = (path: string): number => path.split('node_modules/').length
const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/node_modules/')))

/** Native packages are named by what they are for: `binding-linux-x64-musl`, `darwin-arm64`, `binding-win32-x64-msvc`. */
function entryOf(owner: LockedPackage, name: string, version: string): LockedPackage {
  const [os = '', cpu = '', libc = ''] = name
    .slice(name.lastIndexOf('/') + 1)
    .replace(/^binding-/, '')
    .split('-')
  return {
    version,
    cpu: [cpu],
    ...(owner.dev === true && { dev: true }),
    ...(os === 'linux' && libc !== '' && { libc: [libc.startsWith('musl') ? 'musl' : 'glibc'] }),
    ...(owner.license !== undefined && { license: owner.license }),
    optional: true,
    os: [os],
    ...(owner.engines && { engines: owner.engines }),
  }
}

if (import.meta.main) {
  const path = join(root, 'package-lock.json')
  const lock = JSON.parse(readFileSync(path, 'utf8')) as { readonly packages: LockedPackages }
  const packages = completeLock(lock.packages)
  writeFileSync(path, `${JSON.stringify({ ...lock, packages }, null, 2)}\n`)
  console.log(`complete-lock: ${Object.keys(packages).length - Object.keys(lock.packages).length} entries added`)
}
