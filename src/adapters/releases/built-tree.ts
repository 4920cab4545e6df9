/**
 * What a build has left becomes a tree: its files are hashed and shared like those of a source (most of `node_modules` is the same from
 * one release to the next), and nobody may write them any more. Nothing of the build may run while this goes on.
 */

import { createHash, hash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fchmodSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { DarumaError } from '../../ports/error.ts'
import { makeDurable } from './durable.ts'
import { blobPath, type Layout } from './layout.ts'

interface Found {
  readonly path: Buffer
  readonly sha256: string
  readonly isExecutable: boolean
}

export function sealFiles(layout: Layout, root: string): void {
  const { files, folders } = takeOver(root)
  makeDurable(
    layout.trees,
    files.map(({ path }) => path.toString()),
  )
  for (const file of files) share(layout, file)
  for (const folder of folders) chmodSync(folder, 0o555)
}

/** Everything becomes ours and read-only, folders at last: what is in them is still to be exchanged. */
function takeOver(root: string): { readonly files: readonly Found[]; readonly folders: readonly Buffer[] } {
  const uid = process.geteuid?.() ?? 0
  const gid = process.getegid?.() ?? 0
  const files: Found[] = []
  const folders: Buffer[] = []
  const waiting = [Buffer.from(root)]
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    chownSync(folder, uid, gid)
    chmodSync(folder, 0o700)
    folders.push(folder)
    for (const name of readdirSync(folder, { encoding: 'buffer' })) {
      const path = Buffer.concat([folder, slash, name])
      const found = lstatSync(path)
      if (found.isDirectory()) waiting.push(path)
      else if (found.isSymbolicLink()) lchownSync(path, uid, gid)
      else if (found.isFile()) {
        const isExecutable = (found.mode & 0o100) !== 0
        chownSync(path, uid, gid)
        files.push({ path, isExecutable, sha256: hashAndProtect(path, isExecutable) })
      } else if (found.isSocket() || found.isFIFO()) rmSync(path)
      else throw new DarumaError('E_RELEASE_BUILD', `The build has left a device: ${path.toString()}.`)
    }
  }
  return { files, folders }
}

const slash = Buffer.from('/')
const buffer = Buffer.allocUnsafeSlow(1024 * 1024)

function hashAndProtect(path: Buffer, isExecutable: boolean): string {
  const descriptor = openSync(path, 'r')
  try {
    fchmodSync(descriptor, isExecutable ? 0o555 : 0o444)
    let count = readSync(descriptor, buffer, 0, buffer.length, null)
    if (count < buffer.length && readSync(descriptor, buffer, count, 1, null) === 0)
      return hash('sha256', buffer.subarray(0, count), 'hex')
    const whole = createHash('sha256')
    // The byte beyond the first read, where that fell short of the file.
    if (count < buffer.length) count += 1
    for (; count > 0; count = readSync(descriptor, buffer, 0, buffer.length, null)) whole.update(buffer.subarray(0, count))
    return whole.digest('hex')
  } finally {
    closeSync(descriptor)
  }
}

/** Whichever was first is the one that both are. */
function share(layout: Layout, { path, sha256, isExecutable }: Found): void {
  const content = blobPath(layout, sha256, isExecutable)
  try {
    if (existsSync(content)) {
      const beside = Buffer.concat([path, Buffer.from('.daruma-link')])
      linkSync(content, beside)
      renameSync(beside, path)
      // Of two links of one file rename(2) does nothing and leaves both.
      rmSync(beside, { force: true })
      return
    }
    mkdirSync(dirname(content), { recursive: true, mode: 0o700 })
    linkSync(path, content)
  } catch (error) {
    // It stays a file of its own.
    if ((error as NodeJS.ErrnoException).code !== 'EMLINK') throw error
  }
}
