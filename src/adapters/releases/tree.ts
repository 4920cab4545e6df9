/**
 * Trees: the folders that instances run from. Their files are hard links of the contents, so a release costs what is new in it. A file
 * system allows only so many links of one file (ext4: 65,000; empty ones are common), beyond which it is copied.
 */

import {
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { FileEntry, Manifest } from '../../core/release/manifest.ts'
import { blobPath, type Layout } from './layout.ts'

const readOnly = { file: 0o444, program: 0o555, folder: 0o555 }

/** Everything in place and read-only; the caller makes it durable and says that it is whole. */
export function linkTree(layout: Layout, manifest: Manifest, root: string): void {
  const folders = new Folders(root)
  for (const entry of manifest.entries) {
    const path = join(root, entry.path)
    if (entry.kind === 'folder') folders.make(path)
    else {
      folders.make(dirname(path))
      if (entry.kind === 'link') symlinkSync(entry.target, path)
      else linkOrCopy(contentOf(layout, entry), path, entry.isExecutable ? readOnly.program : readOnly.file)
    }
  }
  for (const folder of folders.all) chmodSync(folder, readOnly.folder)
}

/** The same as files of their own, which the owner may write. */
export function copyTree(layout: Layout, manifest: Manifest, how: { readonly root: string; readonly owner: Owner | null }): void {
  const { root, owner } = how
  const folders = new Folders(root)
  for (const entry of manifest.entries) {
    const path = join(root, entry.path)
    if (entry.kind === 'folder') folders.make(path)
    else {
      folders.make(dirname(path))
      if (entry.kind === 'link') symlinkSync(entry.target, path)
      else {
        copyFileSync(contentOf(layout, entry), path, constants.COPYFILE_FICLONE)
        chmodSync(path, entry.isExecutable ? 0o755 : 0o644)
        if (owner !== null) chownSync(path, owner.uid, owner.gid)
      }
    }
  }
  for (const folder of folders.all) {
    chmodSync(folder, 0o755)
    if (owner !== null) chownSync(folder, owner.uid, owner.gid)
  }
}

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Makes each folder once; what may be written is nobody else's until the tree is done. */
class Folders {
  readonly all = new Set<string>()

  constructor(root: string) {
    mkdirSync(root, { recursive: true, mode: 0o700 })
    this.all.add(root)
  }

  make(path: string): void {
    if (this.all.has(path)) return
    this.make(dirname(path))
    mkdirSync(path, { mode: 0o700 })
    this.all.add(path)
  }
}

/** Links share their mode, so what may be executed is a content of its own. */
function contentOf(layout: Layout, { sha256, isExecutable }: FileEntry): string {
  const path = blobPath(layout, sha256, isExecutable)
  if (!isExecutable || existsSync(path)) return path
  const temporary = join(layout.incoming, `${sha256}.x.blob`)
  rmSync(temporary, { force: true })
  copyFileSync(blobPath(layout, sha256, false), temporary, constants.COPYFILE_FICLONE)
  chmodSync(temporary, readOnly.program)
  renameSync(temporary, path)
  return path
}

export function linkOrCopy(content: string, path: string, mode: number): void {
  try {
    linkSync(content, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EMLINK') throw error
    copyFileSync(content, path, constants.COPYFILE_FICLONE)
    chmodSync(path, mode)
  }
}

/** Whatever its modes are, and whatever the names are. */
export function removeTree(root: string): void {
  if (!existsSync(root)) return
  const waiting = [Buffer.from(root)]
  // Only root may empty a folder that it may not write.
  for (let folder = waiting.pop(); folder !== undefined && process.geteuid?.() !== 0; folder = waiting.pop()) {
    chmodSync(folder, 0o700)
    for (const name of readdirSync(folder, { encoding: 'buffer' })) {
      const path = Buffer.concat([folder, Buffer.from('/'), name])
      if (lstatSync(path).isDirectory()) waiting.push(path)
    }
  }
  rmSync(root, { recursive: true, force: true })
}
