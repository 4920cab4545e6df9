/**
 * SQLite's result codes in the words of the port. A newcomer would expect a full disk to be one code: SQLite says `FULL` when a
 * write came back short and `IOERR` with a system error underneath when, for example, a quota or an fsync refused.
 */

import { DarumaError } from '../../ports/error.ts'
import type { Failure } from './messages.ts'

/** The primary result codes (https://sqlite.org/rescode.html) that mean something to a person. */
const sqlite = { permission: 3, busy: 5, readOnly: 8, io: 10, corrupt: 11, full: 13, cannotOpen: 14, tooBig: 18, notDatabase: 26 }

/** What a thrown value says about the file. Errors that are nobody's fault but ours are thrown on, as the bugs they are. */
export function explainError(error: unknown, file: string): Failure {
  if (error instanceof StoreFailure) return error.failure
  const { errcode, message, code } = error as { readonly errcode?: number; readonly message: string; readonly code?: string }
  if (errcode === undefined) {
    if (code !== undefined && systemCodes.has(code)) return notWritable(file, message)
    throw error
  }
  switch (errcode & 0xff) {
    case sqlite.full:
      return full(file)
    case sqlite.corrupt:
    case sqlite.notDatabase:
      return corrupt(file, message)
    case sqlite.permission:
    case sqlite.readOnly:
    case sqlite.cannotOpen:
      return notWritable(file, message)
    case sqlite.busy:
      return {
        code: 'E_STORE_LOCKED',
        message: `${file} is held by another process`,
        hint: 'End the process that has it open; only one daemon may use a state directory.',
      }
    case sqlite.tooBig:
      return { code: 'E_STORE_TOO_LARGE', message: `a value is too large for ${file} (the limit is 1 GB)`, hint: null }
    case sqlite.io:
      return {
        code: 'E_STORE_IO',
        message: `reading or writing ${file} failed: ${message} (SQLite code ${errcode})`,
        hint: 'Check the kernel log for disk errors, and quotas.',
      }
    default:
      throw error
  }
}

const systemCodes: ReadonlySet<string> = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOENT',
  'ENOTDIR',
  'EISDIR',
  'ELOOP',
  'ENAMETOOLONG',
])

export const full = (file: string): Failure => ({
  code: 'E_STORE_FULL',
  message: `no space is left for ${file}; nothing was written`,
  hint: 'Free some space on its file system; the store recovers automatically.',
})

export const corrupt = (file: string, message: string): Failure => ({
  code: 'E_STORE_CORRUPT',
  message: `${file} is damaged or is not a Daruma database: ${message}`,
  hint: `Put a backup in its place, or move ${file} and ${file}-wal away: the next \`up\` then records everything again and adopts what runs.`,
})

export const notWritable = (file: string, message: string): Failure => ({
  code: 'E_STORE_NOT_WRITABLE',
  message: `${file} cannot be opened for writing: ${message}`,
  hint: 'Check the owner and mode of the state directory and whether its file system is mounted read-only.',
})

export const newer = (file: string, version: { readonly found: number; readonly known: number }): Failure => ({
  code: 'E_STORE_NEWER',
  message: `${file} was written by a newer version of Daruma (format ${version.found}; this one knows ${version.known}); nothing was changed`,
  hint: 'Use the newer version, or another state directory.',
})

export const replaced = (file: string): Failure => ({
  code: 'E_STORE_REPLACED',
  message: `${file} is not the file that was opened: it was removed or replaced under the running daemon`,
  hint: 'The daemon must be restarted to read the new file; it does so automatically.',
})

export const compacted = (after: number, floor: number): Failure => ({
  code: 'E_STORE_COMPACTED',
  message: `the changes after revision ${after} are forgotten up to revision ${floor}`,
  hint: 'List again, and watch from the revision of that listing.',
})

export const tooLarge = (prefix: string, limitBytes: number): Failure => ({
  code: 'E_STORE_TOO_LARGE',
  message: `the entries under '${prefix}' are larger than ${limitBytes / 2 ** 20} MiB together`,
  hint: 'List with a limit, or get single keys.',
})

/** A failure inside the worker, on its way to the edge where it becomes plain data. */
export class StoreFailure extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.message)
    this.failure = failure
  }
}

/** The failure as the caller sees it. */
export function toDarumaError(failure: Failure): DarumaError {
  return new DarumaError(failure.code, failure.message, failure.hint === null ? {} : { hint: failure.hint })
}
