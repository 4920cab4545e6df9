/**
 * What the kernel knows of states by their id: the cgroup directories that a state has, and who lives in them. An instance's processes hold
 * the slot's directory open (it is their lock), so /proc says where the state directory is *now*, whatever it was called at their start.
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'

import { readLink, readNames, readText } from '../../host/read-quietly.ts'

/** Below the mounts in which instances are kept together: v2, and v1's freezer (decision 3). */
export function stateCgroups(stateId: string): readonly string[] {
  return enclosureMounts().map((mount) => join(mount, 'daruma', stateId))
}

export interface Inhabitant {
  readonly stateId: string
  readonly pid: number
  /** Its state directory, where it is now. */
  readonly home: string
  /** It was removed under the instance. */
  readonly isDeleted: boolean
}

/** Everybody in any state's cgroups, or in those of one, whose slot directory can be told. */
export function findInhabitants(stateId?: string): readonly Inhabitant[] {
  return enclosureMounts().flatMap((mount) => {
    const root = join(mount, 'daruma')
    const ids = stateId === undefined ? childrenOf(root) : [stateId]
    return ids.flatMap((id) => slotCgroups(join(root, id)).flatMap(({ cgroup, slot }) => findInSlot(cgroup, id, slot)))
  })
}

/** A keeper's cgroup has a label, an empty cgroup named by slot and epoch; keepers of format 1 had a cgroup below their slot's. */
function slotCgroups(state: string): readonly { readonly cgroup: string; readonly slot: string }[] {
  const keepers = join(state, 'keepers')
  const labelled = childrenOf(keepers).flatMap((number) =>
    childrenOf(join(keepers, number)).map((label) => ({ cgroup: join(keepers, number), slot: label.replace(/\.\d+$/, '') })),
  )
  return [...labelled, ...childrenOf(state).map((slot) => ({ cgroup: join(state, slot), slot }))]
}

/** Whether anything at all is in the state's cgroups. */
export const isInhabited = (stateId: string): boolean => stateCgroups(stateId).some((cgroup) => membersBelow(cgroup).length > 0)

function findInSlot(cgroup: string, stateId: string, slot: string): readonly Inhabitant[] {
  return membersBelow(cgroup).flatMap((pid) => {
    for (const fd of readNames(`/proc/${pid}/fd`)) {
      const link = readLink(`/proc/${pid}/fd/${fd}`)
      const isDeleted = link.endsWith(deleted)
      const path = isDeleted ? link.slice(0, -deleted.length) : link
      // Exactly: a project may stand below a folder `daruma/cafe/slots/`.
      if (path.startsWith('/') && path.endsWith(`/slots/${slot}`))
        return [{ stateId, pid, home: path.slice(0, -`/slots/${slot}`.length), isDeleted }]
    }
    return []
  })
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

function enclosureMounts(): readonly string[] {
  return readText('/proc/self/mountinfo')
    .split('\n')
    .flatMap((line) => {
      const [before = '', after = ''] = line.split(' - ')
      const [type, , options = ''] = after.split(' ')
      const isOne = type === 'cgroup2' || (type === 'cgroup' && options.split(',').includes('freezer'))
      return isOne ? [before.split(' ')[4] ?? ''] : []
    })
}
