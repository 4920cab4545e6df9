/**
 * Who is in the way of a slot: processes in its cgroups, in the PID namespaces of its keepers, and processes that have its directory open.
 * /proc/locks would name only the process that once asked for the lock, which is `flock` itself and long gone; who still holds it is seen in
 * everybody's descriptors.
 */

import { readFileSync, statSync } from 'node:fs'
import { readdir, readlink } from 'node:fs/promises'

import type { SlotId } from '../../core/model/id.ts'
import type { ProcessIdentity } from '../../ports/runtime/runtime.ts'
import { describeProcess } from '../../system/process-stat.ts'
import { isKeeperAlive } from './keepers/keeper-alive.ts'
import type { Site } from './site.ts'
import { listProcesses } from './cgroups/process-group.ts'

export async function observeHolders(site: Site, slot: SlotId): Promise<readonly ProcessIdentity[]> {
  const { lock } = site.paths(slot)
  const epochs = site.epochsInKernel(slot)
  const members = epochs.flatMap((epoch) => [...site.cgroup(slot, epoch).members()])
  const keepers = epochs.map((epoch) => site.keeperOf(slot, epoch)).filter(isKeeperAlive)
  const found = new Set(members.filter((pid) => pid > 0))
  const own = await namespaceOf('self')
  const namespaces = new Set(await Promise.all(keepers.map(({ pid }) => namespaceOf(pid))))
  const isInside = async (pid: number): Promise<boolean> => {
    const namespace = namespaces.size === 0 ? null : await namespaceOf(pid)
    return namespace !== null && namespace !== own && namespaces.has(namespace)
  }
  for (const pid of listProcesses()) {
    if (pid === process.pid || found.has(pid)) continue
    if ((await isInside(pid)) || (await isHolding(pid, lock))) found.add(pid)
  }
  return [...found].toSorted((a, b) => a - b).map((pid) => ({ pid, command: describeProcess(pid) }))
}

/** Null when it has ended, or is another's and we are not root. */
function namespaceOf(pid: number | 'self'): Promise<string | null> {
  return readlink(`/proc/${pid}/ns/pid`).catch(() => null)
}

async function isHolding(pid: number, lock: string): Promise<boolean> {
  const name = lock.slice(lock.lastIndexOf('/'))
  try {
    for (const descriptor of await readdir(`/proc/${pid}/fd`)) {
      // Reading the link first spares a stat of everything else that a process has open, which may hang on a dead network mount.
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')
      if (!target.endsWith(name)) continue
      if (isSameFile(`/proc/${pid}/fd/${descriptor}`, lock) && hasLock(pid, descriptor)) return true
    }
  } catch {
    // It ended, or it belongs to somebody else and we are not root.
  }
  return false
}

function isSameFile(one: string, other: string): boolean {
  try {
    const a = statSync(one)
    const b = statSync(other)
    return a.dev === b.dev && a.ino === b.ino
  } catch {
    return false
  }
}

/** An open directory is not yet a held lock: fdinfo shows the lock itself (proc(5)). */
function hasLock(pid: number, descriptor: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'latin1').includes('lock:')
  } catch {
    return false
  }
}
