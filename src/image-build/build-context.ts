/**
 * The files of a folder that an image is built from, with `.dockerignore` applied: what is hashed to see whether a build is due, and what is
 * sent to the engine, are the same list. Sockets, pipes and devices are no part of it.
 */

import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { DockerIgnore, type Matched } from './docker-ignore.ts'

export interface ContextEntry {
  /** From the folder, with `/`. */
  readonly path: string
  readonly kind: 'file' | 'directory' | 'link'
  /** The permission bits. */
  readonly mode: number
  readonly size: number
  /** Of a link: where it leads. */
  readonly target: string | null
}

/** Beyond these a folder was named by mistake, such as a home directory. */
const mostEntries = 100_000
const mostBytes = 20 * 1024 ** 3

/** What is wrong with the folder, in words for a person. Node's own errors come as they are. */
export class BuildContextFault extends Error {}

/** In the order of their paths, each folder before what is in it. Throws {@link BuildContextFault}. */
export async function listBuildContext(context: string, dockerfile: string): Promise<readonly ContextEntry[]> {
  const ignore = new DockerIgnore(await readIgnore(context, dockerfile))
  const entries: ContextEntry[] = []
  let bytes = 0
  // Folders that wait to be looked into, the next one last: no recursion, whatever the depth.
  const waiting: { readonly path: string; readonly matched: Matched | null }[] = [{ path: '', matched: null }]
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    const { path: above, matched: matchedAbove } = folder
    const names = (await readdir(join(context, above))).toSorted()
    const found = await Promise.all(names.map((name) => look(context, above === '' ? name : `${above}/${name}`)))
    const inside: typeof waiting = []
    for (const entry of found) {
      if (entry === null) continue
      const { isIgnored, matched } = ignore.match(entry.path, matchedAbove)
      // The engine reads it even where it is kept out of the image.
      const isSent = !isIgnored || entry.path === dockerfile || dockerfile.startsWith(`${entry.path}/`)
      if (entry.kind === 'directory' && (isSent || ignore.leadsOn(entry.path))) inside.push({ path: entry.path, matched })
      if (!isSent) continue
      entries.push(entry)
      bytes += entry.size
      if (entries.length > mostEntries) throw new BuildContextFault(`has more than ${mostEntries} files`)
      if (bytes > mostBytes) throw new BuildContextFault(`has more than ${mostBytes / 1024 ** 3} GiB`)
    }
    waiting.push(...inside.reverse())
  }
  return entries.toSorted((left, right) => (left.path < right.path ? -1 : 1))
}

/** SHA-256 of names, modes and contents: the same folder elsewhere gives the same, and one changed bit another. */
export async function digestBuildContext(context: string, entries: readonly ContextEntry[]): Promise<string> {
  const hash = createHash('sha256')
  for (const { path, kind, mode, size, target } of entries) {
    hash.update(`${JSON.stringify([path, kind, mode, size, target])}\n`)
    if (kind === 'file') await hashFile(join(context, path), size, hash)
  }
  return hash.digest('hex')
}

const smallBytes = 1024 * 1024

async function hashFile(file: string, size: number, hash: Hash): Promise<void> {
  if (size <= smallBytes) {
    hash.update(await readFile(file))
    return
  }
  for await (const part of createReadStream(file)) hash.update(part as Buffer)
}

/** A file beside the Dockerfile and called after it comes first, as with Docker's own builder. */
async function readIgnore(context: string, dockerfile: string): Promise<string> {
  for (const name of [`${dockerfile}.dockerignore`, '.dockerignore']) {
    try {
      return await readFile(join(context, name), 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return ''
}

async function look(context: string, path: string): Promise<ContextEntry | null> {
  const whole = join(context, path)
  const found = await lstat(whole)
  const mode = found.mode & 0o7777
  if (found.isFile()) return { path, kind: 'file', mode, size: found.size, target: null }
  if (found.isDirectory()) return { path, kind: 'directory', mode, size: 0, target: null }
  return found.isSymbolicLink() ? { path, kind: 'link', mode: 0o777, size: 0, target: await readlink(whole) } : null
}
