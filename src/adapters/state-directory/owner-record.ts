/**
 * Which directory a state id belongs to in this boot: `/run/daruma/states/<state id>/owner.json`. It is kept outside the directory, so
 * that a copy cannot bring it along, and in memory, so that it says nothing about another boot. Root's states only: what others run
 * is not known to the kernel by a state id.
 */

import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { observeBootId } from '../../system/process-stat.ts'
import { readNames } from '../../system/read-quietly.ts'
import type { Place } from './place.ts'

const sharedDirectory = '/run/daruma'
const statesDirectory = join(sharedDirectory, 'states')

export const ownerDirectory = (stateId: string): string => join(statesDirectory, stateId)

/** Null when nobody was its owner in this boot. */
export function readOwner(stateId: string): Place | null {
  try {
    const owner = JSON.parse(readFileSync(join(ownerDirectory(stateId), 'owner.json'), 'utf8')) as Place
    return owner.bootId === observeBootId() ? owner : null
  } catch {
    return null
  }
}

export function listOwners(): readonly { readonly stateId: string; readonly owner: Place }[] {
  return readNames(statesDirectory).flatMap((stateId) => {
    const owner = readOwner(stateId)
    return owner === null ? [] : [{ stateId, owner }]
  })
}

/** Does nothing where there is no such directory, and only the directory's own file says whose it is. To be called under the state's lock. */
export function writeOwner(stateId: string, owner: Place): void {
  const file = join(ownerDirectory(stateId), 'owner.json')
  try {
    writeFileSync(`${file}.next`, `${JSON.stringify(owner)}\n`, { mode: 0o600 })
    renameSync(`${file}.next`, file)
  } catch {
    // A /run that is full or read-only: weaker, and no reason not to get up.
  }
}

/** Whether records are kept here, for which it makes the place: then no record means that there was no owner. */
export function keepsOwners(): boolean {
  if (process.geteuid?.() !== 0) return false
  try {
    // Volumes of other users are seen below it, and a daemon's umask would keep them out.
    mkdirSync(sharedDirectory, { recursive: true })
    chmodSync(sharedDirectory, 0o755)
    mkdirSync(statesDirectory, { recursive: true, mode: 0o711 })
    return true
  } catch {
    return false
  }
}
