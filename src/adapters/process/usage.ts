/**
 * What an instance uses, without controllers: `cpu.stat` is a core file of every v2 cgroup and counts ended children too; memory is
 * summed over the processes, the largest shared part counted once (PostgreSQL's ten processes share one buffer).
 */

import { dirname, join } from 'node:path'

import { observeProcess } from '../../system/process-stat.ts'
import { readText } from '../../system/read-quietly.ts'
import type { Usage } from '../../ports/runtime/runtime.ts'
import type { Cgroup } from './cgroups/cgroup.ts'

/** Linux reports both in units that are the same on every architecture that Node runs on. */
const pageBytes = 4096
const ticksPerSecond = 100

/** Null where nothing runs. */
export function observeUsage(cgroup: Cgroup | null): Usage | null {
  const members = cgroup?.members() ?? []
  if (cgroup === null || members.length === 0) return null
  let ownPages = 0
  let sharedPages = 0
  let cpuTicks = 0
  for (const pid of members) {
    const [, resident = 0, shared = 0] = readText(`/proc/${pid}/statm`).split(' ').map(Number)
    ownPages += resident - shared
    sharedPages = Math.max(sharedPages, shared)
    if (cgroup.eventsFile === null) cpuTicks += observeProcess(pid)?.cpuTicks ?? 0
  }
  const counted =
    cgroup.eventsFile === null ? null : /^usage_usec (\d+)/m.exec(readText(join(dirname(cgroup.eventsFile), 'cpu.stat')))
  return {
    cpuSeconds: counted?.[1] === undefined ? cpuTicks / ticksPerSecond : Number(counted[1]) / 1e6,
    memoryBytes: (ownPages + sharedPages) * pageBytes,
  }
}
