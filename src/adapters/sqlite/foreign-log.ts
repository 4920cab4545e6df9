/**
 * A write-ahead log belongs to one database file, and SQLite cannot tell when it is met by another: after a daemon was killed, a
 * `state.db` put back from a backup would have the newer log replayed into it, page by page, a mixture of two states
 * (https://sqlite.org/howtocorrupt.html, section 1.4). So the two files' identities are noted when they are opened together, and a log
 * that is found beside another database is set aside before SQLite sees it. A copy *into* the same file keeps its identity and
 * is not noticed: anyone who restores by hand removes the log, as the guide says.
 */

import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'

/** To be called before SQLite opens the file. True when a foreign log was set aside (as `<file>-wal.foreign`). */
export function setForeignLogAside(file: string): boolean {
  const isForeign = isLogForeign(file)
  if (isForeign) renameSync(logOf(file), `${logOf(file)}.foreign`)
  return isForeign
}

/** Whether the log beside the file is known to belong to another. */
export function isLogForeign(file: string): boolean {
  const database = identityOf(file)
  const log = identityOf(logOf(file))
  if (database === null || log === null) return false
  const [knownDatabase, knownLog] = readNote(file)
  return knownLog === log && knownDatabase !== database
}

/** To be called when SQLite has opened both. A disk that is full leaves the old note, which then says nothing about either. */
export function noteLog(file: string): void {
  try {
    rmSync(noteOf(file), { force: true })
    writeFileSync(noteOf(file), `${identityOf(file) ?? ''} ${identityOf(logOf(file)) ?? ''}\n`, { mode: 0o600 })
  } catch {
    // Without the note the next opening trusts the log, as SQLite would.
  }
}

const logOf = (file: string): string => `${file}-wal`
const noteOf = (file: string): string => `${file}-wal.of`

function readNote(file: string): readonly (string | undefined)[] {
  try {
    return readFileSync(noteOf(file), 'utf8').trim().split(' ')
  } catch {
    return []
  }
}

/** Inode numbers are given out again; with the time of birth they are not. */
function identityOf(file: string): string | null {
  try {
    const { dev, ino, birthtimeNs } = statSync(file, { bigint: true })
    return `${dev}:${ino}:${birthtimeNs}`
  } catch {
    return null
  }
}
