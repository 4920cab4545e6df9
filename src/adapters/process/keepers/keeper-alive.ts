/**
 * A keeper is process 1 of its namespace, which ends only when everything in it has ended: also what has left the cgroup, let go of the lock
 * and cannot be killed now, since it waits for a disk. By then the keeper itself is no member of its cgroup any more (kernel/exit.c:
 * `cgroup_exit` comes before `exit_notify`), so an empty cgroup does not say it.
 */

import { isAlive } from '../../../system/process-stat.ts'
import type { KeeperIdentity } from './keeper-lane.ts'

/** False where the keeper is not known, or the host has no /proc to tell. */
export function isKeeperAlive(keeper: KeeperIdentity | null): keeper is KeeperIdentity {
  return keeper !== null && keeper.startTicks !== 0 && isAlive(keeper)
}
