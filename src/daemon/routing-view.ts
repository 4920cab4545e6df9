/**
 * What of all projects concerns the balancer, each project's part kept until something about it has changed: a project that crash-loops does not
 * have the others looked at again. In a part every service and slot has its project's id in front, so that two projects may use the same names.
 */

import type { Carrier, RoutedService } from '../core/balance/make-table.ts'
import { upstreamId } from '../core/balance/table.ts'
import type { UpstreamId } from '../core/balance/table.ts'
import type { Epoch, SlotId } from '../core/model/id.ts'
import { qualifiedService, qualifiedSlot } from '../core/model/project-id.ts'
import type { ProjectId } from '../core/model/project-id.ts'
import type { Service } from '../core/model/service.ts'
import { carriersOf, drainingShells, routedServices } from './carriers.ts'
import type { RevisionRecord, TrafficRecord } from './records.ts'
import type { SlotShell } from './slot-shell.ts'
import type { World } from './world.ts'

/** A project as the balancer sees it. */
export interface ServedProject {
  readonly id: ProjectId
  readonly world: World
  readonly portOf: (slot: SlotId) => number | null
}

export interface Draining {
  readonly shell: SlotShell
  readonly epoch: Epoch
  readonly id: UpstreamId
}

/** All parts together. The same object as long as nothing in it has changed. */
export interface RoutingInput {
  readonly services: readonly RoutedService[]
  readonly carriers: readonly Carrier[]
  readonly draining: readonly Draining[]
}

interface Part extends RoutingInput {
  readonly target: RevisionRecord | null
  /** The services that may be tried with a canary, and those of them that were when this part was made. */
  readonly triable: readonly Service[]
  readonly trials: string
  /** Whether somebody in it is judged by what the balancer was last known to serve. */
  readonly isUnsteady: boolean
}

export class RoutingView {
  readonly #served: () => Iterable<ServedProject>
  readonly #parts = new Map<ProjectId, Part>()
  readonly #stale = new Set<ProjectId>()
  readonly #names = new WeakMap<Service, { readonly id: ProjectId; readonly named: Service }>()
  #record: TrafficRecord | null = null
  #all: RoutingInput = { services: [], carriers: [], draining: [] }

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
      carriers: parts.flatMap(({ carriers }) => carriers),
      draining: parts.flatMap(({ draining }) => draining),
    }
    return this.#all
  }

  #isStale({ id, world }: ServedProject, record: TrafficRecord): boolean {
    const part = this.#parts.get(id)
    if (part === undefined || this.#stale.has(id) || part.target !== world.target) return true
    return (part.isUnsteady && record !== this.#record) || part.trials !== trialsOf(world, part.triable)
  }

  #partOf({ id, world, portOf }: ServedProject, record: TrafficRecord): Part {
    const own = ownRecord(id, record)
    const routed = routedServices(world)
    const triable = world.project?.services.filter(({ update }) => update.canary !== null) ?? []
    const names = new Set(routed.map(({ service }) => service.name))
    const isUnsteady = [...world.shells.values()].some(({ slot: { occupancy: at } }) => {
      if (at.kind === 'vacant' || at.spec === null || !names.has(at.spec.service.name)) return false
      return at.kind === 'ending' || (at.kind === 'live' && !at.health.isReady)
    })
    return {
      services: routed.map(({ service, isWanted }) => ({ service: this.#named(id, service), isWanted })),
      carriers: carriersOf(world, { record: own, portOf }).map((carrier) => ({
        ...carrier,
        slot: qualifiedSlot(id, carrier.slot),
        service: qualifiedService(id, carrier.service),
      })),
      draining: drainingShells(world).map(({ shell, epoch }) => ({
        shell,
        epoch,
        id: upstreamId(qualifiedSlot(id, shell.id), epoch),
      })),
      target: world.target,
      triable,
      trials: trialsOf(world, triable),
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

const trialsOf = (world: World, triable: readonly Service[]): string =>
  triable
    .filter(({ name }) => world.isOnTrial(name))
    .map(({ name }) => name)
    .join(' ')
