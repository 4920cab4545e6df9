/**
 * What is left without root or without cgroups: the keeper's process group, and a mark in the environment that finds members which left it.
 * Weaker, and said so: a program that leaves the group *and* clears its environment escapes. Who the keeper is stands beside the epoch before
 * it is told anything, so one that is late is found like any other.
 */

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import { isAlive, observeBootId, observeProcess, parseProcessStat } from '../../../system/process-stat.ts'
import { readEpochNote, readKeeper } from '../../../host/slot-files.ts'
import { hasCode, isMissing } from '../../../system/errno.ts'
import { type Cgroup, killEach } from './cgroup.ts'
import type { KeeperIdentity } from '../keepers/keeper-lane.ts'

/** In the environment of every process of an epoch that has no cgroup: the path of its epoch directory. */
export const markVariable: string = 'DARUMA_INSTANCE'

export function processGroup(epochDirectory: string): Cgroup {
  const members = (): number[] => {
    const keeper = readKeeper(epochDirectory) ?? readFormerKeeper(epochDirectory)
    return keeper === null ? [] : groupMembers(keeper, `${markVariable}=${epochDirectory}\0`)
  }
  const isPopulated = (): boolean => members().length > 0
  return {
    joinFiles: [],
    eventsFile: null,
    members,
    isPopulated,
    killAll: () => killEach(members()),
    seal: () => !isPopulated(),
    freezer: null,
  }
}

/** Of format 1: it wrote down itself who it was. One of an earlier boot is gone, whatever has its number and its start time now. */
function readFormerKeeper(epochDirectory: string): KeeperIdentity | null {
  const bootId = observeBootId()
  if (bootId !== '' && (readEpochNote(epochDirectory)?.bootId ?? bootId) !== bootId) return null
  try {
    return parseProcessStat(readFileSync(join(epochDirectory, 'keeper'), 'latin1').split('\n')[0] ?? '')
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

function groupMembers(keeper: KeeperIdentity, mark: string): number[] {
  if (keeper.startTicks === 0) return isGroupAlive(keeper.pid) ? [-keeper.pid] : []
  // While the keeper lives its group is ours whole; afterwards the number could belong to another's group. `unshare` leads it.
  const group = isAlive(keeper) ? (observeProcess(keeper.pid)?.processGroup ?? null) : null
  return listProcesses().filter((pid) => {
    if (pid === process.pid) return false
    const stat = observeProcess(pid)
    if (stat === null || stat.state === 'Z') return false
    return (group !== null && stat.processGroup === group) || (stat.startTicks >= keeper.startTicks && hasMark(pid, mark))
  })
}

function isGroupAlive(group: number): boolean {
  try {
    return process.kill(-group, 0)
  } catch (error) {
    return hasCode(error, 'EPERM')
  }
}

export function listProcesses(): number[] {
  try {
    return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []))
  } catch {
    return []
  }
}

function hasMark(pid: number, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(mark)
  } catch {
    return false
  }
}
