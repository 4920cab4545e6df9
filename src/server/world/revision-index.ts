/** Look-ups in a revision. It never changes, so they are made once. */

import type { ServiceName } from '../../core/model/id.ts'
import type { Service } from '../../core/model/service.ts'
import { nameOfRoute } from '../../core/keys/service/route.ts'
import type { RevisionRecord } from '../records.ts'

export interface RevisionIndex {
  readonly revision: RevisionRecord | null
  readonly services: ReadonlyMap<ServiceName, Service>
  /** Who comes after whom. */
  readonly dependents: ReadonlyMap<ServiceName, readonly ServiceName[]>
  readonly byRoute: ReadonlyMap<string, readonly Service[]>
  readonly byVolume: ReadonlyMap<string, readonly Service[]>
}

export function indexRevision(revision: RevisionRecord | null): RevisionIndex {
  const services = revision?.project.services ?? []
  return {
    revision,
    services: new Map(services.map((service) => [service.name, service])),
    dependents: group(services.flatMap(({ name, after }) => after.map(({ service }) => [service, name] as const))),
    byRoute: group(services.flatMap((service) => service.routes.map((route) => [nameOfRoute(route), service] as const))),
    byVolume: group(services.flatMap((service) => service.volumes.map(({ name }) => [name, service] as const))),
  }
}

function group<Key, Value>(pairs: readonly (readonly [Key, Value])[]): ReadonlyMap<Key, readonly Value[]> {
  const groups = new Map<Key, Value[]>()
  for (const [key, value] of pairs) {
    const own = groups.get(key)
    if (own === undefined) groups.set(key, [value])
    else own.push(value)
  }
  return groups
}
