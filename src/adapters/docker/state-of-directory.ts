/**
 * Whose containers were made for a state directory that has lost its identity: the engine knows, since each container carries its state
 * id as a label. They are recognised by the directory's path, which is a label too, or by an epoch that the directory still has.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'

import type { SlotId } from '../../core/model/id.ts'
import { asEpoch } from '../../core/model/id.ts'
import { hasCode } from '../../system/errno.ts'
import { epochDirectory, readEpochNote, slotPaths } from '../../host/slot-files.ts'
import { EngineClient } from './engine/client.ts'
import { labels } from './engine/parse.ts'
import { findSockets } from './engine/sockets.ts'

const askLimitMs = 5000

/** Null for nobody's. Throws where an engine is there and does not answer. */
export async function findStateOfDirectory(
  environment: Readonly<Record<string, string | undefined>>,
  directory: string,
): Promise<string | null> {
  const sockets = findSockets(environment)
  if (sockets.kind === 'unusable') return null
  for (const path of sockets.paths.filter(existsSync)) {
    const stateId = await askEngine(path, directory)
    if (stateId !== null) return stateId
  }
  return null
}

async function askEngine(socket: string, directory: string): Promise<string | null> {
  const signal = AbortSignal.timeout(askLimitMs)
  try {
    const listed = await new EngineClient(socket).listContainers({ label: [labels.state] }, { signal })
    const own = listed.find(({ Labels }) => isOf(directory, Labels ?? {}))
    return own === undefined ? null : ownerOf(own.Labels ?? {}).stateId
  } catch (error) {
    // A user who may not speak with the engine has no containers there; one that does not run is no concern of a directory that is new.
    if (hasCode(error, 'EACCES') || hasCode(error, 'ENOENT')) return null
    if (hasCode(error, 'ECONNREFUSED') && ['slots', 'projects'].every((name) => !existsSync(join(directory, name)))) return null
    throw new Error(
      `the container engine at ${socket} does not answer (${error instanceof Error ? error.message : String(error)})`,
      {
        cause: error,
      },
    )
  }
}

/** The label names both: the state's id, and the project's place behind an underscore. */
function ownerOf(found: Readonly<Record<string, string>>): { readonly stateId: string; readonly place: string } {
  const [stateId = '', ...place] = (found[labels.state] ?? '').split('_')
  return { stateId, place: place.join('_') }
}

function isOf(state: string, found: Readonly<Record<string, string>>): boolean {
  const { place } = ownerOf(found)
  const directory = place === '' ? state : join(state, 'projects', place)
  if (found[labels.directory] !== undefined) return found[labels.directory] === directory
  const [slot, epoch] = [found[labels.slot], Number(found[labels.epoch])]
  if (slot === undefined || !Number.isSafeInteger(epoch)) return false
  return readEpochNote(epochDirectory(slotPaths(directory, slot as SlotId), asEpoch(epoch)))?.container !== undefined
}
