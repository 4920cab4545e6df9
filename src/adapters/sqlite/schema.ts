/**
 * Opens the database file, or refuses it without having changed a byte. The refusals that matter (not a database, written by a
 * newer version) are read from the file's first 100 bytes (https://sqlite.org/fileformat2.html#the_database_header) before SQLite
 * sees it, because even opening and closing a database in WAL mode may write to it.
 *
 * The process must open the file by no other way while the store is open: closing *any* descriptor of a file drops all of the
 * process's POSIX locks on it (https://sqlite.org/howtocorrupt.html, section 2.2).
 */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { StoreFailure, corrupt, newer } from './errors.ts'
import { noteLog, setForeignLogAside } from './foreign-log.ts'

/** Raised by every change of the tables; a higher one in a file is refused as `E_STORE_NEWER`. */
export const formatVersion: number = 1

/** "Drma", so that `file` and we can tell our databases from others. */
const applicationId = 0x44726d61

/** How long to wait for a former daemon that is just letting go of the file. */
const busyTimeoutMs = 2000
/** A check of all pages costs about 1 ms a megabyte; beyond this size damage is found when the page is read. */
const fullCheckBytes = 64 * 2 ** 20

/**
 * Opens or creates. Throws a {@link StoreFailure} or SQLite's own error.
 *
 * Locking is exclusive: the one daemon needs no shared memory file, so a full disk cannot raise SIGBUS in it, and a second process
 * is refused instead of seeing half of a restore. The log is small at every moment (`wal_autocheckpoint` pages, see also the
 * checkpoint of the idle worker), so that a state file restored over it by hand meets no stale log.
 */
export function openDatabase(file: string): DatabaseSync {
  const sizeBytes = refuseForeignFile(file)
  setForeignLogAside(file)
  const database = new DatabaseSync(file, { timeout: busyTimeoutMs })
  try {
    database.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA cache_size = -1024;
      PRAGMA temp_store = MEMORY;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = 1000;
      PRAGMA journal_size_limit = 4194304;
    `)
    if (pragma(database, 'application_id') === 0 && isEmpty(database)) create(database)
    if (pragma(database, 'application_id') !== applicationId)
      throw new StoreFailure(corrupt(file, 'it belongs to another program'))
    refuseNewer(file, pragma(database, 'user_version'))
    if (sizeBytes <= fullCheckBytes) refuseDamaged(file, database)
    noteLog(file)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** Creates the file where there is none, for its owner alone: the values of secrets are in it. Returns its size. */
function refuseForeignFile(file: string): number {
  const descriptor = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600)
  try {
    const header = Buffer.alloc(100)
    const read = readSync(descriptor, header, 0, header.length, 0)
    if (read === 0) return 0
    if (read < header.length || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') {
      throw new StoreFailure(corrupt(file, 'it does not begin as a database does'))
    }
    if (header.readUInt32BE(68) === applicationId) refuseNewer(file, header.readUInt32BE(60))
    return fstatSync(descriptor).size
  } finally {
    closeSync(descriptor)
  }
}

function refuseNewer(file: string, found: number): void {
  if (found > formatVersion) throw new StoreFailure(newer(file, { found, known: formatVersion }))
}

function refuseDamaged(file: string, database: DatabaseSync): void {
  const [first] = database.prepare('PRAGMA quick_check(1)').all()
  const verdict = String(first?.['quick_check'])
  if (verdict !== 'ok') throw new StoreFailure(corrupt(file, verdict))
}

function pragma(database: DatabaseSync, name: 'application_id' | 'user_version'): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name])
}

function isEmpty(database: DatabaseSync): boolean {
  return database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined
}

/**
 * `changes` holds every value once, in the order in which they were written; `entries` says which of them is a key's present one.
 * `position` is `revision × 1024 + place in its transaction`: one integer is the order, the revision, and the rowid.
 * The checkpoint brings the version into the file's header, where {@link refuseForeignFile} looks for it.
 */
function create(database: DatabaseSync): void {
  database.exec(`
    BEGIN EXCLUSIVE;
    CREATE TABLE changes (position INTEGER PRIMARY KEY, key TEXT NOT NULL, value TEXT) STRICT;
    CREATE TABLE entries (key TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE compaction (revision INTEGER NOT NULL) STRICT;
    INSERT INTO compaction VALUES (0);
    PRAGMA application_id = ${applicationId};
    PRAGMA user_version = ${formatVersion};
    COMMIT;
    PRAGMA wal_checkpoint(TRUNCATE);
  `)
}
