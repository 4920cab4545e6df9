/**
 * What is left without root or without cgroups: the keeper leads a process group, and a mark in the environment finds members that
 * left it. Weaker, and said so: a program that leaves the group *and* clears its environment escapes. A late keeper is held off by
 * a ticket: the keeper must unlink it to go on, the daemon unlinks it to give the epoch up, and only one of the two can.
 */

import { readFileSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { isAlive, observeBootId, observeProcess, parseProcessStat } from '../../host/process-stat.ts'
import { readEpochNote, reservedBytes } from '../../host/slot-files.ts'
import { hasCode, isMissing } from '../../host/errno.ts'
import { type Enclosure, killEach } from './enclosure.ts'

/** In the environment of every process of an epoch that has no cgroup: the path of its epoch directory. */
export const markVariable: string = 'DARUMA_INSTANCE'

export function processGroupEnclosure(epochDirectory: string): Enclosure {
  const ticket = join(epochDirectory, 'ticket')
  const members = (): number[] => {
    const keeper = readKeeper(epochDirectory)
    return keeper === null ? [] : groupMembers(keeper, `${markVariable}=${epochDirectory}\0`)
  }
  const isPopulated = (): boolean => {
    const keeper = readKeeper(epochDirectory)
    return keeper !== null && (isAlive(keeper) || members().length > 0)
  }
  return {
    make() {
      writeFileSync(join(epochDirectory, 'keeper'), ' '.repeat(reservedBytes), { flag: 'wx', mode: 0o600 })
      writeFileSync(ticket, '', { flag: 'wx', mode: 0o600 })
    },
    joinFiles: [],
    eventsFile: null,
    members,
    isPopulated,
    killAll: () => killEach(members()),
    close() {
      try {
        unlinkSync(ticket)
      } catch (error) {
        if (!isMissing(error)) throw error
      }
      if (isPopulated()) return false
      // Nobody can come any more, so there is nothing left to remember: looking again costs no scan of all processes.
      rmSync(join(epochDirectory, 'keeper'), { force: true })
      return true
    },
    freezer: null,
  }
}

interface Keeper {
  readonly pid: number
  /** 0 where the host has no /proc to tell it. */
  readonly startTicks: number
}

/** A keeper of an earlier boot is gone, whoever has its number and its start time now. */
function readKeeper(epochDirectory: string): Keeper | null {
  const bootId = observeBootId()
  if (bootId !== '' && (readEpochNote(epochDirectory)?.bootId ?? bootId) !== bootId) return null
  try {
    const text = readFileSync(join(epochDirectory, 'keeper'), 'latin1')
    if (!text.includes('\n')) return null
    const line = text.slice(0, text.indexOf('\n'))
    return parseProcessStat(line) ?? { pid: Number(line), startTicks: 0 }
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

function groupMembers(keeper: Keeper, mark: string): number[] {
  if (keeper.startTicks === 0) return isGroupAlive(keeper.pid) ? [-keeper.pid] : []
  const isKeeperAlive = isAlive(keeper)
  return listProcesses().filter((pid) => {
    if (pid === process.pid) return false
    const stat = observeProcess(pid)
    if (stat === null || stat.state === 'Z' || stat.startTicks < keeper.startTicks) return false
    // While the leader lives its group is ours whole; afterwards the number could belong to somebody else's group.
    return (isKeeperAlive && stat.processGroup === keeper.pid) || hasMark(pid, mark)
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
