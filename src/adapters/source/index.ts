/**
 * Reads a folder into a release. What is the same as last time, by all that lstat(2) says of it, is not read again; so the second
 * reading of 10,000 files takes a tenth of a second. It works synchronously, because a command has nothing else to do meanwhile and
 * promises cost more than the calls; the daemon must not use it.
 */

import { createHash } from 'node:crypto'
import { type BigIntStats, type Dirent, lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs'
import { join, relative } from 'node:path'
import { findBadLinks } from '../../core/release/links.ts'
import { ancestorsOf, type ManifestEntry, makeManifest, mostEntries, renderManifest } from '../../core/release/manifest.ts'
import type { SourceAnswer, SourceRequest } from '../../ports/runtime/source.ts'
import { type Crowd, Faults, explainKind } from './faults.ts'
import { hashFile } from './hash-file.ts'
import { IgnoreRules } from './ignore-rules.ts'
import { StatCache } from './stat-cache.ts'

export interface ReadOptions extends SourceRequest {
  /** Where the cache of all folders is; null: none. */
  readonly cacheDirectory: string | null
  /** Fewer than a release may have. */
  readonly mostEntries?: number
}

/** Whatever is wrong with the folder is an answer; nothing is thrown. */
export function readSource(options: ReadOptions): SourceAnswer {
  const faults = new Faults()
  let folder: string
  try {
    folder = realpathSync(options.folder)
    if (!lstatSync(folder).isDirectory()) return faults.missing(`${options.folder} is no folder`)
  } catch (error) {
    return faults.missing(
      `${options.folder} ${(error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : String(error)}`,
    )
  }
  const reader = new FolderReader(folder, options, faults)
  const entries = reader.read()
  if (faults.any) return faults.answer()
  const manifest = makeManifest(entries)
  for (const { path, target } of findBadLinks(manifest)) {
    faults.add('E_SOURCE_LINK', path, `is a link that leads out of the folder, or in a circle: ${target}`)
  }
  if (faults.any) return faults.answer()
  reader.cache.save()
  const text = renderManifest(manifest)
  const digest = createHash('sha256').update(text).digest('hex')
  return { release: { folder, text, digest } }
}

interface Found {
  readonly path: string
  /** An empty one. */
  readonly isFolder: boolean
}

class FolderReader {
  readonly cache: StatCache
  readonly #folder: string
  readonly #faults: Faults
  readonly #except: ReadonlySet<string>
  readonly #rules: IgnoreRules
  readonly #mostEntries: number
  readonly #entries: ManifestEntry[] = []

  constructor(folder: string, options: ReadOptions, faults: Faults) {
    const { ignore, root, except, cacheDirectory } = options
    this.#folder = folder
    this.#mostEntries = options.mostEntries ?? mostEntries
    this.#faults = faults
    this.cache = new StatCache(folder, cacheDirectory)
    this.#except = new Set(except.map((path) => relative(folder, resolveLinks(path))))
    this.#rules = new IgnoreRules({ folder, root: resolveLinks(root), ignore })
  }

  /** All names first: a folder that is too large is refused before any of its files is read, which would take minutes. */
  read(): readonly ManifestEntry[] {
    const found = this.#find()
    if (found.length > this.#mostEntries) {
      this.#faults.tooMany(this.#mostEntries, findCrowd(found.map(({ path }) => path)))
      return []
    }
    for (const { path, isFolder } of found) {
      if (isFolder) this.#entries.push({ kind: 'folder', path })
      else if (!this.#faults.isFull) this.#take(path)
    }
    return this.#entries
  }

  /** Everything that is not ignored: files and the like, and empty folders. Stops where it is more than a release may have. */
  #find(): readonly Found[] {
    const found: Found[] = []
    // Folders that wait to be looked into: no recursion, whatever the depth.
    const waiting = ['']
    for (let above = waiting.pop(); above !== undefined; above = waiting.pop()) {
      const listed = this.#list(above)
      if (listed === null) continue
      // One in which everything is ignored leaves no trace.
      if (listed.length === 0 && above !== '') found.push({ path: above, isFolder: true })
      this.#rules.enter(
        above,
        listed.map(({ name }) => name),
      )
      for (const entry of listed) {
        const path = above === '' ? entry.name : `${above}/${entry.name}`
        const isFolder = entry.isDirectory()
        if (entry.name === '.git' || this.#except.has(path) || this.#rules.isIgnored(path, isFolder)) continue
        if (isFolder) waiting.push(path)
        else found.push({ path, isFolder: false })
        if (found.length > this.#mostEntries) return found
      }
    }
    return found
  }

  #list(above: string): readonly Dirent[] | null {
    const whole = join(this.#folder, above)
    try {
      const listed = readdirSync(whole, { withFileTypes: true })
      // Node puts U+FFFD where a name is not UTF-8; a name may also really have it.
      if (listed.some(({ name }) => name.includes('\uFFFD'))) {
        for (const raw of readdirSync(whole, { encoding: 'buffer' })) {
          if (Buffer.from(raw.toString('utf8')).equals(raw)) continue
          const shown = JSON.stringify(raw.toString('latin1'))
          this.#faults.add(
            'E_SOURCE_NAME',
            above === '' ? '.' : above,
            `has a file whose name is not UTF-8: ${shown} (as Latin-1)`,
          )
        }
      }
      return listed
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // It was there a moment ago: what goes while we read is not part of the release.
      if (code !== 'ENOENT' && code !== 'ENOTDIR') this.#faults.unreadable(above === '' ? '.' : above, error)
      return null
    }
  }

  #take(path: string): void {
    const whole = join(this.#folder, path)
    let found: BigIntStats
    try {
      found = lstatSync(whole, { bigint: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#faults.unreadable(path, error)
      return
    }
    if (found.isFile()) this.#takeFile(path, whole, found)
    else if (found.isSymbolicLink()) this.#takeLink(path, whole)
    else if (found.isDirectory()) this.#faults.add('E_SOURCE_CHANGING', path, 'has become a folder while it was read')
    else this.#faults.add('E_SOURCE_KIND', path, `is ${explainKind(found)}`)
  }

  #takeFile(path: string, whole: string, found: BigIntStats): void {
    const mode = Number(found.mode)
    if ((mode & 0o6000) !== 0) {
      this.#faults.add('E_SOURCE_KIND', path, 'has the setuid or setgid bit, which a release does not keep')
      return
    }
    const isExecutable = (mode & 0o100) !== 0
    const known = this.cache.find(path, found)
    if (known !== null) {
      this.#entries.push({ kind: 'file', path, isExecutable, size: Number(found.size), sha256: known })
      return
    }
    const read = hashFile(whole)
    if (read.kind === 'gone') return
    if (read.kind === 'unreadable') this.#faults.unreadable(path, read.error)
    else if (read.kind === 'changing') this.#faults.add('E_SOURCE_CHANGING', path, 'changes faster than it can be read')
    else {
      this.cache.remember(path, read)
      this.#entries.push({ kind: 'file', path, isExecutable, size: read.size, sha256: read.sha256 })
    }
  }

  #takeLink(path: string, whole: string): void {
    try {
      const raw = readlinkSync(whole, { encoding: 'buffer' })
      const target = raw.toString('utf8')
      if (Buffer.from(target).equals(raw)) this.#entries.push({ kind: 'link', path, target })
      else this.#faults.add('E_SOURCE_NAME', path, 'is a link to a name that is not UTF-8')
    } catch (error) {
      this.#faults.unreadable(path, error)
    }
  }
}

/** The smallest folder with more than half of the paths in it: what was forgotten to be ignored is hardly ever spread out. */
function findCrowd(paths: readonly string[]): Crowd {
  const counts = new Map<string, number>()
  for (const path of paths) for (const above of ancestorsOf(path)) counts.set(above, (counts.get(above) ?? 0) + 1)
  const crowded = [...counts].filter(([, count]) => count * 2 > paths.length)
  const [folder, count] = crowded.reduce((best, each) => (each[0].length > best[0].length ? each : best), ['.', paths.length])
  return { folder, count }
}

/** As the kernel sees it, where it exists. */
function resolveLinks(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
