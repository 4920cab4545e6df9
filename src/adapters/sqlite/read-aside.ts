/**
 * Reads a database that is not ours: from a copy, since opening it at all may write to it, and a daemon's own is locked. The copy is whole
 * only while no daemon has the original open, which the caller makes sure of.
 */

import { constants } from 'node:fs'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { isMissing } from '../../system/errno.ts'
import { isLogForeign } from './foreign-log.ts'

/** Null where there is no database. Throws SQLite's error for one that is damaged, and the disk's. */
export async function readAside<Result>(
  file: string,
  read: (get: (key: string) => string | null) => Result,
): Promise<Result | null> {
  // For its owner alone (mkdtemp(3)): the values of secrets are in it.
  const folder = await mkdtemp(join(tmpdir(), 'daruma-state-'))
  try {
    const copy = join(folder, 'state.db')
    if (!(await copyIfThere(file, copy))) return null
    if (!isLogForeign(file)) await copyIfThere(`${file}-wal`, `${copy}-wal`)
    const database = new DatabaseSync(copy)
    try {
      const entry = database.prepare(
        'SELECT value FROM entries JOIN changes ON changes.position = entries.position WHERE entries.key = ?',
      )
      return read((key) => {
        const value = entry.get(key)?.['value']
        return typeof value === 'string' ? value : null
      })
    } finally {
      database.close()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function copyIfThere(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}
