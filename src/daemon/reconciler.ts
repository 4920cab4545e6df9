/**
 * Moves the world towards what should be, one look at a time. It takes no hint of what changed: it is nudged, looks at everything, writes
 * down the moves that are safe now, and only then lets the slots act on them. A crash between the two leaves a
 * record of something not yet done, which the next look does.
 */

import { balancerName } from '../core/balance/balancer-service.ts'
import type { InstanceSpec, Outcome } from '../core/instance/slot.ts'
import { newSlot } from '../core/instance/slot.ts'
import type { Epoch, ServiceName, SlotId } from '../core/model/id.ts'
import { isRunSlot, parseSlotId, slotId } from '../core/model/id.ts'
import type { Service } from '../core/model/service.ts'
import { mayEmpty, mayReplace, startGate } from '../core/rollout/order.ts'
import type { Gate, ServiceView, ServiceViews } from '../core/rollout/order.ts'
import { planRollout, trialCount } from '../core/rollout/rollout.ts'
import type { Move } from '../core/rollout/rollout.ts'
import type { Checkpoint } from '../ports/checkpoint.ts'
import { DarumaError } from '../ports/error.ts'
import type { Operation, Store } from '../ports/store.ts'
import { keys, parseRecord, put, remove } from './records.ts'
import type { SlotRecord } from './records.ts'
import { SlotShell } from './slot-shell.ts'
import type { SlotTools } from './slot-shell.ts'
import type { World } from './world.ts'

export interface ReconcilerOptions {
  readonly world: World
  readonly store: Store
  readonly tools: Omit<SlotTools, 'settled' | 'changed'>
  readonly checkpoint: Checkpoint
  /** Called after every look. */
  readonly onChange: () => void
  /** Called at once when something about a slot has changed that others decide by. */
  readonly onSlotChange: (slot: SlotId) => void
  /** Resolves when every event told so far has been written (or cannot be). */
  readonly flushStory: () => Promise<void>
}

/** A record to write and what to do with the shell once it is durable. */
interface Change {
  readonly record: SlotRecord
  readonly spec: InstanceSpec | null
}

/** Whose writing may be hindered: one may have nothing to write while the other cannot. */
type Writer = 'reconciler' | 'operation'

export class Reconciler {
  readonly #world: World
  readonly #store: Store
  readonly #options: ReconcilerOptions
  readonly #tools: SlotTools
  #look: Promise<void> | null = null
  #isNudged = false
  #hasBegun = false
  #isClosed = false
  #isStoreLost = false
  #unsettled = new Map<SlotId, SlotRecord>()
  /** What has completed, by its identity: written with the settlement of its epoch, after which nobody would look again. */
  #completed = new Map<ServiceName, string>()
  #unproven: ReadonlySet<ServiceName> = new Set()
  readonly #hindered = new Set<Writer>()

  constructor(options: ReconcilerOptions) {
    this.#options = options
    this.#world = options.world
    this.#store = options.store
    this.#tools = {
      ...options.tools,
      settled: (slot, epoch, outcome) => this.#settle(slot, epoch, outcome),
      changed: (slot) => {
        this.nudge()
        options.onSlotChange(slot)
      },
    }
  }

  /** The store's worker is gone for good: only another daemon can write again. */
  get isStoreLost(): boolean {
    return this.#isStoreLost
  }

  /** Looks soon; any number of nudges before the look make one look. */
  nudge(): void {
    this.#isNudged = true
    if (!this.#hasBegun) return
    this.#look ??= this.#lookUntilQuiet().finally(() => {
      this.#look = null
      if (this.#isNudged && !this.#isClosed) this.nudge()
    })
  }

  /** Until now slots were still being adopted: whoever had looked would have missed those that were not yet, and filled their places. */
  begin(): void {
    this.#hasBegun = true
    this.nudge()
  }

  /** Ends looking and the slots' timers; what runs goes on. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#look
    for (const shell of this.#world.shells.values()) shell.close()
  }

  /** Makes the shell of a slot with a goal that is not acted upon before its first event. */
  makeShell(record: SlotRecord, spec: InstanceSpec | null): SlotShell {
    const goal =
      spec === null ? ({ kind: 'rest', because: record.because } as const) : ({ kind: 'run', spec, claim: record.claim } as const)
    const slot = newSlot(record.slot, this.#world.lastEpochs.get(record.slot) ?? null, goal)
    const startsUnderIdentity = { identity: spec?.identity ?? null, count: record.starts }
    const restored = { ...slot, outcome: record.outcome, restarts: Math.max(0, record.starts - 1), startsUnderIdentity }
    const shell = new SlotShell(this.#tools, record.starts === 0 ? { ...slot, outcome: record.outcome } : restored)
    this.#world.shells.set(record.slot, shell)
    this.#world.records.set(record.slot, record)
    return shell
  }

  async #lookUntilQuiet(): Promise<void> {
    // Let everything that happens in this turn of the loop be seen by one look.
    await Promise.resolve()
    while (this.#isNudged && !this.#isClosed) {
      this.#isNudged = false
      try {
        await this.#lookOnce()
        this.recovered('reconciler')
      } catch (error) {
        this.hindered('reconciler', error)
        break
      }
    }
    this.#options.onChange()
  }

  async #lookOnce(): Promise<void> {
    const views = this.#world.views()
    this.#unproven = this.#world.unprovenServices()
    const changes = [...views.values()].flatMap((view) => this.#changesOf(view, views))
    const isNews = changes.length > 0 || this.#unsettled.size > 0 || this.#completed.size > 0
    if (isNews) await this.#commit(changes)
    for (const { record, spec } of changes) this.#act(record, spec)
    // While it was written down the world may have moved on.
    this.#setGates(isNews ? this.#world.views() : views)
  }

  #changesOf(view: ServiceView, views: ServiceViews): readonly Change[] {
    const moves = view.isJobDone ? retireFailedTries(view) : this.#rollout(view, views)
    const changes = moves.map((move) => this.#changeOf(view, move))
    const moved = new Set(changes.map(({ record }) => record.slot))
    return [...changes, ...this.#refreshed(view).filter(({ record }) => !moved.has(record.slot))]
  }

  #rollout(view: ServiceView, views: ServiceViews): readonly Move[] {
    const isStopped = this.#world.stoppedByHand.has(view.name)
    if (this.#world.target === null && this.#world.unrecorded.size > 0) return []
    // Who is given up first is a question of who is ready: for whom that is not known yet, the answer comes within a few probes.
    if (view.wanted !== null && this.#unproven.has(view.name)) return []
    const moves = planRollout({
      wanted: view.wanted,
      because: isStopped
        ? 'stopped by hand'
        : this.#world.target?.cause === 'down'
          ? 'taken down'
          : 'it is not in the config any more',
      slots: view.slots,
      mayReplace: view.wanted === null || mayReplace(view.wanted.service, views),
      mayEmpty: view.slots.length === 0 || this.#mayEmpty(view.name, views),
      isPausing: this.#world.isPausing(view),
      trial: view.wanted !== null && this.#world.isOnTrial(view.name) ? trialCount(view.wanted.service) : null,
    })
    const isHeld = view.wanted !== null && moves.length > 0 && this.#world.isVolumeHeld(view.wanted.service)
    return isHeld ? moves.filter((move) => move.kind !== 'assign') : moves
  }

  #mayEmpty(name: ServiceName, views: ServiceViews): boolean {
    return mayEmpty(name, this.#world.dependentsOf(name), views) && !this.#world.isRouteAwaited(name)
  }

  #changeOf(view: ServiceView, move: Move): Change {
    const id = slotId(view.name, move.index)
    const present = this.#world.records.get(id)
    const base: SlotRecord = present ?? { ...emptyRecord, slot: id }
    if (move.kind === 'retire') return { record: { ...base, revision: null, because: move.because }, spec: null }
    const spec = this.#specOf(view)
    return {
      record: { ...base, revision: spec.revision, generation: spec.generation, because: '', outcome: null, starts: 0 },
      spec,
    }
  }

  /** Slots that keep their process but take the newer revision's policies. */
  #refreshed(view: ServiceView): readonly Change[] {
    const { wanted } = view
    if (wanted === null || this.#world.target === null) return []
    const { number } = this.#world.target
    return view.slots
      .filter((slot) => slot.goalIdentity === wanted.identity)
      .map((slot) => this.#world.records.get(slotId(view.name, slot.index)))
      .filter((record) => record !== undefined)
      .filter((record) => record.revision !== number)
      .map((record) => {
        const spec = this.#specOf(view)
        return { record: { ...record, revision: spec.revision, generation: spec.generation }, spec }
      })
  }

  #specOf(view: ServiceView): InstanceSpec {
    const { target } = this.#world
    if (view.wanted === null || target === null) throw new Error(`${view.name} is not wanted`)
    const { service, identity } = view.wanted
    return { service, identity, generation: this.#world.generationOf(view.name), revision: target.number }
  }

  /** One transaction: claims for slots that begin to run, and every record. Nothing acts before it is durable. */
  async #commit(changes: readonly Change[]): Promise<void> {
    const { checkpoint } = this.#options
    const { records } = this.#world
    const decidedOn = new Map(changes.map(({ record: { slot } }) => [slot, records.get(slot)]))
    const claims = await this.#store.get(keys.claims)
    let last = claims === null ? 0 : parseRecord<number>(claims)
    const claimed = changes.map(({ record: decided, spec }): Change => {
      const present = records.get(decided.slot)
      const isOutdated = present !== undefined && present !== decidedOn.get(decided.slot)
      const record = isOutdated ? withSettlement(decided, present) : decided
      if (spec === null || record.claim > 0) return { record, spec }
      last += 1
      return { record: { ...record, claim: last }, spec }
    })
    const settled = this.#unsettled
    this.#unsettled = new Map()
    for (const { record } of claimed) settled.delete(record.slot)
    const completed = this.#completed
    this.#completed = new Map()
    const writes: Operation[] = [...completed].map(([name, identity]) => put(keys.job(name), identity))
    for (const record of [...settled.values(), ...claimed.map((change) => change.record)])
      writes.push(put(keys.slot(record.slot), record))
    if (checkpoint !== null) await checkpoint('daemon.assignment-decided')
    try {
      // An end counts as taken in only when it has been told: else a crash in between would lose its exit code.
      if (settled.size > 0) await this.#options.flushStory()
      for (let from = 0; from < writes.length; from += maxWrites) {
        const part = [put(keys.claims, last), ...writes.slice(from, from + maxWrites)]
        await this.#store.transact({ then: part })
      }
    } catch (error) {
      for (const [slot, record] of settled) if (!this.#unsettled.has(slot)) this.#unsettled.set(slot, record)
      this.#completed = new Map([...completed, ...this.#completed])
      throw error
    }
    if (checkpoint !== null) await checkpoint('daemon.assignment-committed')
    for (const { record } of claimed) {
      const meanwhile = this.#unsettled.get(record.slot)
      const merged = meanwhile === undefined ? record : withSettlement(record, meanwhile)
      this.#world.records.set(record.slot, merged)
      if (meanwhile !== undefined) this.#unsettled.set(record.slot, merged)
    }
  }

  #act(record: SlotRecord, spec: InstanceSpec | null): void {
    const current = this.#world.records.get(record.slot) ?? record
    const shell = this.#world.shells.get(record.slot) ?? this.makeShell(current, null)
    if (spec === null) shell.dispatch({ kind: 'goal', goal: { kind: 'rest', because: record.because } })
    else shell.dispatch({ kind: 'goal', goal: { kind: 'run', spec, claim: current.claim } })
  }

  #setGates(views: ServiceViews): void {
    for (const shell of this.#world.shells.values()) {
      const { goal, gate } = shell.slot
      if (goal.kind !== 'run' || this.#isTakenBack(goal.spec)) continue
      if (!gate.open && isRunSlot(shell.id) && this.#world.isFormerThere(goal.spec.service.name)) continue
      const next = this.#gateOf(goal.spec.service, views)
      if (next.open !== gate.open || next.because !== gate.because) shell.dispatch({ kind: 'gate', ...next })
    }
  }

  #gateOf(service: Service, views: ServiceViews): Gate {
    if (service.name !== balancerName || this.#world.traffic?.isPrepared === true) return startGate(service, views)
    return { open: false, because: 'waits for its first table' }
  }

  /**
   * The goal is of a revision that failed while the assignment was being written down. What it comes after is looked up in the revision
   * that holds now, where nothing may stand in its way: it would start out of order for the moment until it is retired.
   */
  #isTakenBack(spec: InstanceSpec): boolean {
    return spec.revision > (this.#world.target?.number ?? 0) && this.#world.unrecorded.size === 0
  }

  #settle(slot: SlotId, epoch: Epoch, outcome: Outcome | null): void {
    const record = this.#world.records.get(slot)
    if (record === undefined) return
    const starts = this.#world.shells.get(slot)?.slot.startsUnderIdentity.count ?? 0
    const next: SlotRecord = { ...record, settledEpoch: epoch, outcome, starts }
    this.#world.records.set(slot, next)
    this.#unsettled.set(slot, next)
    const { service } = parseSlotId(slot)
    // What it had before is no news: some other program of the job may have completed since.
    if (outcome?.kind !== 'completed' || outcome.identity === record.outcome?.identity) return
    this.#completed.set(service, outcome.identity)
    if (this.#world.serviceOf(service)?.scale.kind === 'job') this.#world.noteOutcome(slot, outcome)
  }

  /** A job whose exit file says that it has completed does not run again because a restored database has not heard of it: not ever. */
  noteCompleted(name: ServiceName, identity: string): void {
    this.#world.jobsDone.set(name, identity)
    this.#completed.set(name, identity)
  }

  /** Remembers a slot's port, so that the next daemon gives it the same one. */
  notePort(slot: SlotId, port: number | null): void {
    const record = this.#world.records.get(slot)
    if (record === undefined || record.port === port) return
    const next = { ...record, port }
    this.#world.records.set(slot, next)
    this.#unsettled.set(slot, next)
    this.nudge()
  }

  /** What cannot be written down is told once, and once when all of it can be again. */
  hindered(who: Writer, error: unknown): void {
    const code = error instanceof DarumaError ? error.code : null
    // The next daemon finds out what can be had without a damaged one.
    if (code === 'E_STORE_CRASHED' || code === 'E_STORE_CORRUPT') this.#isStoreLost = true
    if (code === 'E_STORE_REPLACED' || code === 'E_STORE_CLOSED') return
    const cause = error instanceof Error ? error.message : String(error)
    if (this.#hindered.size === 0) {
      const kind = code === 'E_STORE_FULL' ? 'disk-full' : 'start-failed'
      const message = 'nothing new can be written down, so nothing new is started'
      this.#tools.tell({ kind, slot: null, epoch: null, message, cause })
      this.#tools.log.write('error', `${who}: ${cause}`)
    }
    this.#hindered.add(who)
    this.#world.condition = cause
  }

  recovered(who: Writer): void {
    if (!this.#hindered.delete(who) || this.#hindered.size > 0) return
    this.#world.condition = null
    this.#tools.tell({ kind: 'disk-recovered', slot: null, epoch: null, message: 'writing works again', cause: null })
  }

  /** Forgets slots of services that no revision kept in history names any more. */
  async forgetUnnamed(named: ReadonlySet<ServiceName>): Promise<void> {
    for (const shell of this.#world.shells.values()) {
      const { service } = parseSlotId(shell.id)
      // The clockwork forgets its own.
      if (isRunSlot(shell.id)) continue
      const isIdle = shell.slot.goal.kind === 'rest' && shell.slot.occupancy.kind === 'vacant'
      if (named.has(service) || !isIdle) continue
      await this.#store.transact({
        then: [remove(keys.slot(shell.id)), remove(keys.job(service)), remove(keys.generation(service))],
      })
      shell.close()
      this.#world.shells.delete(shell.id)
      this.#world.records.delete(shell.id)
      this.#world.jobsDone.delete(service)
      this.#world.generations.delete(service)
      this.#tools.releasePort(shell.id)
      await this.#tools.runtime.forget(shell.id)
    }
  }
}

const maxWrites = 1000

const emptyRecord: Omit<SlotRecord, 'slot'> = {
  claim: 0,
  revision: null,
  because: '',
  generation: 0,
  port: null,
  settledEpoch: null,
  outcome: null,
  starts: 0,
}

/** A job that is done is left as it is; only a try under another identity (a revision that was rolled back) is taken away. */
function retireFailedTries(view: ServiceView): readonly Move[] {
  return view.slots
    .filter((slot) => slot.goalIdentity !== null && slot.goalIdentity !== view.wanted?.identity)
    .map((slot) => ({ kind: 'retire', index: slot.index, because: 'its revision was rolled back' }))
}

/** An end that was taken in while an assignment was written is newer than what was written. The outcome says which identity it belongs to. */
function withSettlement(assigned: SlotRecord, { settledEpoch, outcome, port, starts }: SlotRecord): SlotRecord {
  return { ...assigned, settledEpoch, outcome, port, starts }
}
