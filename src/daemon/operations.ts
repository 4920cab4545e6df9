/**
 * What changes the wanted world: one operation at a time, recorded before it begins, carried on by the next daemon if this one dies. The
 * command that asked only watches. An operation succeeds when every service it touches has settled; if one of them
 * fails, a change of revision is rolled back as a whole, and the operation fails with the reason where it happened.
 */

import type { RevisionNumber, ServiceName } from '../core/model/id.ts'
import type { Service } from '../core/model/service.ts'
import type { BalancerObservation } from '../ports/balancer.ts'
import type { Clock, Timer } from '../ports/clock.ts'
import type { Checkpoint } from '../ports/checkpoint.ts'
import { DarumaError } from '../ports/error.ts'
import type { Operation as Write, Store } from '../ports/store.ts'
import type { Failure, OperationLine, OperationRequest, OperationView, Requester } from '../protocol/api.ts'
import { Judge } from './judge.ts'
import type { Reconciler } from './reconciler.ts'
import { keys, put, readRecord, remove } from './records.ts'
import type { OperationRecord, RevisionRecord, TrialRecord } from './records.ts'
import { Trials, trialLookMs } from './trials.ts'
import type { World } from './world.ts'

/** What an operation does to the wanted world; made by `requests.ts` from what was asked. */
export interface Intent {
  readonly kind: OperationRequest['kind']
  readonly by: Requester
  /** The revision to make true; null where only operator overrides change. */
  readonly revision: RevisionRecord | null
  readonly involved: readonly ServiceName[]
  /** Services that start anew though their config is the same. */
  readonly raise: readonly ServiceName[]
  readonly stop: readonly ServiceName[]
  readonly start: readonly ServiceName[]
  /** Secret values and the like that must be durable with it. */
  readonly writes: readonly Write[]
  /** Called once they are. */
  readonly whenDurable: () => void
}

export interface OperationsOptions {
  readonly world: World
  readonly store: Store
  readonly reconciler: () => Reconciler
  readonly clock: Clock
  readonly checkpoint: Checkpoint
  readonly newId: () => string
  readonly tell: (
    kind: 'operation-started' | 'operation-succeeded' | 'operation-failed' | 'rolling-back' | 'rolled-back',
    message: string,
    cause: string | null,
  ) => void
  readonly report: (service: ServiceName, slot: string | null, message: string) => Promise<Failure>
  /** Why a service cannot be reached, where waiting does not help: a port of a route is taken. */
  readonly troubleOf: (service: Service) => string | null
  /** What the balancer counts; null while none answers. */
  readonly observe: () => Promise<BalancerObservation | null>
  /** Whether the balancer serves the world as it is now. */
  readonly isTableInForce: () => boolean
  readonly loadRevision: (number: RevisionNumber) => Promise<RevisionRecord | null>
  /** Tidies up before another operation may begin. Never rejects. */
  readonly onEnd: () => Promise<void>
}

/** An operation's lines are kept for late watchers, within reason. */
const maxLines = 2000
const maxEnded = 20

interface Watched {
  readonly record: OperationRecord
  readonly lines: OperationLine[]
  readonly followers: Set<(line: OperationLine) => void>
  readonly startedMs: number
}

export class Operations {
  readonly #options: OperationsOptions
  readonly #world: World
  #current: Watched | null = null
  #isAccepting = false
  #isJudging = false
  readonly #ended = new Map<string, Watched>()
  readonly #judge: Judge
  readonly #said = new Map<ServiceName, string>()
  readonly trials: Trials
  #timer: Timer | null = null

  constructor(options: OperationsOptions) {
    this.#options = options
    this.#world = options.world
    this.trials = new Trials({
      ...options,
      current: () => this.#current?.record ?? null,
      record: (name, trial) => this.#recordTrial(name, trial),
      say: (name, message) => {
        if (this.#current !== null) this.#sayProgress(this.#current, name, message, { ready: 0, wanted: 0 })
      },
      nudge: () => options.reconciler().nudge(),
    })
    this.#judge = new Judge({ ...options, isTriedOut: (name) => this.trials.statusOf(name) !== null })
  }

  get current(): OperationView | null {
    return this.#current === null ? null : viewOf(this.#current.record)
  }

  /** Refuses with `E_OPERATION_BUSY` naming who is at work; else the operation is durable when this resolves, and under way. */
  async begin(makeIntent: () => Promise<Intent | null>): Promise<{ readonly id: string; readonly revision: number } | null> {
    this.#refuseIfBusy()
    this.#isAccepting = true
    try {
      const intent = await makeIntent()
      return intent === null ? null : await this.#accept(intent)
    } finally {
      this.#isAccepting = false
    }
  }

  /** Carries on what an earlier daemon began. */
  async resume(): Promise<void> {
    const record = await readRecord<OperationRecord>(this.#options.store, keys.operation)
    if (record === null) return
    const number = record.state === 'rolling-back' ? record.base : record.target
    this.#world.target = await this.#options.loadRevision(number)
    this.#current = this.#watched(record)
    this.#options.tell('operation-started', `${titleOf(record)} is carried on`, 'the daemon began anew')
    this.judge()
  }

  /** Looks how far the operation is. Called after every look of the reconciler. */
  judge(): void {
    if (this.#current === null || this.#isJudging) return
    this.#isJudging = true
    this.#judgeAll(this.#current)
      .catch((error: unknown) => this.#retryLater(error))
      .finally(() => {
        this.#isJudging = false
      })
  }

  isKnown(id: string): boolean {
    return this.#find(id) !== null
  }

  /** The lines of an operation, past and future, the `end` line last. An operation that is not known says nothing. */
  follow(id: string, follower: (line: OperationLine) => void): () => void {
    const watched = this.#find(id)
    if (watched === null) return () => undefined
    for (const line of watched.lines) follower(line)
    watched.followers.add(follower)
    return () => watched.followers.delete(follower)
  }

  #find(id: string): Watched | null {
    return this.#current?.record.id === id ? this.#current : (this.#ended.get(id) ?? null)
  }

  close(): void {
    this.#timer?.cancel()
  }

  #refuseIfBusy(): void {
    if (this.#current === null && !this.#isAccepting) return
    const who = this.#current === null ? 'another request' : describe(this.#current.record)
    throw new DarumaError('E_OPERATION_BUSY', `Another operation is under way: ${who}.`, {
      hint: 'Wait for its end with --wait, or watch it with daruma status.',
    })
  }

  async #accept(intent: Intent): Promise<{ readonly id: string; readonly revision: number }> {
    const { store, checkpoint, clock, newId } = this.#options
    const target = intent.revision?.number ?? this.#world.applied
    const record: OperationRecord = {
      id: newId(),
      kind: intent.kind,
      by: intent.by,
      startedAt: clock.wallTime(),
      state: 'running',
      base: this.#world.applied,
      target,
      involved: intent.involved,
      started: intent.start,
    }
    const raised = new Map(intent.raise.map((name) => [name, this.#world.generationOf(name) + 1]))
    const writes: Write[] = [
      ...intent.writes,
      put(keys.operation, record),
      ...[...raised].map(([name, generation]) => put(keys.generation(name), generation)),
      ...intent.stop.map((name) => put(keys.stopped(name), true)),
      ...intent.start.map((name) => remove(keys.stopped(name))),
    ]
    if (intent.revision !== null)
      writes.push(put(keys.revision(target), intent.revision), put(keys.fate(target), { state: 'pending' }))
    if (checkpoint !== null) await checkpoint('daemon.operation-decided')
    // The compare is the lease: an operation that is already recorded (by whomever) is not overwritten.
    const { succeeded } = await store.transact({ compare: [{ key: keys.operation, modified: 0 }], then: writes })
    if (!succeeded) throw new DarumaError('E_OPERATION_BUSY', 'Another operation is recorded as under way.')
    if (checkpoint !== null) await checkpoint('daemon.operation-committed')
    intent.whenDurable()
    for (const [name, generation] of raised) this.#world.generations.set(name, generation)
    for (const name of intent.stop) this.#world.stoppedByHand.add(name)
    for (const name of intent.start) this.#world.stoppedByHand.delete(name)
    if (intent.revision !== null) {
      this.#world.target = intent.revision
      this.#world.unrecorded.clear()
      this.#world.lastRevision = Math.max(this.#world.lastRevision, target)
    }
    this.#current = this.#watched(record)
    this.#options.tell('operation-started', `${titleOf(record)} begins`, requesterOf(record))
    this.#options.reconciler().nudge()
    return { id: record.id, revision: target }
  }

  #watched(record: OperationRecord): Watched {
    this.#judge.forget()
    this.#said.clear()
    this.trials.restore(record.trials ?? {})
    return { record, lines: [], followers: new Set(), startedMs: this.#options.clock.now() }
  }

  async #judgeAll(begun: Watched): Promise<void> {
    const trials = await this.trials.lookAll(begun.record)
    const watched = this.#current ?? begun
    const nowMs = this.#options.clock.now()
    const verdicts = this.#judge.verdicts(watched.record, nowMs)
    let nextMs = Number.POSITIVE_INFINITY
    for (const [name, verdict] of verdicts) {
      const trial = trials.get(name)
      if (trial?.kind === 'fail') verdicts.set(name, { kind: 'failed', slot: null, message: trial.message })
      if (trial !== undefined) nextMs = Math.min(nextMs, trialLookMs)
      if (verdict.kind !== 'moving') continue
      nextMs = Math.min(nextMs, verdict.deadlineMs - nowMs)
      const ready = verdict.wanted === 0 ? 'ending' : `${verdict.ready}/${verdict.wanted} ready`
      const shown = trial?.kind === 'hold' ? `canary in use, ${trial.message}` : ready
      this.#sayProgress(watched, name, shown, verdict)
    }
    for (const [name, verdict] of verdicts)
      if (verdict.kind === 'done') this.#sayProgress(watched, name, this.#wordForDone(watched.record, name), null)
    const failed = [...verdicts].find(([, verdict]) => verdict.kind === 'failed')
    if (failed !== undefined && failed[1].kind === 'failed') return this.#fail(watched, failed[0], failed[1])
    if ([...verdicts.values()].every((verdict) => verdict.kind === 'done')) return this.#finish(watched)
    this.#wakeIn(nextMs)
  }

  async #recordTrial(name: ServiceName, trial: TrialRecord): Promise<void> {
    const watched = this.#current
    if (watched === null) return
    const record: OperationRecord = { ...watched.record, trials: { ...watched.record.trials, [name]: trial } }
    await this.#options.store.transact({ then: [put(keys.operation, record)] })
    this.#current = { ...watched, record }
  }

  #wordForDone(record: OperationRecord, name: ServiceName): string {
    if (this.#world.wantedOf(name) === null) return 'ended'
    return record.state === 'rolling-back' ? `back on revision ${record.base}` : 'done'
  }

  #sayProgress(
    watched: Watched,
    name: ServiceName,
    message: string,
    verdict: { readonly ready: number; readonly wanted: number } | null,
  ): void {
    if (this.#said.get(name) === message) return
    if (verdict === null && this.#said.get(name) === undefined && watched.lines.length > maxLines) return
    this.#said.set(name, message)
    const { ready, wanted } = verdict ?? { ready: 0, wanted: 0 }
    this.#say(watched, { kind: 'progress', service: name, slot: null, message, ready, wanted })
  }

  #say(watched: Watched, line: OperationLine): void {
    if (watched.lines.length < maxLines || line.kind !== 'progress') watched.lines.push(line)
    for (const follower of watched.followers) follower(line)
  }

  async #fail(
    watched: Watched,
    name: ServiceName,
    verdict: { readonly slot: string | null; readonly message: string },
  ): Promise<void> {
    const { record } = watched
    const failure = await this.#options.report(name, verdict.slot, verdict.message)
    const isRevision = record.target !== record.base
    if (!isRevision || record.state === 'rolling-back')
      return this.#end(watched, { state: 'failed', cause: verdict.message, failure })
    const next: OperationRecord = { ...record, state: 'rolling-back' }
    const base = record.base === 0 ? null : await this.#options.loadRevision(record.base)
    const stopped = record.started ?? []
    const writes: Write[] = [put(keys.operation, next), put(keys.fate(record.target), { state: 'failed' })]
    await this.#options.store.transact({ then: [...writes, ...stopped.map((service) => put(keys.stopped(service), true))] })
    // Said once it is written down: a full disk makes us come here again and again.
    this.#say(watched, { kind: 'failure', failure })
    this.#world.target = base
    for (const service of stopped) this.#world.stoppedByHand.add(service)
    this.#judge.forget()
    this.#said.clear()
    this.#current = { ...watched, record: next }
    this.#options.tell('rolling-back', `revision ${record.target} is taken back to ${record.base}`, verdict.message)
    this.#options.reconciler().nudge()
  }

  async #finish(watched: Watched): Promise<void> {
    const isRollback = watched.record.state === 'rolling-back'
    await this.#end(watched, {
      state: isRollback ? 'failed' : 'succeeded',
      cause: isRollback ? 'rolled back' : null,
      failure: null,
    })
  }

  async #end(
    watched: Watched,
    how: { readonly state: 'succeeded' | 'failed'; readonly cause: string | null; readonly failure: Failure | null },
  ): Promise<void> {
    const { record } = watched
    const { store, clock, checkpoint } = this.#options
    const isApplied = how.state === 'succeeded' && record.target !== record.base
    const writes: Write[] = [remove(keys.operation)]
    if (isApplied) {
      writes.push(put(keys.applied, record.target), put(keys.fate(record.target), { state: 'applied' }))
      if (record.base > 0) writes.push(put(keys.fate(record.base), { state: 'superseded' }))
    }
    if (checkpoint !== null) await checkpoint('daemon.operation-settled')
    await store.transact({ then: writes })
    if (checkpoint !== null) await checkpoint('daemon.operation-ended')
    if (isApplied) this.#world.applied = record.target
    await this.#options.onEnd()
    this.#current = null
    this.#timer?.cancel()
    const rolledBack = record.state === 'rolling-back'
    const kind = rolledBack ? 'rolled-back' : how.state === 'succeeded' ? 'operation-succeeded' : 'operation-failed'
    this.#options.tell(kind, rolledBack ? `back at revision ${record.base}` : `${titleOf(record)} has ${how.state}`, how.cause)
    const durationMs = Math.round(clock.now() - watched.startedMs)
    if (how.failure !== null) this.#say(watched, { kind: 'failure', failure: how.failure })
    this.#say(watched, { kind: 'end', state: how.state, rolledBack, revision: this.#world.applied, durationMs })
    this.#ended.set(record.id, watched)
    for (const old of [...this.#ended.keys()].slice(0, -maxEnded)) this.#ended.delete(old)
  }

  /** The verdict stands; only writing it down failed (a full disk). */
  #retryLater(error: unknown): void {
    this.#world.condition = error instanceof Error ? error.message : String(error)
    this.#wakeIn(1000)
  }

  #wakeIn(delayMs: number): void {
    this.#timer?.cancel()
    if (Number.isFinite(delayMs)) this.#timer = this.#options.clock.after(delayMs + 1, () => this.judge())
  }
}

function titleOf(record: OperationRecord): string {
  return record.target === record.base ? record.kind : `${record.kind} to revision ${record.target}`
}

const requesterOf = (record: OperationRecord): string =>
  `daruma ${record.by.command}, by ${record.by.user} (pid ${record.by.pid})`

function describe(record: OperationRecord): string {
  return `${titleOf(record)}: ${requesterOf(record)}, since ${record.startedAt}`
}

function viewOf(record: OperationRecord): OperationView {
  return {
    id: record.id,
    kind: record.kind,
    revision: record.target,
    by: record.by,
    startedAt: record.startedAt,
    state: record.state,
  }
}
