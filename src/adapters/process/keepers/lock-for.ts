/**
 * The slot's lock, taken by the daemon for a keeper: an flock belongs to the open file and not to a process, so what is locked through a
 * copy of the keeper's descriptor is held by the keeper, and by every child that inherits it (flock(2)). It saves the keeper a program,
 * which costs more than the rest of its work.
 */

import { closeSync } from 'node:fs'

import { libc } from '../../../system/libc.ts'
import { isAlive } from '../../../system/process-stat.ts'
import type { KeeperIdentity } from './keeper-lane.ts'

/** Where the keeper has its slot's directory open. */
const lockDescriptor = 9

/** False where it cannot be done from outside, or another holds the lock: then the keeper tries it, and says what it finds. */
export function lockFor(keeper: KeeperIdentity): boolean {
  if (keeper.startTicks === 0) return false
  const borrowed = libc().borrow(keeper.pid, lockDescriptor)
  if (borrowed === null) return false
  try {
    // Asked after the copy was made: its number may have been given to another process before.
    return isAlive(keeper) && libc().lock(borrowed)
  } catch {
    return false
  } finally {
    closeSync(borrowed)
  }
}
