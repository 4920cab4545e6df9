/** What can be told of a state directory that is not ours, by its files and the kernel alone. Takes no lock and changes nothing. */

import { realpathSync } from 'node:fs'
import { join } from 'node:path'

import { isMissing } from '../../system/errno.ts'
import { isAlive } from '../../system/process-stat.ts'
import { readNames, readText } from '../../system/read-quietly.ts'
import { epochDirectory, listEpochs, parseSlotName, readKeeper, slotPaths } from '../../host/slot-files.ts'
import { isInhabited } from './cgroups.ts'
import { readIdentity } from './identity.ts'
import { findLockHolder } from './lock-holder.ts'

export interface ObservedState {
  /** Whether a daemon is there or about to be: what is in its database is its own. */
  readonly hasDaemon: boolean
  /** What of it runs, by the kernel; null when nothing is seen. */
  readonly living: string | null
  readonly isUnderSystemd: boolean
}

/** `homes`: the folders in it that have slots. */
export function observeState(path: string, homes: readonly string[]): ObservedState {
  const daemon = findDaemon(realpathSync(path))
  return {
    hasDaemon: daemon !== null,
    living: daemon ?? findLife(path, homes),
    isUnderSystemd: readText(join(path, 'host', 'supervised-by')).trim() === 'systemd',
  }
}

function findDaemon(path: string): string | null {
  const daemon = findLockHolder(path)
  if (daemon !== null) return `its daemon is pid ${daemon.pid}`
  const supervisor = findLockHolder(join(path, 'host', 'supervisor.lock'))
  return supervisor === null ? null : `its supervisor is pid ${supervisor.pid}`
}

function findLife(path: string, homes: readonly string[]): string | null {
  try {
    const stateId = findStateId(path)
    if (stateId !== null && isInhabited(stateId)) return 'there are processes in its cgroups'
  } catch (error) {
    // Whose cgroups are its own is not known.
    return `its identity cannot be read: ${error instanceof Error ? error.message : String(error)}`
  }
  const keeper = homes.flatMap(listKeepers).find(isAlive)
  return keeper === undefined ? null : `its keeper is pid ${keeper.pid}`
}

function findStateId(path: string): string | null {
  try {
    return readIdentity(join(path, 'identity.json'))?.stateId ?? null
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

function listKeepers(home: string): readonly { readonly pid: number; readonly startTicks: number }[] {
  return readNames(join(home, 'slots')).flatMap((name) => {
    const slot = parseSlotName(name)
    if (slot === null) return []
    const paths = slotPaths(home, slot)
    return listEpochs(paths).flatMap((epoch) => readKeeper(epochDirectory(paths, epoch)) ?? [])
  })
}
