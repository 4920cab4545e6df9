/**
 * The database, or what stands in for it while it is damaged (decision 21). A damaged one must not keep down what can be kept up without
 * it: the daemon works with another one that knows nothing, and leaves the damaged one as it is. Some damage is seen as the file is opened, some
 * only as it is read: that is noted beside the file, and the next daemon believes the note for as long as the file is the same.
 */

import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { stderrLog } from '../../adapters/node/log.ts'
import { openSqliteStore } from '../../adapters/sqlite/index.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Store } from '../../ports/storage/store.ts'

export interface OpenedStore {
  readonly store: Store
  /** Why it is not the database, or null. */
  readonly storeFault: DarumaError | null
}

export const databaseFile = (state: string): string => join(state, 'state.db')
const emergencyFile = (state: string): string => join(state, 'emergency.db')
const noteFile = (state: string): string => join(state, 'state.db.damaged')

export const isDamaged = (error: unknown): error is DarumaError =>
  error instanceof DarumaError && error.code === 'E_STORE_CORRUPT'

export async function openStore(state: string): Promise<OpenedStore> {
  const noted = await readNote(state)
  if (noted !== null) return openEmergency(state, noted)
  try {
    const store = await openSqliteStore({ file: databaseFile(state) })
    await forgetEmergency(state)
    await rm(noteFile(state), { force: true })
    return { store, storeFault: null }
  } catch (error) {
    if (!isDamaged(error)) throw error
    return openEmergency(state, error)
  }
}

async function openEmergency(state: string, storeFault: DarumaError): Promise<OpenedStore> {
  stderrLog.write('error', `${storeFault.message} (${storeFault.code}). What runs is kept and restarted, and nothing is changed.`)
  const open = (): Promise<Store> => openSqliteStore({ file: emergencyFile(state) })
  const store = await open().catch(async (failure: unknown) => {
    if (!isDamaged(failure)) throw failure
    await forgetEmergency(state)
    return open()
  })
  return { store, storeFault }
}

/** For a daemon that could not work with what it had opened, once that is closed: the next one begins without it. */
export async function noteDamage(state: string, error: DarumaError): Promise<void> {
  // With the note already there it was the other one that could not be worked with.
  if ((await readNote(state)) !== null) return forgetEmergency(state)
  const note: Note = { file: await lookOf(databaseFile(state)), message: error.message, hint: error.hint }
  await writeFile(noteFile(state), `${JSON.stringify(note)}\n`, { mode: 0o600 }).catch(() => {})
}

interface Note {
  readonly file: string
  readonly message: string
  readonly hint: string | null
}

async function readNote(state: string): Promise<DarumaError | null> {
  try {
    const note = JSON.parse(await readFile(noteFile(state), 'utf8')) as Note
    if (note.file === (await lookOf(databaseFile(state))))
      return new DarumaError('E_STORE_CORRUPT', note.message, note.hint === null ? {} : { hint: note.hint })
  } catch {
    // No note, or no database any more.
  }
  return null
}

/** Another one for any other file, or other contents of it. */
async function lookOf(file: string): Promise<string> {
  const { ino, dev, size, mtimeNs } = await stat(file, { bigint: true })
  return `${dev} ${ino} ${size} ${mtimeNs}`
}

async function forgetEmergency(state: string): Promise<void> {
  for (const suffix of ['', '-wal', '-wal.of', '-journal']) await rm(`${emergencyFile(state)}${suffix}`, { force: true })
}
