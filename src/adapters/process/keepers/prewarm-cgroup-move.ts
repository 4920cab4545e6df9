/**
 * Moving a process into a cgroup waits for an RCU grace period (some 10 ms), unless the kernel has just done such a move: then the
 * lock behind it is still in its quick state (`cgroup_threadgroup_rwsem` and `rcu_sync`, kernel/cgroup/cgroup.c). So the daemon moves
 * itself to where it already is once a start has made its cgroups, and the keeper's own move, some milliseconds later, finds the wait
 * half over. It changes nothing and nothing depends on it; a respawn is some 8 ms quicker.
 */

import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The function to call when a start's cgroups are made; it never waits and never fails. `mount` is that of the v2 hierarchy. */
export function prewarmCgroupMove(mount: string | null): () => void {
  const own = mount === null ? null : ownCgroup()
  if (mount === null || own === null) return () => {}
  const file = join(mount, own, 'cgroup.procs')
  let isUnderWay = false
  return () => {
    if (isUnderWay) return
    isUnderWay = true
    void writeFile(file, String(process.pid))
      .catch(() => {})
      .finally(() => {
        isUnderWay = false
      })
  }
}

function ownCgroup(): string | null {
  try {
    const line = readFileSync('/proc/self/cgroup', 'utf8')
      .split('\n')
      .find((text) => text.startsWith('0::'))
    return line === undefined ? null : line.slice('0::'.length)
  } catch {
    return null
  }
}
