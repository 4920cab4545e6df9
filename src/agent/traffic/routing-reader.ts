/**
 * What of all projects concerns the balancer, each project's part kept until something about it has changed: a project that crash-loops does not
 * have the others looked at again. In a part every service and slot has its project's id in front, so that two projects may use the same names.
 */

import type { Endpoint, RoutedService } from '../../core/balance/make-table.ts'
import { upstreamId } from '../../core/balance/table.ts'
import type { UpstreamId } from '../../core/balance/table.ts'
import type { Epoch } from '../../core/model/id.ts'
import { qualifiedService, qualifiedSlot } from '../../core/model/project-id.ts'
import type { ProjectId } from '../../core/model/project-id.ts'
import type { RoutingWish } from '../../ports/exchange.ts'
import type { Service } from '../../core/model/service.ts'
import { drainingShells, endpointsOf, routedServices } from './endpoints.ts'
import type { TrafficRecord } from './applied-table.ts'
import type { ServedProject } from './served-project.ts'
import type { SlotShell } from '../slots/slot-shell.ts'

export interface Draining {
  readonly shell: SlotShell
  readonly epoch: Epoch
  readonly id: UpstreamId
}

/** All parts together. The same object as long as nothing in it has changed. */
export interface RoutingInput {
  readonly services: readonly RoutedService[]
  readonly endpoints: readonly Endpoint[]
  readonly draining: readonly Draining[]
}

interface Part extends RoutingInput {
  readonly routing: RoutingWish | null
  /** Whether somebody in it is judged by what the balancer was last known to serve. */
  readonly isUnsteady: boolean
}

export class RoutingReader {
  readonly #served: () => Iterable<ServedProject>
  readonly #parts = new Map<ProjectId, Part>()
  readonly #stale = new Set<ProjectId>()
  readonly #names = new WeakMap<Service, { readonly id: ProjectId; readonly named: Service }>()
  #record: TrafficRecord | null = null
  #all: RoutingInput = { services: [], endpoints: [], draining: [] }

  constructor(served: () => Iterable<ServedProject>) {
    this.#served = served
  }

  /** Something about the project has changed. */
  note(id: ProjectId): void {
    this.#stale.add(id)
  }

  /** `record`: what the balancer serves, as far as it is known. */
  read(record: TrafficRecord): RoutingInput {
    let isNew = false
    const present = new Set<ProjectId>()
    for (const project of this.#served()) {
      present.add(project.id)
      if (!this.#isStale(project, record)) continue
      this.#parts.set(project.id, this.#partOf(project, record))
      isNew = true
    }
    for (const id of this.#parts.keys()) {
      if (present.has(id)) continue
      this.#parts.delete(id)
      isNew = true
    }
    this.#stale.clear()
    this.#record = record
    if (!isNew) return this.#all
    const parts = [...this.#parts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, part]) => part)
    this.#all = {
      services: parts.flatMap(({ services }) => services),
      endpoints: parts.flatMap(({ endpoints }) => endpoints),
      draining: parts.flatMap(({ draining }) => draining),
    }
    return this.#all
  }

  #isStale({ id, routing }: ServedProject, record: TrafficRecord): boolean {
    const part = this.#parts.get(id)
    if (part === undefined || this.#stale.has(id) || part.routing !== routing) return true
    return part.isUnsteady && record !== this.#record
  }

  #partOf(project: ServedProject, record: TrafficRecord): Part {
    const { id, routing, shells } = project
    const routed = routedServices(project)
    const names = new Set(routed.map(({ service }) => service.name))
    const isUnsteady = [...shells.values()].some(({ slot: { occupancy: at } }) => {
      if (at.kind === 'vacant' || at.spec === null || !names.has(at.spec.service.name)) return false
      return at.kind === 'ending' || (at.kind === 'live' && !at.health.isReady)
    })
    return {
      services: routed.map(({ service, isWanted }) => ({ service: this.#named(id, service), isWanted })),
      endpoints: endpointsOf(project, ownRecord(id, record)).map((endpoint) => ({
        ...endpoint,
        slot: qualifiedSlot(id, endpoint.slot),
        service: qualifiedService(id, endpoint.service),
      })),
      draining: drainingShells(project).map(({ shell, epoch }) => ({
        shell,
        epoch,
        id: upstreamId(qualifiedSlot(id, shell.id), epoch),
      })),
      routing,
      isUnsteady,
    }
  }

  #named(id: ProjectId, service: Service): Service {
    const known = this.#names.get(service)
    if (known?.id === id) return known.named
    const named = { ...service, name: qualifiedService(id, service.name) }
    this.#names.set(service, { id, named })
    return named
  }
}

/** A project's part of the record, in its own words. */
export function ownRecord(id: ProjectId, { active, draining, asked }: TrafficRecord): TrafficRecord {
  const own = (ids: readonly UpstreamId[]): readonly UpstreamId[] =>
    ids.filter((each) => each.startsWith(`${id}/`)).map((each) => each.slice(id.length + 1))
  return { active: own(active), draining: own(draining), asked: own(asked) }
}
