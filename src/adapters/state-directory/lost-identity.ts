/**
 * The state id of a directory whose `identity.json` is lost, alone or with everything else in it (`rm -r` and a new `up`). Under a new
 * id the daemon could not see what still runs, and would start everything twice. Only exact witnesses count: this boot's record of
 * owners, the slot directories that instances hold open, and the labels of containers. What is merely written on some command line does not.
 */

import { join } from 'node:path'

import { readNames } from '../../system/read-quietly.ts'
import { DarumaError } from '../../ports/error.ts'
import { findInhabitants } from './cgroups.ts'
import { keepsOwners, listOwners } from './owner-record.ts'
import { type Place, isSameDirectory, observePlaceQuietly } from './place.ts'

/** Asks the container engine whose state directory this was; null for nobody's. Throws where the engine is there and does not tell. */
export type AskContainers = (path: string) => Promise<string | null>

/** Null for a directory that never was anybody's. Throws `E_STATE_MOVED`, and `E_STATE_IDENTITY` where it cannot be known. */
export async function findLostState(here: Place, askContainers: AskContainers): Promise<string | null> {
  const owners = listOwners()
  const same = owners.find(({ owner }) => isSameDirectory(owner, here))
  if (same !== undefined) return same.stateId
  const former = owners.find(({ owner }) => owner.path === here.path)
  if (former !== undefined) {
    refuseMoved(former.stateId, here)
    return former.stateId
  }
  for (const { home, stateId } of findInhabitants()) if (home === here.path) return stateId
  // Root's daemons leave a record with their start: where there is none, there was none in this boot.
  if (keepsOwners() && !hasSlots(here.path)) return null
  try {
    return await askContainers(here.path)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new DarumaError(
      'E_STATE_IDENTITY',
      `${here.path} has no identity, and whether containers run that belong to it cannot be known: ${why}.`,
      { hint: 'Under a new identity they could be started twice. Get the container engine to answer, and try again.', cause },
    )
  }
}

/** Anything that runs in it has the directory open, and the kernel says what it is called now. */
function refuseMoved(stateId: string, here: Place): void {
  for (const { home, isDeleted } of findInhabitants(stateId)) {
    if (isDeleted || home === here.path || observePlaceQuietly(home) === null) continue
    throw new DarumaError(
      'E_STATE_MOVED',
      `The state directory ${here.path} was moved to ${home}, and what it runs goes on there.`,
      {
        hint: `Here everything would be started a second time. Use that one (--state ${home}), or move it back.`,
      },
    )
  }
}

function hasSlots(path: string): boolean {
  const parts = readNames(join(path, 'projects')).map((project) => join(path, 'projects', project))
  return [path, ...parts].some((part) => readNames(join(part, 'slots')).length > 0)
}
