/**
 * Moves what is assigned towards what should be, one look at a time. It is nudged, looks at the services that have changed and at those whose
 * turn depends on them (and at all of them every few seconds), writes down the moves that are safe now, and only then tells the host. A crash
 * between the two leaves a record of something not yet told, which the next life tells.
 */

import { balancerName } from '../../core/balance/balancer-service.ts'
import type { Goal, InstanceSpec } from '../../core/instance/slot.ts'
import type { ServiceName, SlotId } from '../../core/model/id.ts'
import { claimOfEpoch, isRunSlot, parseSlotId, slotId } from '../../core/model/id.ts'
import type { Service } from '../../core/model/service.ts'
import { mayEmpty, mayReplace, startGate } from '../../core/rollout/order.ts'
import type { Gate, ServiceView, ServiceViews } from '../../core/rollout/order.ts'
import { planRollout, trialCount } from '../../core/rollout/rollout.ts'
import type { Move } from '../../core/rollout/rollout.ts'
import type { Checkpoint } from '../../ports/checkpoint.ts'
import type { Operation, Store } from '../../ports/storage/store.ts'
import { put, readRecord, remove } from '../../ports/storage/json-records.ts'
import { keys } from '../records.ts'
import type { SlotRecord } from '../records.ts'
import type { StoreTrouble } from '../store-trouble.ts'
import type { World } from '../world/world.ts'
import type { Assignments } from './assignments.ts'
import { isRouteAwaited, isVolumeHeld } from './handovers.ts'
import type { Pauses } from './pauses.ts'

export interface ReconcilerOptions {
  readonly world: World
  readonly store: Store
  readonly checkpoint: Checkpoint
  readonly assignments: Assignments
  readonly pauses: Pauses
  readonly trouble: StoreTrouble
  /** A look is over, and whatever it decided is told. */
  readonly onLooked: () => void
}

/** A record to write down, and the goal that is told once it is durable. */
interface Change {
  readonly record: SlotRecord
  readonly spec: InstanceSpec | null
}

export class Reconciler {
  readonly #options: ReconcilerOptions
  readonly #world: World
  #look: Promise<void> | null = null
  #isNudged = false
  #hasBegun = false
  #isClosed = false
  /** Jobs that have completed under an identity that is not written down yet. */
  readonly #completed = new Map<ServiceName, string>()
  /** By whatever revision is kept; null when nothing is to be forgotten. */
  #named: ReadonlySet<ServiceName> | null = null

  constructor(options: ReconcilerOptions) {
    this.#options = options
    this.#world = options.world
  }

  /** Looks soon; any number of nudges before the look make one look. */
  nudge(): void {
    this.#isNudged = true
    if (!this.#hasBegun || this.#isClosed) return
    this.#look ??= this.#lookUntilQuiet().finally(() => {
      this.#look = null
      if (this.#isNudged && !this.#isClosed) this.nudge()
    })
  }

  /** Until now nothing was known of the host: a look would have filled the places of all that it has not reported yet. */
  begin(): void {
    this.#hasBegun = true
    this.#world.touchAll()
    this.nudge()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#look
  }

  /** A job that completed, as the host reports it: it does not run again, whatever an older database has heard. */
  noteCompleted(name: ServiceName, identity: string): void {
    if (this.#world.jobsDone.get(name) === identity) return
    this.#world.setJobDone(name, identity)
    this.#completed.set(name, identity)
  }

  async #lookUntilQuiet(): Promise<void> {
    // Let everything that happens in this turn of the loop be seen by one look.
    await Promise.resolve()
    while (this.#isNudged && !this.#isClosed) {
      this.#isNudged = false
      const changed = this.#world.takeChanged()
      try {
        await this.#lookAt(changed)
        this.#options.trouble.recovered('reconciler')
      } catch (error) {
        // What was to be looked at is still to be looked at.
        if (changed === 'all') this.#world.touchAll()
        else for (const name of changed) this.#world.touch(name)
        this.#options.trouble.hindered('reconciler', error)
        break
      }
    }
    this.#options.onLooked()
  }

  async #lookAt(changed: ReadonlySet<ServiceName> | 'all'): Promise<void> {
    const views = this.#world.views()
    const names = changed === 'all' ? [...views.keys()] : [...changed]
    const changes = names.flatMap((name) => {
      const view = views.get(name)
      return view === undefined ? [] : this.#changesOf(view, views)
    })
    if (changes.length > 0 || this.#completed.size > 0) await this.#commit(changes)
    for (const { record, spec } of changes) this.#assign(record, spec)
    if (this.#named !== null) await this.#forgetSlots(this.#named)
    this.#setGates(new Set([...names, ...changes.map(({ record }) => parseSlotId(record.slot).service)]))
  }

  #changesOf(view: ServiceView, views: ServiceViews): readonly Change[] {
    if (this.#world.target === null && this.#world.unrecorded.length > 0) return []
    const moves = view.isJobDone ? retireFailedTries(view) : this.#rollout(view, views)
    const changes = moves.map((move) => this.#changeOf(view, move))
    const moved = new Set(changes.map(({ record }) => record.slot))
    return [...changes, ...[...this.#refreshed(view), ...this.#unknown(view)].filter(({ record }) => !moved.has(record.slot))]
  }

  #rollout(view: ServiceView, views: ServiceViews): readonly Move[] {
    const isStopped = this.#world.stoppedByHand.has(view.name)
    // Who is given up first is a question of who is ready: for whom that is not known yet, the answer comes within a few probes.
    if (view.wanted !== null && this.#world.isUnproven(view.name)) return []
    const moves = planRollout({
      wanted: view.wanted,
      because: isStopped
        ? 'stopped by hand'
        : this.#world.target?.cause === 'down'
          ? 'taken down'
          : 'it is no longer in the config',
      slots: view.slots,
      mayReplace: view.wanted === null || mayReplace(view.wanted.service, views),
      mayEmpty: view.slots.length === 0 || this.#mayEmpty(view.name, views),
      isPausing: this.#options.pauses.isPausing(view),
      trial: view.wanted !== null && this.#world.isOnTrial(view.name) ? trialCount(view.wanted.service) : null,
    })
    const isHeld = view.wanted !== null && moves.length > 0 && isVolumeHeld(this.#world, view.wanted.service)
    return isHeld ? moves.filter((move) => move.kind !== 'assign') : moves
  }

  #mayEmpty(name: ServiceName, views: ServiceViews): boolean {
    return mayEmpty(name, this.#world.dependentsOf(name), views) && !isRouteAwaited(this.#world, name)
  }

  #changeOf(view: ServiceView, move: Move): Change {
    const base = this.#recordOf(slotId(view.name, move.index))
    if (move.kind === 'retire') return { record: { ...base, revision: null, because: move.because }, spec: null }
    const spec = this.#specOf(view)
    return { record: { ...base, revision: spec.revision, generation: spec.generation, because: '' }, spec }
  }

  #recordOf(slot: SlotId): SlotRecord {
    return this.#world.records.get(slot) ?? { ...emptyRecord, slot }
  }

  /** Slots that keep their process but take the newer revision's policies. */
  #refreshed(view: ServiceView): readonly Change[] {
    const { wanted } = view
    if (wanted === null || this.#world.target === null) return []
    const { number } = this.#world.target
    return view.slots
      .filter((slot) => slot.goalIdentity === wanted.identity)
      .map((slot) => this.#world.records.get(slotId(view.name, slot.index)))
      .filter((record) => record !== undefined && record.revision !== number)
      .map((record) => {
        const spec = this.#specOf(view)
        return { record: { ...record, revision: spec.revision, generation: spec.generation } as SlotRecord, spec }
      })
  }

  /** What runs in a place that nothing recorded speaks of (the database is older than it) is ended, and known until it has. */
  #unknown(view: ServiceView): readonly Change[] {
    return view.slots
      .map(({ index }) => slotId(view.name, index))
      .filter((slot) => {
        const isAsked = this.#world.assignments.has(slot) || (this.#world.records.get(slot)?.revision ?? null) !== null
        return !isAsked && (this.#world.reports.get(slot)?.occupant ?? null) !== null
      })
      .map((slot) => {
        const claim = claimOfEpoch(this.#world.reports.get(slot)?.occupant?.epoch ?? (0 as never))
        const because = 'nothing recorded asks for it'
        return { record: { ...this.#recordOf(slot), claim, revision: null, because }, spec: null }
      })
  }

  #specOf(view: ServiceView): InstanceSpec {
    const { target } = this.#world
    if (view.wanted === null || target === null) throw new Error(`${view.name} is not wanted`)
    return specOf({ ...view.wanted, generation: this.#world.generationOf(view.name), revision: target.number })
  }

  /** One transaction: claims for slots that begin to run, and every record. Nothing is told before it is durable. */
  async #commit(changes: readonly Change[]): Promise<void> {
    const { checkpoint, store } = this.#options
    let last = (await readRecord<number>(store, keys.claims)) ?? 0
    const records = changes.map(({ record, spec }): SlotRecord => {
      if (spec === null || record.claim > 0) return record
      last += 1
      return { ...record, claim: last }
    })
    const completed = [...this.#completed]
    const writes: Operation[] = completed.map(([name, identity]) => put(keys.job(name), identity))
    for (const record of records) writes.push(put(keys.slot(record.slot), record))
    if (checkpoint !== null) await checkpoint('daemon.assignment-decided')
    for (let from = 0; from < writes.length; from += maxWrites)
      await store.transact({ then: [put(keys.claims, last), ...writes.slice(from, from + maxWrites)] })
    if (checkpoint !== null) await checkpoint('daemon.assignment-committed')
    for (const [name, identity] of completed) if (this.#completed.get(name) === identity) this.#completed.delete(name)
    for (const record of records) this.#world.records.set(record.slot, record)
  }

  #assign({ slot }: SlotRecord, spec: InstanceSpec | null): void {
    const record = this.#recordOf(slot)
    const goal: Goal = spec === null ? { kind: 'stopped', because: record.because } : { kind: 'run', spec, claim: record.claim }
    this.#options.assignments.assign(slot, goal)
  }

  #setGates(names: ReadonlySet<ServiceName>): void {
    const views = this.#world.views()
    for (const name of names) {
      for (const slot of this.#world.slotsOf(name)) {
        const assignment = this.#world.assignments.get(slot)
        if (assignment?.goal.kind !== 'run' || this.#isTakenBack(assignment.goal.spec)) continue
        if (!assignment.gate.open && isRunSlot(slot) && this.#world.isFormerThere(name)) continue
        this.#options.assignments.setGate(slot, this.#gateOf(assignment.goal.spec.service, views))
      }
    }
  }

  #gateOf(service: Service, views: ServiceViews): Gate {
    if (service.name !== balancerName || this.#world.balancer.isPrepared) return startGate(service, views)
    return { open: false, because: 'waits for its first table' }
  }

  /**
   * The goal is of a revision that failed while the assignment was being written down. What it comes after is looked up in the revision
   * that holds now, where nothing may stand in its way: it would start out of order for the moment until it is retired.
   */
  #isTakenBack(spec: InstanceSpec): boolean {
    return spec.revision > (this.#world.target?.number ?? 0) && this.#world.unrecorded.length === 0
  }

  /** Forgets slots of services that no revision kept in history names any more: first their files, by the next looks their records. */
  forgetUnnamed(named: ReadonlySet<ServiceName>): void {
    this.#named = named
    this.nudge()
  }

  async #forgetSlots(named: ReadonlySet<ServiceName>): Promise<void> {
    const { assignments, store } = this.#options
    let isDone = true
    for (const { slot, revision } of this.#world.records.values()) {
      const { service } = parseSlotId(slot)
      if (revision !== null || named.has(service) || !this.#world.isVacant(slot)) continue
      if (!assignments.isForgotten(slot)) {
        assignments.forget(slot)
        isDone = false
        continue
      }
      await store.transact({ then: [remove(keys.slot(slot)), remove(keys.job(service)), remove(keys.generation(service))] })
      this.#world.records.delete(slot)
      this.#world.forgetService(service)
      assignments.drop(slot)
    }
    if (isDone && this.#named === named) this.#named = null
  }
}

const maxWrites = 1000

const emptyRecord: Omit<SlotRecord, 'slot'> = { claim: 0, revision: null, because: '', generation: 0 }

/** The one place where a specification is put together. */
export function specOf(parts: InstanceSpec): InstanceSpec {
  const { service, identity, generation, revision } = parts
  return { service, identity, generation, revision }
}

/** A job that is done is left as it is; only a try under another identity (a revision that was rolled back) is taken away. */
function retireFailedTries(view: ServiceView): readonly Move[] {
  return view.slots
    .filter((slot) => slot.goalIdentity !== null && slot.goalIdentity !== view.wanted?.identity)
    .map((slot) => ({ kind: 'retire', index: slot.index, because: 'its revision was rolled back' }))
}
