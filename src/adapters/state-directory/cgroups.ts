/**
 * What the kernel knows of states by their id: the cgroup directories that a state has, and who lives in them. An instance's processes hold
 * the slot's directory open (it is their lock), so /proc says where the state directory is *now*, whatever it was called at their start.
 */

import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

import { readLink, readNames, readText } from '../../system/read-quietly.ts'
import { parseSlotName } from '../../host/slot-files.ts'
import { hasFlock } from './lock-holder.ts'

/** Below the mounts in which instances are kept together: v2, and v1's freezer (decision 3). */
export function stateCgroups(stateId: string): readonly string[] {
  return cgroupMounts().map((mount) => join(mount, 'daruma', stateId))
}

export interface Inhabitant {
  readonly stateId: string
  readonly pid: number
  /** Its state directory, where it is now. */
  readonly home: string
  /** It was removed under the instance. */
  readonly isDeleted: boolean
}

/** Everybody in any state's cgroups, or in those of one, who holds a slot's lock. One after the other: of thousands the first may do. */
export function* findInhabitants(stateId?: string): Generator<Inhabitant, void, undefined> {
  for (const mount of cgroupMounts()) {
    const root = join(mount, 'daruma')
    for (const id of stateId === undefined ? childrenOf(root) : [stateId]) {
      for (const pid of membersBelow(join(root, id))) {
        const found = findHome(id, pid)
        if (found !== null) yield found
      }
    }
  }
}

/** Whether anything at all is in the state's cgroups. */
export const isInhabited = (stateId: string): boolean => stateCgroups(stateId).some((cgroup) => membersBelow(cgroup).length > 0)

/** Of the folder with the slots, which is the state's own or a project's in it. */
const stateOf = (folder: string): string => (basename(dirname(folder)) === 'projects' ? dirname(dirname(folder)) : folder)

/** Exactly: a program may have opened a folder that is called like a slot's, but it has no lock on it. */
function findHome(stateId: string, pid: number): Inhabitant | null {
  for (const fd of readNames(`/proc/${pid}/fd`)) {
    const link = readLink(`/proc/${pid}/fd/${fd}`)
    const isDeleted = link.endsWith(deleted)
    const path = isDeleted ? link.slice(0, -deleted.length) : link
    const slots = dirname(path)
    const isSlot = path.startsWith('/') && basename(slots) === 'slots' && parseSlotName(basename(path)) !== null
    if (isSlot && hasFlock(pid, fd)) return { stateId, pid, home: stateOf(dirname(slots)), isDeleted }
  }
  return null
}

/** What the kernel appends to the name of what was removed (proc(5)). */
const deleted = ' (deleted)'

function membersBelow(cgroup: string): readonly number[] {
  const own = readText(join(cgroup, 'cgroup.procs')).split('\n').filter(Boolean).map(Number)
  return [...own, ...childrenOf(cgroup).flatMap((name) => membersBelow(join(cgroup, name)))]
}

/** The cgroups right below one. */
function childrenOf(cgroup: string): readonly string[] {
  try {
    return readdirSync(cgroup, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  } catch {
    return []
  }
}

function cgroupMounts(): readonly string[] {
  return readText('/proc/self/mountinfo')
    .split('\n')
    .flatMap((line) => {
      const [before = '', after = ''] = line.split(' - ')
      const [type, , options = ''] = after.split(' ')
      const isOne = type === 'cgroup2' || (type === 'cgroup' && options.split(',').includes('freezer'))
      return isOne ? [before.split(' ')[4] ?? ''] : []
    })
}
