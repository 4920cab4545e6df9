/**
 * What holds all processes of one epoch together: a cgroup, or without one a process group. Three implementations stand beside this
 * file. The one thing to know is {@link Cgroup.seal}: it is the proof that nothing of the epoch runs *and* nothing ever will,
 * because a keeper that comes late can no longer join.
 */

import { readFileSync, readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

import { hasCode, isMissing } from '../../../system/errno.ts'

export interface Cgroup {
  /** The files into which a keeper writes its process id; empty for a process group. */
  readonly joinFiles: readonly string[]
  /** A file whose change says that the cgroup became empty or frozen, or null. */
  readonly eventsFile: string | null
  /** Living processes inside; zombies do not count. */
  members(): readonly number[]
  isPopulated(): boolean
  /** One attempt at ending everything inside, by SIGKILL; the caller repeats it until {@link isPopulated} is false. */
  killAll(): void
  /** True when nothing is inside and nothing can ever join; false while something is. Idempotent. */
  seal(): boolean
  /** Stops everything inside without its knowledge, so that process ids in it cannot be reused; null where that is impossible. */
  readonly freezer: Freezer | null
}

export interface Freezer {
  freeze(): void
  isFrozen(): boolean
  thaw(): void
}

/** Processes of a cgroup and of all cgroups below it; empty when it does not exist. */
export function cgroupMembers(directory: string): number[] {
  const members: number[] = []
  try {
    for (const line of readFileSync(join(directory, 'cgroup.procs'), 'latin1').split('\n'))
      if (line !== '') members.push(Number(line))
    for (const child of childDirectories(directory)) members.push(...cgroupMembers(join(directory, child)))
  } catch (error) {
    // ENODEV: it was removed between opening and reading.
    if (!isMissing(error) && !hasCode(error, 'ENODEV')) throw error
  }
  return members
}

/** Removes a cgroup with all below it (a program may have made its own). False when something lives in it. */
export function removeCgroup(directory: string): boolean {
  try {
    rmdirSync(directory)
    return true
  } catch (error) {
    if (isMissing(error)) return true
    if (!hasCode(error, 'EBUSY') && !hasCode(error, 'ENOTEMPTY')) throw error
  }
  const children = childDirectories(directory)
  if (children.length === 0) return false
  for (const child of children) if (!removeCgroup(join(directory, child))) return false
  return removeCgroup(directory)
}

export function childDirectories(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** SIGKILL for each, in a frozen or repeatedly inspected cgroup; one that has ended meanwhile is no error. */
export function killEach(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      if (!hasCode(error, 'ESRCH')) throw error
    }
  }
}
