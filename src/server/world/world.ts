/**
 * A project as the server sees it: what should be (a revision, and what operators did since), what was assigned, and what the host reported.
 * All of it is data. Views are made from it, service by service, and kept until something that they were made from has changed; what changed
 * since somebody last asked is named, so that a look costs what has changed and not what there is.
 */

import { balancerName, balancerSlot } from '../../core/balance/balancer-service.ts'
import type { SlotReport } from '../../core/instance/report.ts'
import type { RevisionNumber, ServiceName, SlotId } from '../../core/model/id.ts'
import { asRevisionNumber, isRunSlot, parseSlotId } from '../../core/model/id.ts'
import type { Project, Service } from '../../core/model/service.ts'
import { isSameWork, processIdentity } from '../../core/model/service.ts'
import { nameOfRoute } from '../../core/keys/service/route.ts'
import type { ServiceView } from '../../core/rollout/order.ts'
import type { SlotView, Wanted } from '../../core/rollout/rollout.ts'
import type { Assignment, BalancerReport, HostReport } from '../../ports/exchange.ts'
import type { OperationRecord, RevisionRecord, SlotRecord } from '../records.ts'
import { Relations } from './relations.ts'
import { indexRevision } from './revision-index.ts'
import type { RevisionIndex } from './revision-index.ts'

const noBalancer: BalancerReport = {
  kind: 'balancer',
  service: null,
  isNeeded: null,
  isPrepared: false,
  appliedOrder: null,
  order: null,
  troubles: {},
}

export class World {
  #applied: RevisionNumber = asRevisionNumber(0)
  #target: RevisionRecord | null = null
  readonly #generations = new Map<ServiceName, number>()
  readonly #stoppedByHand = new Set<ServiceName>()
  /** By job: the identity under which it last completed. */
  readonly #jobsDone = new Map<ServiceName, string>()
  /** What was written down of each slot. */
  readonly records: Map<SlotId, SlotRecord> = new Map()
  readonly #assignments = new Map<SlotId, Assignment>()
  readonly #reports = new Map<SlotId, SlotReport>()
  /** What is in the way of everything on the host. */
  host: HostReport = { kind: 'host', engineFault: null, condition: null }
  #balancer: BalancerReport = noBalancer
  #operation: OperationRecord | null = null
  /** The largest revision number that anything mentions. */
  lastRevision: number = 0
  /** Why the server cannot do its work fully, for `status`: "the disk is full". */
  condition: string | null = null

  readonly #slots = new Map<ServiceName, Set<SlotId>>()
  readonly #relations = new Relations()
  readonly #views = new Map<ServiceName, ServiceView>()
  #stale: Set<ServiceName> | 'all' = 'all'
  #changed: Set<ServiceName> | 'all' = 'all'

  // What should be -----------------------------------------------------------------------------------------------------

  /** The revision that holds; 0 when none ever did. */
  get applied(): RevisionNumber {
    return this.#applied
  }

  setApplied(applied: RevisionNumber): void {
    this.#applied = applied
    this.touchAll()
  }

  /** The revision that is being made true: `applied`, except while an operation is under way. Null: nothing should be. */
  get target(): RevisionRecord | null {
    return this.#target
  }

  setTarget(target: RevisionRecord | null): void {
    this.#target = target
    this.touchAll()
  }

  get project(): Project | null {
    return this.#target?.project ?? null
  }

  /** The operation under way, as it is recorded. */
  get operation(): OperationRecord | null {
    return this.#operation
  }

  setOperation(operation: OperationRecord | null): void {
    for (const name of [...(this.#operation?.involved ?? []), ...(operation?.involved ?? [])]) this.touch(name)
    this.#operation = operation
  }

  get stoppedByHand(): ReadonlySet<ServiceName> {
    return this.#stoppedByHand
  }

  setStopped(name: ServiceName, isStopped: boolean): void {
    if (isStopped) this.#stoppedByHand.add(name)
    else this.#stoppedByHand.delete(name)
    this.touch(name)
  }

  get generations(): ReadonlyMap<ServiceName, number> {
    return this.#generations
  }

  generationOf(name: ServiceName): number {
    return this.#generations.get(name) ?? 0
  }

  setGeneration(name: ServiceName, generation: number): void {
    this.#generations.set(name, generation)
    this.touch(name)
  }

  get jobsDone(): ReadonlyMap<ServiceName, string> {
    return this.#jobsDone
  }

  setJobDone(name: ServiceName, identity: string): void {
    this.#jobsDone.set(name, identity)
    this.touch(name)
  }

  forgetService(name: ServiceName): void {
    this.#jobsDone.delete(name)
    this.#generations.delete(name)
    this.touch(name)
  }

  serviceOf(name: ServiceName): Service | null {
    return this.#byRevision().services.get(name) ?? null
  }

  wantedOf(name: ServiceName): Wanted | null {
    if (name === balancerName) return this.#wantedBalancer()
    const service = this.serviceOf(name)
    if (service === null || this.#stoppedByHand.has(name)) return null
    return { service, identity: this.#identityOf(service) }
  }

  /** The balancer's own service, while there are routes. Until that is known it stays as it is. */
  #wantedBalancer(): Wanted | null {
    const { isNeeded, service } = this.#balancer
    if (isNeeded === false) return null
    if (service !== null) return { service, identity: this.#identityOf(service) }
    const goal = this.#assignments.get(balancerSlot)?.goal
    if (goal !== undefined) return goal.kind === 'run' ? goal.spec : null
    // No config holds it: what it was started as says what it is, until there is a table to make another of it.
    return this.#reports.get(balancerSlot)?.occupant?.spec ?? null
  }

  /** Whether the operation under way only tries the service's new revision. Only an `up` tries out, and not on the way back. */
  isOnTrial(name: ServiceName): boolean {
    const record = this.#operation
    if (record?.kind !== 'apply' || record.state !== 'running' || record.base === 0) return false
    const service = this.serviceOf(name)
    return service !== null && service.update.canary !== null && record.trials?.[name]?.isPromoted !== true
  }

  isJobDone(name: ServiceName, wanted: Wanted | null): boolean {
    if (wanted === null || wanted.service.scale.kind !== 'job' || this.#target === null) return false
    // Only what is new runs jobs: a revision that holds, or is gone back to, has had its own.
    if (this.#target.skipsJobs || this.#target.number === this.applied) return true
    return isSameWork(wanted.identity, this.#jobsDone.get(name))
  }

  // What was assigned, and what is -------------------------------------------------------------------------------------

  get assignments(): ReadonlyMap<SlotId, Assignment> {
    return this.#assignments
  }

  /** Null: nothing is said of the slot any more. */
  noteAssignment(slot: SlotId, assignment: Assignment | null): void {
    if (assignment === null) this.#assignments.delete(slot)
    else this.#assignments.set(slot, assignment)
    this.#noteSlot(slot)
  }

  get reports(): ReadonlyMap<SlotId, SlotReport> {
    return this.#reports
  }

  /** Null: the host has nothing of the slot any more. */
  noteReport(slot: SlotId, report: SlotReport | null): void {
    if (report === null) this.#reports.delete(slot)
    else this.#reports.set(slot, report)
    const spec = report?.occupant?.spec ?? null
    this.lastRevision = Math.max(this.lastRevision, spec?.revision ?? 0)
    const former = this.#relations.note(slot, spec)
    // What it had to do with others it has no more: their turn may have come.
    if (former !== null) for (const name of this.#namesAround(former)) this.touch(name)
    this.#noteSlot(slot)
  }

  get balancer(): BalancerReport {
    return this.#balancer
  }

  noteBalancer(balancer: BalancerReport): void {
    this.#balancer = balancer
    this.touch(balancerName)
  }

  /** Whether nothing is in the slot, and nothing that was said of it can still bring something there. */
  isVacant(slot: SlotId): boolean {
    const report = this.#reports.get(slot)
    if (report !== undefined && report.occupant !== null) return false
    const assignment = this.#assignments.get(slot)
    if (assignment === undefined || (assignment.goal.kind === 'forget' && report === undefined)) return true
    return report?.order === assignment.order
  }

  /** Slots that run though the database has never heard of any revision: left alone until an operation says what should be. */
  get unrecorded(): readonly SlotId[] {
    if (this.applied !== 0 || this.#target !== null) return []
    return [...this.#reports.values()]
      .filter(({ slot, occupant }) => occupant !== null && !this.records.has(slot) && !this.#assignments.has(slot))
      .map(({ slot }) => slot)
  }

  // Views --------------------------------------------------------------------------------------------------------------

  /** The service's view is to be made again. */
  touch(name: ServiceName): void {
    if (this.#stale !== 'all') this.#stale.add(name)
    if (this.#changed !== 'all') this.#changed.add(name)
  }

  touchAll(): void {
    this.#stale = 'all'
    this.#changed = 'all'
  }

  /** Services that may be decided on otherwise than when this was last asked: those that changed, and those whose turn depends on them. */
  takeChanged(): ReadonlySet<ServiceName> | 'all' {
    const changed = this.#changed
    this.#changed = new Set()
    if (changed === 'all') return 'all'
    const all = new Set(changed)
    for (const name of changed) for (const other of this.#relatedTo(name)) all.add(other)
    return all
  }

  views(): ReadonlyMap<ServiceName, ServiceView> {
    const stale = this.#stale
    this.#stale = new Set()
    if (stale === 'all') this.#views.clear()
    for (const name of stale === 'all' ? this.serviceNames() : stale) {
      if (this.#isKnown(name)) this.#views.set(name, this.#viewOf(name))
      else this.#views.delete(name)
    }
    return this.#views
  }

  /** Every service that should be or of which something still is. */
  serviceNames(): readonly ServiceName[] {
    const names = new Set<ServiceName>(this.#byRevision().services.keys())
    if (this.wantedOf(balancerName) !== null) names.add(balancerName)
    for (const name of this.#slots.keys()) names.add(name)
    return [...names]
  }

  #isKnown(name: ServiceName): boolean {
    return (
      this.#slots.has(name) || this.#byRevision().services.has(name) || (name === balancerName && this.wantedOf(name) !== null)
    )
  }

  /** Everything of the service that was assigned or reported. */
  slotsOf(name: ServiceName): readonly SlotId[] {
    return [...(this.#slots.get(name) ?? [])]
  }

  reportsOf(name: ServiceName): readonly SlotReport[] {
    return this.slotsOf(name).flatMap((slot) => this.#reports.get(slot) ?? [])
  }

  /**
   * The slots that a change is made of. The runs of a schedule are none: no rollout gives them a place, and no change waits for them, unless
   * their service is leaving, or becomes something else; then it has left when they have.
   */
  countedSlotsOf(name: ServiceName): readonly SlotId[] {
    const isSchedule = this.wantedOf(name)?.service.scale.kind === 'schedule'
    return this.slotsOf(name).filter((slot) => !isRunSlot(slot) || (!this.isVacant(slot) && !isSchedule))
  }

  /** Whether what the service was before it became a schedule is still there: no run begins beside it. */
  isFormerThere(name: ServiceName): boolean {
    return this.slotsOf(name).some((slot) => !isRunSlot(slot) && !this.isVacant(slot))
  }

  #viewOf(name: ServiceName): ServiceView {
    const wanted = this.wantedOf(name)
    const slots = this.countedSlotsOf(name).map((slot) => this.#slotViewOf(slot))
    return { name, wanted, slots, isJobDone: this.isJobDone(name, wanted) }
  }

  #slotViewOf(slot: SlotId): SlotView {
    const goal = this.#assignments.get(slot)?.goal
    const report = this.#reports.get(slot)
    // What a run should do is its ledger's business: here it is only something that is still there.
    const goalIdentity = goal?.kind === 'run' && !isRunSlot(slot) ? goal.spec.identity : null
    return {
      index: parseSlotId(slot).index,
      goalIdentity,
      isVacant: this.isVacant(slot),
      isReady: report?.isInUse === true && report.occupant?.spec?.identity === goalIdentity,
      isFlapping: report?.isFlapping === true,
      isDone: report?.outcome?.kind === 'completed' && report.outcome.identity === goalIdentity,
    }
  }

  // Who depends on whom ------------------------------------------------------------------------------------------------

  /** Services that come after `name`, by what runs and by what should. */
  dependentsOf(name: ServiceName): readonly ServiceName[] {
    return [...new Set([...(this.#byRevision().dependents.get(name) ?? []), ...this.#relations.dependentsOf(name)])]
  }

  /** Slots in which something holds the volume. */
  holdersOf(volume: string): readonly SlotId[] {
    return this.#relations.holdersOf(volume)
  }

  /** Services that should have the route. */
  heirsOf(route: string): readonly Service[] {
    return this.#byRevision().byRoute.get(route) ?? []
  }

  /** Whether the slot runs a revision that is only being tried. */
  isCanary(slot: SlotId): boolean {
    const { service } = parseSlotId(slot)
    const goal = this.#assignments.get(slot)?.goal
    return this.isOnTrial(service) && goal?.kind === 'run' && goal.spec.identity === this.wantedOf(service)?.identity
  }

  /** Whether something of the service may be of use or not, and only a probe that is under way can tell. */
  isUnproven(name: ServiceName): boolean {
    return this.reportsOf(name).some((report) => report.isUnproven)
  }

  #relatedTo(name: ServiceName): readonly ServiceName[] {
    const own = this.serviceOf(name)
    const running = this.reportsOf(name).flatMap(({ occupant }) => occupant?.spec?.service ?? [])
    const around = (own === null ? running : [own, ...running]).flatMap((service) => this.#namesAround(service))
    return [...this.dependentsOf(name), ...around]
  }

  /** Services that it comes after, or that share a volume or a route with it, by what should be and by what runs. */
  #namesAround({ after, volumes, routes }: Service): readonly ServiceName[] {
    const { byRoute, byVolume } = this.#byRevision()
    const names = after.map((dependency) => dependency.service)
    for (const { name } of volumes) {
      names.push(...(byVolume.get(name) ?? []).map((other) => other.name))
      names.push(...this.#relations.holdersOf(name).map((slot) => parseSlotId(slot).service))
    }
    for (const route of routes) {
      const key = nameOfRoute(route)
      names.push(...(byRoute.get(key) ?? []).map((other) => other.name))
      names.push(...this.#relations.serversOf(key).map((slot) => parseSlotId(slot).service))
    }
    return names
  }

  #noteSlot(slot: SlotId): void {
    const { service } = parseSlotId(slot)
    const known = this.#slots.get(service)
    if (this.#assignments.has(slot) || this.#reports.has(slot)) {
      if (known === undefined) this.#slots.set(service, new Set([slot]))
      else known.add(slot)
    } else if (known?.delete(slot) === true && known.size === 0) this.#slots.delete(service)
    this.touch(service)
  }

  /** A revision never changes, so neither do the look-ups in it. */
  #index: RevisionIndex | null = null
  readonly #identities = new WeakMap<Service, { readonly generation: number; readonly identity: string }>()

  #byRevision(): RevisionIndex {
    if (this.#index === null || this.#index.revision !== this.#target) this.#index = indexRevision(this.#target)
    return this.#index
  }

  #identityOf(service: Service): string {
    const generation = this.generationOf(service.name)
    const known = this.#identities.get(service)
    if (known?.generation === generation) return known.identity
    const identity = processIdentity(service, generation)
    this.#identities.set(service, { generation, identity })
    return identity
  }
}
