/**
 * The daemon's memory: what should be (a revision, and what operators did since), what is recorded, and one shell a slot for what
 * is. It has no opinion; `reconciler.ts` moves it and `operations.ts` changes what should be. Whatever is in here can be lost at any
 * moment: `load.ts` rebuilds it from the store, the slot directories and the kernel.
 */

import { balancerName } from '../core/balance/balancer-service.ts'
import { hasAnswered } from '../core/instance/health.ts'
import type { Outcome } from '../core/instance/slot.ts'
import type { RevisionNumber, ServiceName, SlotId } from '../core/model/id.ts'
import { asRevisionNumber, isRunSlot, parseSlotId } from '../core/model/id.ts'
import type { Project, Service } from '../core/model/service.ts'
import { processIdentity, slotCount } from '../core/model/service.ts'
import { nameOfRoute } from '../core/keys/service/route.ts'
import type { ServiceView } from '../core/rollout/order.ts'
import type { SlotView, Wanted } from '../core/rollout/rollout.ts'
import type { Epoch } from '../core/model/id.ts'
import type { RevisionRecord, SlotRecord } from './records.ts'
import type { SlotShell } from './slot-shell.ts'

/** What the rest of the daemon asks about the balancer. */
export interface TrafficView {
  /** The balancer's own service, while there are routes. */
  readonly wanted: Wanted | null
  /** Whether its files hold a table. */
  readonly isPrepared: boolean
  isServing(slot: SlotId, epoch: Epoch): boolean
  isPresumed(shell: SlotShell): boolean
}

export class World {
  /** The revision that holds; 0 when none ever did. */
  applied: RevisionNumber = asRevisionNumber(0)
  /** The revision that is being made true: `applied`, except while an operation is under way. Null: nothing should be. */
  target: RevisionRecord | null = null
  readonly generations: Map<ServiceName, number> = new Map()
  readonly stoppedByHand: Set<ServiceName> = new Set()
  /** By job: the identity under which it last completed. */
  readonly jobsDone: Map<ServiceName, string> = new Map()
  readonly shells: Map<SlotId, SlotShell> = new Map()
  readonly records: Map<SlotId, SlotRecord> = new Map()
  /** By slot: the largest epoch ever started, by every source there is. */
  readonly lastEpochs: Map<SlotId, Epoch> = new Map()
  /** Slots that run though the database has never heard of any revision: left alone until an operation says what should be. */
  readonly unrecorded: Set<SlotId> = new Set()
  /** By slot: the epoch that this daemon found running, until its probes have answered. Before that nobody knows anything of it. */
  readonly adopted: Map<SlotId, Epoch> = new Map()
  /** The largest revision number that anything mentions. */
  lastRevision: number = 0
  /** Why the daemon cannot do its work fully, for `status`: "the disk is full". */
  condition: string | null = null
  /** What the balancer does; null where there is none, as in tests of the rest. */
  traffic: TrafficView | null = null
  /** Whether the operation under way only tries the service's new revision, with a share of the requests. */
  isOnTrial: (name: ServiceName) => boolean = () => false
  /** Whether a service rests between two batches of its rollout. */
  isPausing: (view: ServiceView) => boolean = () => false
  /** Why the container engine does not answer, while it does not. */
  engineFault: string | null = null

  get project(): Project | null {
    return this.target?.project ?? null
  }

  serviceOf(name: ServiceName): Service | null {
    return this.#services().get(name) ?? null
  }

  generationOf(name: ServiceName): number {
    return this.generations.get(name) ?? 0
  }

  wantedOf(name: ServiceName): Wanted | null {
    if (name === balancerName) return this.traffic?.wanted ?? null
    const service = this.#services().get(name)
    if (service === undefined || this.stoppedByHand.has(name)) return null
    return { service, identity: this.#identityOf(service) }
  }

  /** Every service that should be or of which something still is. */
  serviceNames(): readonly ServiceName[] {
    const names = new Set<ServiceName>(this.#services().keys())
    if (this.wantedOf(balancerName) !== null) names.add(balancerName)
    for (const id of this.shells.keys()) names.add(parseSlotId(id).service)
    return [...names]
  }

  views(): ReadonlyMap<ServiceName, ServiceView> {
    const slots = new Map<ServiceName, SlotView[]>()
    for (const shell of this.countedShells()) {
      const { service, index } = parseSlotId(shell.id)
      const list = slots.get(service) ?? []
      list.push(this.#viewOf(shell, index))
      slots.set(service, list)
    }
    const views = new Map<ServiceName, ServiceView>()
    for (const name of this.serviceNames()) {
      const wanted = this.wantedOf(name)
      views.set(name, { name, wanted, slots: slots.get(name) ?? [], isJobDone: this.isJobDone(name, wanted) })
    }
    return views
  }

  /**
   * The slots that a change is made of. The runs of a schedule are none: no rollout gives them a place, and no change waits for them, unless
   * their service is leaving, or becomes something else; then it has left when they have.
   */
  countedShells(): readonly SlotShell[] {
    return [...this.shells.values()].filter(({ id, slot }) => {
      if (!isRunSlot(id)) return true
      return slot.occupancy.kind !== 'vacant' && this.wantedOf(parseSlotId(id).service)?.service.scale.kind !== 'schedule'
    })
  }

  /** Whether what the service was before it became a schedule is still there: no run begins beside it. */
  isFormerThere(name: ServiceName): boolean {
    for (const id of this.records.keys()) {
      if (id.startsWith(`${name}/`) && (this.shells.get(id)?.slot.occupancy.kind ?? 'vacant') !== 'vacant') return true
    }
    return false
  }

  isJobDone(name: ServiceName, wanted: Wanted | null): boolean {
    if (wanted === null || wanted.service.scale.kind !== 'job' || this.target === null) return false
    // Only what is new runs jobs: a revision that holds, or is gone back to, has had its own.
    return this.jobsDone.get(name) === wanted.identity || this.target.skipsJobs || this.target.number === this.applied
  }

  shellsOf(name: ServiceName): readonly SlotShell[] {
    return [...this.shells.values()].filter((shell) => parseSlotId(shell.id).service === name)
  }

  /** Services that come after `name`, by what runs and by what should. */
  dependentsOf(name: ServiceName): readonly ServiceName[] {
    this.#services()
    const dependents = new Set<ServiceName>(this.#byRevision?.dependents.get(name))
    for (const { slot } of this.shells.values()) {
      const service = slot.occupancy.kind === 'vacant' ? null : slot.occupancy.spec?.service
      if (service?.after.some((dependency) => dependency.service === name)) dependents.add(service.name)
    }
    return [...dependents]
  }

  /**
   * Whether a volume of the service is still in the hands of another one that is giving it up: a service that was renamed must not open
   * its data while the one with the old name is closing it. What two services share by their configs they share.
   */
  isVolumeHeld(service: Service): boolean {
    if (service.volumes.length === 0) return false
    const names = new Set(service.volumes.map(({ name }) => name))
    return [...this.shells.values()].some(({ id, slot: { occupancy } }) => {
      if (occupancy.kind === 'vacant' || occupancy.spec === null) return false
      const other = parseSlotId(id).service
      const held = occupancy.spec.service.volumes.filter(({ name }) => names.has(name))
      if (other === service.name || held.length === 0) return false
      const kept = new Set(this.wantedOf(other)?.service.volumes.map(({ name }) => name))
      return held.some(({ name }) => !kept.has(name))
    })
  }

  /**
   * Whether a route of the service, which is to go, passes to another one that cannot serve yet: it carries on until then. Not where the
   * other one waits for a volume of ours: then somebody has to go first.
   */
  isRouteAwaited(name: ServiceName): boolean {
    const own = new Set<string>()
    for (const { slot } of this.shellsOf(name))
      if (slot.occupancy.kind === 'live') for (const route of slot.occupancy.spec.service.routes) own.add(nameOfRoute(route))
    if (own.size === 0) return false
    return [...this.#services().values()].some(
      (service) =>
        service.name !== name &&
        service.routes.some((route) => own.has(nameOfRoute(route))) &&
        this.wantedOf(service.name) !== null &&
        slotCount(service) > 0 &&
        !this.isVolumeHeld(service) &&
        !this.shellsOf(service.name).some((shell) => this.isInUse(shell)),
    )
  }

  noteOutcome(slot: SlotId, outcome: Outcome | null): void {
    const { service } = parseSlotId(slot)
    if (outcome?.kind === 'completed') this.jobsDone.set(service, outcome.identity)
  }

  /** A revision never changes, so neither does the look-up of its services. */
  #byRevision: {
    readonly revision: RevisionRecord | null
    readonly services: ReadonlyMap<ServiceName, Service>
    /** By the config alone: who comes after whom. */
    readonly dependents: ReadonlyMap<ServiceName, readonly ServiceName[]>
  } | null = null
  readonly #identities = new WeakMap<Service, { readonly generation: number; readonly identity: string }>()

  #services(): ReadonlyMap<ServiceName, Service> {
    if (this.#byRevision === null || this.#byRevision.revision !== this.target) {
      const services = new Map((this.target?.project.services ?? []).map((service) => [service.name, service]))
      this.#byRevision = { revision: this.target, services, dependents: dependentsIn(services.values()) }
    }
    return this.#byRevision.services
  }

  #identityOf(service: Service): string {
    const generation = this.generationOf(service.name)
    const known = this.#identities.get(service)
    if (known?.generation === generation) return known.identity
    const identity = processIdentity(service, generation)
    this.#identities.set(service, { generation, identity })
    return identity
  }

  /** Whether the slot runs a revision that is only being tried. */
  isCanary(shell: SlotShell): boolean {
    const { service } = parseSlotId(shell.id)
    const { goal } = shell.slot
    return this.isOnTrial(service) && goal.kind === 'run' && goal.spec.identity === this.wantedOf(service)?.identity
  }

  #viewOf(shell: SlotShell, index: number): SlotView {
    const { goal, occupancy, outcome } = shell.slot
    // What a run shall do is the clockwork's business: here it is only something that is still there.
    const goalIdentity = goal.kind === 'run' && !isRunSlot(shell.id) ? goal.spec.identity : null
    const isRight = occupancy.kind === 'live' && occupancy.spec.identity === goalIdentity
    return {
      index,
      goalIdentity,
      isVacant: occupancy.kind === 'vacant',
      isReady: isRight && this.isInUse(shell),
      isShaky: shell.isShaky(),
      isDone: outcome?.kind === 'completed' && outcome.identity === goalIdentity,
    }
  }

  /** Services with an instance that may be of use or not, and only a probe that is under way can tell. */
  unprovenServices(): ReadonlySet<ServiceName> {
    const unproven = new Set<ServiceName>()
    for (const [id, epoch] of this.adopted) {
      const at = this.shells.get(id)?.slot.occupancy
      const isOpen = at?.kind === 'live' && at.epoch === epoch && !hasAnswered(at.spec.service.health, at.health)
      if (isOpen) unproven.add(parseSlotId(id).service)
      else this.adopted.delete(id)
    }
    return unproven
  }

  /** Ready means: proven, and where it has routes, served by the balancer (decision 15). */
  isInUse(shell: SlotShell): boolean {
    const { occupancy } = shell.slot
    if (occupancy.kind !== 'live') return false
    const isProven = shell.describe().isReady || this.traffic?.isPresumed(shell) === true
    const hasRoutes = occupancy.spec.service.routes.length > 0
    return isProven && (!hasRoutes || this.traffic?.isServing(shell.id, occupancy.epoch) === true)
  }
}

function dependentsIn(services: Iterable<Service>): ReadonlyMap<ServiceName, readonly ServiceName[]> {
  const dependents = new Map<ServiceName, ServiceName[]>()
  for (const { name, after } of services) {
    for (const { service } of after) {
      const list = dependents.get(service)
      if (list === undefined) dependents.set(service, [name])
      else list.push(name)
    }
  }
  return dependents
}
