/**
 * What is left of a project that is removed: its volumes, but for those that were named, and how far its epochs have come, since a project in the
 * same place must not give out an old one again. That it goes is written down first, so that a daemon that dies on the way finds it and goes on.
 */

import { projectIdOf } from '../core/model/project-id.ts'
import type { ProjectId } from '../core/model/project-id.ts'
import { DarumaError } from '../ports/error.ts'
import { listRecords, put, remove } from '../ports/storage/json-records.ts'
import type { Store } from '../ports/storage/store.ts'
import type { KeptVolumes, RemoveProjectAnswer } from '../protocol/projects.ts'
import { keys, projectPrefix } from '../server/records.ts'
import type { KeptRecord, ProjectRecord } from '../server/records.ts'
import type { DaemonPorts } from './daemon-facts.ts'

export type RemovalPorts = Pick<DaemonPorts, 'store' | 'clock' | 'directory' | 'listVolumes' | 'removeHome'>

export const volumesFolder = (place: ProjectId): string => `projects/${place}/volumes`

/** Of a project whose home is closed; doing it again does no harm. Its own record goes last, in one with the note of what is kept. Throws `E_STORE_FULL`. */
export async function finishRemoval(ports: RemovalPorts, { place, name, stage, removal }: ProjectRecord): Promise<void> {
  const { store, clock } = ports
  await ports.removeHome(place, removal?.volumes ?? [])
  await clear(store, projectPrefix(place))
  const left = await ports.listVolumes(place)
  const kept: KeptRecord = { place, name, stage, at: clock.wallTime() }
  const note = left.length === 0 ? remove(keys.kept(place)) : put(keys.kept(place), kept)
  await store.transact({ then: [remove(keys.project(place)), note] })
}

/** All but the last claim, above which every later epoch must be. */
async function clear(store: Store, prefix: string): Promise<void> {
  for (;;) {
    const { entries } = await store.list(prefix, { limit: 500 })
    const found = entries.filter(({ key }) => key !== prefix + keys.claims)
    if (found.length === 0) return
    await store.transact({ then: found.map(({ key }) => remove(key)) })
  }
}

/** Whether a project lives in the place, whatever it is called: then the volumes there are its own, and nobody has left them. */
export type IsTaken = (place: ProjectId) => boolean

async function keptRecords(store: Store, isTaken: IsTaken): Promise<readonly KeptRecord[]> {
  return (await listRecords<KeptRecord>(store, 'kept/')).map(({ record }) => record).filter(({ place }) => !isTaken(place))
}

/** Of all projects that were removed; those whose volumes somebody has removed by hand are none any more. */
export async function listKept(ports: RemovalPorts, isTaken: IsTaken): Promise<readonly KeptVolumes[]> {
  const all = await Promise.all(
    (await keptRecords(ports.store, isTaken)).map(async ({ place, name, stage, at }): Promise<KeptVolumes> => {
      const volumes = await ports.listVolumes(place)
      const directory = ports.directory.pathOf(volumesFolder(place))
      return { id: projectIdOf({ name, stage }), name, stage, volumes, directory, removedAt: at }
    }),
  )
  return all.filter(({ volumes }) => volumes.length > 0)
}

/** Null where no removed project of this id has left anything. Throws `E_VOLUME_UNKNOWN`. */
export async function removeKept(
  ports: RemovalPorts,
  isTaken: IsTaken,
  id: ProjectId,
  volumes: readonly string[],
): Promise<RemoveProjectAnswer | null> {
  const found = (await keptRecords(ports.store, isTaken)).find((record) => projectIdOf(record) === id)
  const present = found === undefined ? [] : await ports.listVolumes(found.place)
  if (found === undefined || present.length === 0) return null
  refuseUnknown(id, volumes, present)
  await finishRemoval(ports, { ...found, origin: null, removal: { volumes } })
  return answerOf(ports, found.place)
}

export function refuseUnknown(id: ProjectId, volumes: readonly string[], present: readonly string[]): void {
  const unknown = volumes.find((name) => !present.includes(name))
  if (unknown === undefined) return
  throw new DarumaError('E_VOLUME_UNKNOWN', `${id} has no volume ${unknown}.`, {
    hint: present.length === 0 ? 'It has none.' : `It has: ${present.join(', ')}.`,
  })
}

export async function answerOf(ports: RemovalPorts, place: ProjectId): Promise<RemoveProjectAnswer> {
  return { kept: await ports.listVolumes(place), directory: ports.directory.pathOf(volumesFolder(place)) }
}

/** The place in which a project of this id finds the volumes that it left; else one that nothing was ever left in. */
export async function freePlace(store: Store, id: ProjectId, isTaken: IsTaken): Promise<ProjectId> {
  const kept = await keptRecords(store, isTaken)
  const own = kept.find((record) => projectIdOf(record) === id)
  if (own !== undefined) return own.place
  // A project that was renamed keeps the place that it began with, and so do its volumes.
  const places = new Set(kept.map(({ place }) => place))
  for (let number = 1; ; number += 1) {
    const place = (number === 1 ? id : `${id}__${number}`) as ProjectId
    if (!isTaken(place) && !places.has(place)) return place
  }
}
