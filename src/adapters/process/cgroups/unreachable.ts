/**
 * An instance whose command lives although this host shows no cgroup that holds it: the hierarchy is not mounted (any more), or somebody
 * has moved it out. Its end cannot be proven by the kernel's own account, so it counts as running for as long as its process lives
 * or anybody holds the slot's lock, which every child of it has inherited.
 */

import { statSync } from 'node:fs'

import { isAlive } from '../../../system/process-stat.ts'
import { readText } from '../../../system/read-quietly.ts'
import { type Cgroup, killEach } from './cgroup.ts'

export function unreachableCgroup(command: { readonly pid: number; readonly startTicks: number }, lock: string): Cgroup {
  const members = (): readonly number[] => (isAlive(command) ? [command.pid] : [])
  const isPopulated = (): boolean => isAlive(command) || isLocked(lock)
  return {
    joinFiles: [],
    eventsFile: null,
    members,
    isPopulated,
    // With the command its keeper ends, and with that the PID namespace.
    killAll: () => killEach(members()),
    seal: () => !isPopulated(),
    freezer: null,
  }
}

/** Whether anybody has an flock on an inode of this number, as /proc/locks tells (proc(5)). Its device is not compared: overlays show two. */
function isLocked(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  return (
    stat !== undefined &&
    readText('/proc/locks')
      .split('\n')
      .some((line) => / FLOCK /.test(line) && line.includes(`:${stat.ino} `))
  )
}
