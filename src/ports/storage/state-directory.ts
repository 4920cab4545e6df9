/**
 * The directory that one daemon owns: its locks, its identity, its files. One lock is an flock on the directory's own inode, held
 * for the process's whole life: a database restored or replaced inside it is a new inode, the directory is not. The other is on the
 * state id, which is what two copies of a directory share.
 */

import { DarumaError } from '../error.ts'

export interface StateDirectory {
  readonly path: string
  /** Random, made once; part of every cgroup path. Survives the loss of the database. */
  readonly stateId: string
  /**
   * Names the last time at which this directory took another one's place, or null. Epochs may have been given out then that nothing here
   * remembers, so claims are renewed by every daemon whose store does not know this name yet.
   */
  readonly takeOver: string | null
  /** Changes with every boot of this machine. */
  readonly bootId: string
  pathOf(name: string): string
  /** The same for a folder in it, which is made where it is missing. */
  folder(name: string): Promise<StateDirectory>
  /** Writes a small file whole, by rename, mode 0600. */
  writeFile(name: string, text: string): Promise<void>
  /** Null where there is no such file; throws `E_STATE_READ` where it cannot be read. */
  readFile(name: string): Promise<string | null>
  /** Bytes that can still be written by us, and the file system's size. */
  space(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>
  /** The directory of a named volume, made (and given to `user`) when it is not there. */
  ensureVolume(name: string, user: string | null): Promise<string>
}

/** For anything that cannot make one: `why` says what is in the way. */
export function stateNotWritable(path: string, fault: { readonly why: string; readonly cause: unknown }): DarumaError {
  return new DarumaError('E_STATE_NOT_WRITABLE', `The state directory ${path} cannot be made or written: ${fault.why}.`, {
    hint: 'Choose another one with --state DIR, or run as its owner.',
    cause: fault.cause,
  })
}
