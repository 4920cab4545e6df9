/**
 * What the files of a folder hashed to, by all that lstat(2) says of them: size, times, inode. What a newcomer would get wrong is the file
 * that is written twice within one tick of the file system's clock, with our reading in between: it looks the same and is not (git calls
 * it "racily clean"). So a file whose times are not clearly older than its reading is not remembered.
 */

import { createHash } from 'node:crypto'
import { type BigIntStats, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HashedFile } from './hash-file.ts'

const format = 'daruma source cache 1'

/** The coarsest clock of a file system in use (FAT: 2 s), and some more where its clock is another machine's. */
const raceMs = 3000
/** A cache that nobody has used for so long is of a folder that is gone. */
const keptMs = 30 * 24 * 3_600_000

/** What lstat(2) said, as one text; then the SHA-256. */
type Known = readonly [string, string]

export class StatCache {
  readonly #file: string | null
  readonly #directory: string | null
  readonly #before: ReadonlyMap<string, Known>
  readonly #after = new Map<string, Known>()
  #isChanged = false

  constructor(folder: string, directory: string | null) {
    this.#directory = directory
    const name = createHash('sha256').update(folder).digest('hex').slice(0, 24)
    this.#file = directory === null ? null : join(directory, `source-${name}.json`)
    this.#before = this.#file === null ? new Map() : load(this.#file)
  }

  /** The SHA-256 of what is unchanged since it was read. */
  find(path: string, found: BigIntStats): string | null {
    const known = this.#before.get(path)
    if (known === undefined || known[0] !== identityOf(found)) return null
    this.#after.set(path, known)
    return known[1]
  }

  remember(path: string, { stats, sha256, atMs }: Extract<HashedFile, { readonly kind: 'read' }>): void {
    this.#isChanged = true
    const newestMs = Number((stats.mtimeNs > stats.ctimeNs ? stats.mtimeNs : stats.ctimeNs) / 1_000_000n)
    if (newestMs < atMs - raceMs) this.#after.set(path, [identityOf(stats), sha256])
  }

  /** Without it all is read again, so that no trouble here is worth a word. */
  save(): void {
    if (this.#file === null || this.#directory === null) return
    if (!this.#isChanged && this.#after.size === this.#before.size) return
    const temporary = `${this.#file}.${process.pid}.tmp`
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
      writeFileSync(temporary, JSON.stringify([format, ...this.#after].flat(2)), { mode: 0o600, flag: 'wx' })
      renameSync(temporary, this.#file)
      forgetOld(this.#directory)
    } catch {
      rmSync(temporary, { force: true })
    }
  }
}

/** A flat array: path, what lstat said, SHA-256, and so on. */
function load(file: string): ReadonlyMap<string, Known> {
  const known = new Map<string, Known>()
  try {
    const words = JSON.parse(readFileSync(file, 'utf8')) as unknown
    if (!Array.isArray(words) || words[0] !== format || !words.every((word) => typeof word === 'string')) return known
    for (let at = 1; at + 2 < words.length; at += 3) known.set(words[at]!, [words[at + 1]!, words[at + 2]!])
  } catch {
    // None, or one that was cut short: as good as none.
  }
  return known
}

const identityOf = (found: BigIntStats): string => `${found.size} ${found.mtimeNs} ${found.ctimeNs} ${found.dev}:${found.ino}`

function forgetOld(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (!name.startsWith('source-')) continue
    const file = join(directory, name)
    if (Date.now() - statSync(file).mtimeMs > keptMs) rmSync(file, { force: true })
  }
}
