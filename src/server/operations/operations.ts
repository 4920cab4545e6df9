/**
 * What changes the wanted world: one operation at a time, recorded before it begins, resumed by the next daemon if this one dies. The
 * command that asked only watches. An operation succeeds when every service it touches has settled; if one of them
 * fails, a change of revision is rolled back as a whole, and the operation fails with the reason where it happened.
 */

import type { RevisionNumber, ServiceName, SlotId } from '../../core/model/id.ts'
import { asServiceName } from '../../core/model/id.ts'
import type { Clock, Timer } from '../../ports/clock.ts'
import type { Checkpoint } from '../../ports/checkpoint.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Operation as Write, Store } from '../../ports/storage/store.ts'
import type { OperationLine, OperationView } from '../../protocol/api.ts'
import { Judge } from './judge.ts'
import type { RoutingFacts } from './routing-facts.ts'
import { put, readRecord, remove } from '../../ports/storage/json-records.ts'
import { keys } from '../records.ts'
import type { OperationRecord, RevisionRecord, TrialRecord } from '../records.ts'
import type { OutgoingFailure, Redact } from '../redacted.ts'
import { Trials, trialLookMs } from './trials.ts'
import type { Pauses } from '../rollout/pauses.ts'
import type { Intent } from './intent.ts'
import { describeOperation, failedFate, overridesOf, requesterOf, titleOf, viewOf } from './operation-words.ts'
import { persist } from './persist.ts'
import type { Preparation } from './prepare-revision.ts'
import { requestsOf } from '../../core/release/tree-request.ts'
import { ProgressLines } from './progress-lines.ts'
import { say, type Watched } from './watched-operation.ts'
import type { StoreTrouble } from '../store-trouble.ts'
import type { World } from '../world/world.ts'

/** What an operation lets out: its events, and what its watchers read. */
export interface OperationOutlet {
  readonly emit: (
    kind: 'operation-started' | 'operation-succeeded' | 'operation-failed' | 'rolling-back' | 'rolled-back',
    message: string,
    cause: string | null,
  ) => void
  readonly report: (service: ServiceName, slot: string | null, message: string) => Promise<OutgoingFailure>
  readonly redact: Redact
}

export interface OperationsOptions {
  readonly world: World
  readonly store: Store
  readonly trouble: StoreTrouble
  readonly pauses: Pauses
  /** What should be is another: the reconciler shall look. */
  readonly nudge: () => void
  readonly preparation: Preparation
  readonly clock: Clock
  readonly checkpoint: Checkpoint
  readonly newId: () => string
  readonly outlet: OperationOutlet
  readonly routing: RoutingFacts
  readonly loadRevision: (number: RevisionNumber) => Promise<RevisionRecord | null>
  /** Tidies up before another operation may begin. Never rejects. */
  readonly onEnd: () => Promise<void>
}

const maxEnded = 20
const nothing = { ready: 0, wanted: 0 } as const
/** To judge thousands of services takes milliseconds: at most a tenth of the time goes there, however often something changes. */
const restPerWork = 10

export class Operations {
  readonly #options: OperationsOptions
  readonly #world: World
  #current: Watched | null = null
  #isAccepting = false
  #judging: Promise<void> | null = null
  #isClosed = false
  readonly #ended = new Map<string, Watched>()
  readonly #judge: Judge
  readonly #progress: ProgressLines
  readonly trials: Trials
  #timer: Timer | null = null
  #restUntilMs = 0

  constructor(options: OperationsOptions) {
    this.#options = options
    this.#world = options.world
    this.#progress = new ProgressLines(options.outlet.redact)
    this.trials = new Trials({
      ...options,
      observe: options.routing.observe,
      record: (name, trial) => this.#recordTrial(name, trial),
      say: (name, message) => {
        if (this.#current !== null) this.#progress.say(this.#current, name, message, nothing)
      },
      // A look that is under way may be past what is asked for now.
      lookAnew: () => (this.#judging ?? Promise.resolve()).catch(() => undefined).then(() => this.#judgeNow()),
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

  /** Resumes what an earlier daemon began. */
  async resume(): Promise<void> {
    const record = await readRecord<OperationRecord>(this.#options.store, keys.operation)
    if (record === null) return
    const number = record.state === 'rolling-back' ? record.base : record.target
    const revision = await this.#options.loadRevision(number)
    const watched = this.#watched(record)
    this.#setCurrent(watched)
    this.#options.outlet.emit('operation-started', `${titleOf(record)} is resumed`, 'the daemon was restarted')
    if (record.state === 'preparing' && revision !== null) return void this.#prepare(watched, revision)
    this.#world.setTarget(revision)
    this.judge()
  }

  /** Looks how far the operation is. Called after every look of the reconciler. */
  judge(): void {
    const restMs = this.#restUntilMs - this.#options.clock.now()
    if (restMs > 0) return this.#wakeIn(restMs)
    // Its trouble is told where it is met.
    if (this.#judging === null) this.#judgeNow().catch(() => undefined)
  }

  async #judgeNow(): Promise<void> {
    if (this.#current === null || this.#current.record.state === 'preparing') return
    this.#judging ??= this.#judgeAll(this.#current)
      .then(() => this.#options.trouble.recovered('operation'))
      .catch((error: unknown) => this.#retryLater(error))
      .finally(() => (this.#judging = null))
    await this.#judging
  }

  /** How long nobody was there when this slot's instance was replaced: said now, and the worst of them once more at the end. */
  noteGap(slot: SlotId, gapMs: number): void {
    const watched = this.#current
    if (watched === null) return
    this.#progress.noteGap(watched, slot, gapMs)
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
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #refuseIfBusy(): void {
    if (this.#current === null && !this.#isAccepting) return
    const who = this.#current === null ? 'another request' : describeOperation(this.#current.record)
    throw new DarumaError('E_OPERATION_BUSY', `Another operation is under way: ${who}.`, {
      hint: 'Wait for its end with --wait, or watch it with daruma status.',
    })
  }

  async #accept(intent: Intent): Promise<{ readonly id: string; readonly revision: number }> {
    const { store, checkpoint, clock, newId } = this.#options
    const target = intent.revision?.number ?? this.#world.applied
    const { revision, involved } = intent
    const isPrepared = revision === null || !(await this.#options.preparation.isPending(revision, involved))
    const record: OperationRecord = {
      id: newId(),
      kind: intent.kind,
      by: intent.by,
      startedAt: clock.wallTime(),
      state: isPrepared ? 'running' : 'preparing',
      base: this.#world.applied,
      target,
      involved,
      started: intent.start,
      raised: Object.fromEntries(intent.raise.map((name) => [name, this.#world.generationOf(name) + 1])),
    }
    const writes: Write[] = [
      ...intent.writes,
      put(keys.operation, record),
      ...(isPrepared ? overridesOf(record) : []),
      ...intent.stop.map((name) => put(keys.stopped(name), true)),
    ]
    if (revision !== null) {
      writes.push(put(keys.revision(target), revision), put(keys.fate(target), { state: 'pending' }))
      const releases = requestsOf(revision.project)
      if (releases.length > 0) writes.push(put(keys.releases(target), releases))
    }
    if (checkpoint !== null) await checkpoint('daemon.operation-decided')
    // The compare is the lease: an operation that is already recorded (by whomever) is not overwritten.
    const { succeeded } = await store.transact({ compare: [{ key: keys.operation, modified: 0 }], then: writes })
    if (!succeeded) throw new DarumaError('E_OPERATION_BUSY', 'Another operation is recorded as under way.')
    if (checkpoint !== null) await checkpoint('daemon.operation-committed')
    intent.whenDurable()
    this.#world.lastRevision = Math.max(this.#world.lastRevision, target)
    const watched = this.#watched(record)
    this.#setCurrent(watched)
    this.#options.outlet.emit('operation-started', `${titleOf(record)} started`, requesterOf(record))
    for (const name of intent.stop) this.#world.setStopped(name, true)
    if (isPrepared) this.#rollOut(record, intent.revision)
    else if (intent.revision !== null) void this.#prepare(watched, intent.revision)
    return { id: record.id, revision: target }
  }

  /** From here on the daemon makes it true. */
  #rollOut(record: OperationRecord, revision: RevisionRecord | null): void {
    for (const [name, generation] of Object.entries(record.raised ?? {}))
      this.#world.setGeneration(asServiceName(name), generation)
    for (const name of record.started ?? []) this.#world.setStopped(name, false)
    if (revision !== null) this.#world.setTarget(revision)
    this.#options.nudge()
  }

  /**
   * Brings the images here while the base still runs untouched. That it is done is written down before the first move: a daemon that
   * carries the operation on then knows whether it may have moved anything. Never rejects.
   */
  async #prepare(watched: Watched, revision: RevisionRecord): Promise<void> {
    const { preparation, checkpoint } = this.#options
    const { record } = watched
    const failure = await preparation.prepare(revision, record.involved, (service, message) =>
      say(watched, { kind: 'progress', service, slot: null, message: this.#options.outlet.redact(message), ...nothing }),
    )
    if (this.#isClosed) return
    if (checkpoint !== null) await checkpoint('daemon.images-prepared')
    if (failure !== null) return this.#persist(() => this.#refuse(watched, failure))
    const next: OperationRecord = { ...record, state: 'running' }
    await this.#persist(async () => {
      await this.#options.store.transact({ then: [put(keys.operation, next), ...overridesOf(next)] })
      this.#setCurrent({ ...watched, record: next })
      this.#rollOut(next, revision)
    })
  }

  /** Nothing was touched, so nothing is rolled back. */
  async #refuse(
    watched: Watched,
    { service, slot, message }: { readonly service: ServiceName; readonly slot: string | null; readonly message: string },
  ): Promise<void> {
    const failure = await this.#options.outlet.report(service, slot, message)
    await this.#options.store.transact({ then: [failedFate(watched.record.target, failure)] })
    await this.#end(watched, { state: 'failed', cause: failure.message, failure })
  }

  async #persist(write: () => Promise<void>): Promise<void> {
    const { clock, trouble } = this.#options
    const onTrouble = (error: unknown): void => trouble.hindered('operation', error)
    await persist({ write, clock, isClosed: () => this.#isClosed, onTrouble })
    trouble.recovered('operation')
  }

  /** The record is data that views are made from: anything that asks what is on trial reads it there. */
  #setCurrent(watched: Watched | null): void {
    this.#current = watched
    this.#world.setOperation(watched?.record ?? null)
  }

  #watched(record: OperationRecord): Watched {
    this.#judge.forget()
    this.#progress.forget()
    this.trials.restore(record.trials ?? {})
    return { record, lines: [], followers: new Set(), startedMs: this.#options.clock.now() }
  }

  async #judgeAll(begun: Watched): Promise<void> {
    const trials = await this.trials.lookAll(begun.record)
    const watched = this.#current ?? begun
    const nowMs = this.#options.clock.now()
    const verdicts = this.#judge.verdicts(watched.record, nowMs)
    this.#restUntilMs = nowMs + (this.#options.clock.now() - nowMs) * restPerWork
    let nextMs = Number.POSITIVE_INFINITY
    for (const [name, verdict] of verdicts) {
      const trial = trials.get(name)
      if (trial?.kind === 'fail') verdicts.set(name, { kind: 'failed', slot: null, message: trial.message })
      if (trial !== undefined) nextMs = Math.min(nextMs, trialLookMs)
      if (verdict.kind !== 'moving') continue
      nextMs = Math.min(nextMs, verdict.deadlineMs - nowMs)
      const ready = verdict.wanted === 0 ? 'ending' : `${verdict.ready}/${verdict.wanted} ready`
      const shown = trial?.kind === 'hold' ? `canary in use, ${trial.message}` : ready
      this.#progress.say(watched, name, shown, verdict)
    }
    for (const [name, verdict] of verdicts)
      if (verdict.kind === 'done') this.#progress.sayDone(watched, name, this.#world.wantedOf(name) === null)
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
    this.#setCurrent({ ...watched, record })
  }

  async #fail(
    watched: Watched,
    name: ServiceName,
    verdict: { readonly slot: string | null; readonly message: string },
  ): Promise<void> {
    const { record } = watched
    const failure = await this.#options.outlet.report(name, verdict.slot, verdict.message)
    const isRevision = record.target !== record.base
    if (!isRevision || record.state === 'rolling-back')
      return this.#end(watched, { state: 'failed', cause: verdict.message, failure })
    const next: OperationRecord = { ...record, state: 'rolling-back' }
    const base = record.base === 0 ? null : await this.#options.loadRevision(record.base)
    const stopped = record.started ?? []
    const writes: Write[] = [put(keys.operation, next), failedFate(record.target, failure)]
    await this.#options.store.transact({ then: [...writes, ...stopped.map((service) => put(keys.stopped(service), true))] })
    // Said once it is written down: a full disk makes us come here again and again.
    say(watched, { kind: 'failure', failure })
    this.#world.setTarget(base)
    for (const service of stopped) this.#world.setStopped(service, true)
    this.#judge.forget()
    this.#progress.forgetLines()
    this.#setCurrent({ ...watched, record: next })
    this.#options.outlet.emit('rolling-back', `rolling back from revision ${record.target} to ${record.base}`, verdict.message)
    this.#options.nudge()
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
    how: { readonly state: 'succeeded' | 'failed'; readonly cause: string | null; readonly failure: OutgoingFailure | null },
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
    if (isApplied) this.#world.setApplied(record.target)
    await this.#options.onEnd()
    this.#setCurrent(null)
    this.#timer?.cancel()
    const rolledBack = record.state === 'rolling-back'
    const kind = rolledBack ? 'rolled-back' : how.state === 'succeeded' ? 'operation-succeeded' : 'operation-failed'
    this.#options.outlet.emit(
      kind,
      rolledBack ? `back at revision ${record.base}` : `${titleOf(record)} has ${how.state}`,
      how.cause,
    )
    const durationMs = Math.round(clock.now() - watched.startedMs)
    if (how.failure !== null) say(watched, { kind: 'failure', failure: how.failure })
    say(watched, { kind: 'end', state: how.state, rolledBack, revision: this.#world.applied, durationMs })
    this.#ended.set(record.id, watched)
    for (const old of [...this.#ended.keys()].slice(0, -maxEnded)) this.#ended.delete(old)
  }

  /** The verdict stands; only writing it down failed (a full disk). */
  #retryLater(error: unknown): never {
    this.#options.trouble.hindered('operation', error)
    this.#wakeIn(1000)
    throw error
  }

  #wakeIn(delayMs: number): void {
    this.#timer?.cancel()
    if (Number.isFinite(delayMs)) this.#timer = this.#options.clock.after(delayMs + 1, () => this.judge())
  }
}
