/** Who holds a lock that we did not get: for people, so that they need not search. Nothing is decided by it. */

import { existsSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { readLink, readNames, readText } from '../../system/read-quietly.ts'

export interface Holder {
  readonly pid: number
  /** The state directory that it has locked, where that is now; null when it could not be found. */
  readonly state: string | null
}

/** The process whose open description of this very directory has the flock. */
export function findLockHolder(path: string): Holder | null {
  const wanted = statSync(path, { throwIfNoEntry: false })
  if (wanted === undefined) return null
  return find((pid, fd, link) => {
    if (link !== path) return false
    const opened = statSync(`/proc/${pid}/fd/${fd}`)
    return opened.ino === wanted.ino && opened.dev === wanted.dev && hasFlock(pid, fd)
  })
}

/** The process that listens under this name in the abstract namespace (unix(7)). */
export function findSocketHolder(name: string): Holder | null {
  const line = readText('/proc/net/unix')
    .split('\n')
    .find((each) => each.endsWith(` @${name}`))
  const inode = line?.split(/\s+/)[6]
  return inode === undefined ? null : find((_pid, _fd, link) => link === `socket:[${inode}]`)
}

function find(isIt: (pid: number, fd: string, link: string) => boolean): Holder | null {
  for (const pid of readNames('/proc').map(Number).filter(Number.isInteger)) {
    if (pid === process.pid) continue
    for (const fd of readNames(`/proc/${pid}/fd`)) {
      try {
        if (isIt(pid, fd, readlinkSync(`/proc/${pid}/fd/${fd}`))) return { pid, state: findLockedState(pid) }
      } catch {
        // The process or the descriptor went away while we looked.
      }
    }
  }
  return null
}

function findLockedState(pid: number): string | null {
  for (const fd of readNames(`/proc/${pid}/fd`)) {
    const link = readLink(`/proc/${pid}/fd/${fd}`)
    if (link.startsWith('/') && hasFlock(pid, fd) && existsSync(join(link, 'identity.json'))) return link
  }
  return null
}

/** Whether this descriptor, or another of the same open file, has the lock: an inherited one tells too. */
export function hasFlock(pid: number, fd: string): boolean {
  try {
    return /^lock:.*\bFLOCK\b/m.test(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'))
  } catch {
    return false
  }
}
