/** An flock(2) that this process holds until it ends. It never fails open: what is not known to be ours is an error, or another's. */

import { DarumaError } from '../../ports/error.ts'
import { libc } from '../../system/libc.ts'

/** True when this process holds the lock now, false when somebody else does. Throws `E_STATE_LOCK` where that cannot be known. */
export function lockDirectory(descriptor: number, path: string): boolean {
  try {
    return libc().lock(descriptor)
  } catch (error) {
    throw new DarumaError('E_STATE_LOCK', `The lock on ${path} could not be taken: ${(error as Error).message}.`, {
      hint: 'Without the lock two daemons could start everything twice. The file system must know flock(2).',
      cause: error,
    })
  }
}
