/** Makes a state directory, or says in one sentence why it cannot be one. */

import { accessSync, constants, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { isFolder, makeFolder } from './make-folder.ts'

export interface FolderFault {
  /** What is in the way. */
  readonly why: string
  readonly cause: unknown
}

/** Null when it is there and can be written. A full disk is no reason to refuse: what runs must be watched all the same. */
export function makeStateFolder(path: string): FolderFault | null {
  try {
    makeFolder(path)
    const probe = join(path, `.writable.${process.pid}`)
    writeFileSync(probe, '')
    rmSync(probe)
    return null
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if ((code === 'ENOSPC' || code === 'EDQUOT') && isFolder(path)) return null
    return { why: explain(code), cause }
  }
}

/** What {@link makeStateFolder} would answer, as far as it can be told without making anything; null when nothing is in the way. */
export function foreseeStateFolder(path: string): FolderFault | null {
  let existing = path
  try {
    existing = nearestExisting(path)
    if (!isFolder(existing)) return { why: `${existing} is not a directory`, cause: null }
    accessSync(existing, constants.W_OK | constants.X_OK)
    return null
  } catch (cause) {
    return { why: explain((cause as NodeJS.ErrnoException).code, existing), cause }
  }
}

function nearestExisting(path: string): string {
  for (let at = path; ; at = dirname(at))
    if (statSync(at, { throwIfNoEntry: false }) !== undefined || at === dirname(at)) return at
}

function explain(code: string | undefined, where: string = 'a folder on the way'): string {
  if (code === 'EACCES' || code === 'EPERM') return `permission denied: ${where} belongs to another user or takes no folders`
  if (code === 'ENOENT') return 'this file system takes no folders'
  if (code === 'ENOTDIR' || code === 'EEXIST') return 'a file is in the way'
  if (code === 'EROFS') return 'the file system is read-only'
  return code ?? 'unknown'
}
