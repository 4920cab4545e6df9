/**
 * Folders at a path that a user named. Never with `recursive`: on /proc, where mkdir(2) answers ENOENT below a parent that exists,
 * Node's recursive mkdir tries forever, at 100 % of a core.
 */

import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** With those above it, mode 0700. Throws mkdir's first refusal. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && isFolder(path)) return
    const parent = dirname(path)
    // A parent that is there has given its answer already.
    if (code !== 'ENOENT' || parent === path || isFolder(parent)) throw error
    makeFolder(parent)
    mkdirSync(path, { mode: 0o700 })
  }
}

export const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
