/**
 * The table of schedules: starts their runs, each tick at most once. Each look goes over the entries in which something has happened or that
 * are due, lets `core/cron` decide, writes what was decided, and only then acts. Wall
 * time picks the ticks; everything that waits, waits by the monotonic clock and looks again at least every second, so that a clock that
 * was set or a machine that slept is seen at once.
 */

import { firstLedger } from '../../core/cron/due.ts'
import { parseInstant } from '../../core/cron/instant.ts'
import { surplusRuns } from '../../core/cron/ledger.ts'
import type { Ledger, Run } from '../../core/cron/ledger.ts'
import type { Span } from '../../core/cron/spans.ts'
import { evaluate } from '../../core/cron/evaluate.ts'
import type { InstanceSpec } from '../../core/instance/slot.ts'
import type { Event } from '../../core/model/event.ts'
import type { RevisionNumber, ServiceName, SlotId } from '../../core/model/id.ts'
import { isRunSlot, parseSlotId } from '../../core/model/id.ts'
import type { Checkpoint } from '../../ports/checkpoint.ts'
import type { Clock, Timer } from '../../ports/clock.ts'
import type { Cron } from '../../ports/cron.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Log } from '../../ports/log.ts'
import type { Random } from '../../ports/random.ts'
import type { StateDirectory } from '../../ports/storage/state-directory.ts'
import type { Store } from '../../ports/storage/store.ts'
import { Attempts } from './attempts.ts'
import { isEntryDue, newEntry, nextOf, slotOf, untilDueMs } from './entry.ts'
import type { CronEntry } from './entry.ts'
import { commitDecisions } from './commit.ts'
import type { Decided } from './commit.ts'
import { loadLedgers } from './load-ledgers.ts'
import { Presences } from './presence.ts'
import { forgetLedgers, isDue, prune } from './prune.ts'
import type { Surplus } from './prune.ts'
import { admitByHand } from './requests.ts'
import type { RunRequest } from './requests.ts'
import { RunSlots, specOfAttempt } from './runs.ts'
import { ClockSteps } from './clock-steps.ts'
import { emitChanges } from './events.ts'
import type { RevisionRecord } from '../records.ts'
import type { Assignments } from '../rollout/assignments.ts'
import type { World } from '../world/world.ts'

export interface CronTableOptions {
  readonly world: World
  readonly store: Store
  readonly directory: StateDirectory
  readonly checkpoint: Checkpoint
  /** Loaded with the first schedule. */
  readonly cron: () => Promise<Cron>
  readonly assignments: Assignments
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly emit: (event: Event) => void
  readonly loadRevision: (number: RevisionNumber) => Promise<RevisionRecord | null>
  /** The reconciler shall look: a gate may open, or somebody waits for the end of what is leaving. */
  readonly nudgeWorld: () => void
  /** Another has written into the ledger, or nothing can be written any more: only another daemon can go on. */
  readonly onStoreLost: () => void
}

/** The net under every notification, and how soon a clock that was set is noticed. */
const lookEveryMs = 1000
/** Schedules that one transaction decides. */
const evaluationsAtOnce = 32
/** After a failure of the store: it is told by the reconciler, which tries as often. */
const retryMs = 1000

export class CronTable {
  readonly #options: CronTableOptions
  readonly #entries = new Map<ServiceName, CronEntry>()
  readonly #runs: RunSlots
  readonly #presences: Presences
  readonly #steps: ClockSteps = new ClockSteps()
  readonly #attempts: Attempts
  /** Those that may have more runs than are kept: those whose ledger has changed. */
  readonly #unpruned = new Set<CronEntry>()
  #requests: RunRequest[] = []
  #look: Promise<void> | null = null
  #isNudged = false
  #hasBegun = false
  #isClosed = false
  #timer: Timer | null = null
  #isHindered = false
  /** By whatever revision is kept; null when nothing is to be forgotten. */
  #named: ReadonlySet<ServiceName> | null = null

  constructor(options: CronTableOptions) {
    this.#options = options
    const { world, clock, random } = options
    this.#presences = new Presences(world, options.cron)
    this.#runs = new RunSlots(options)
    this.#attempts = new Attempts({ runs: this.#runs, world, clock, random })
  }

  get entries(): ReadonlyMap<ServiceName, CronEntry> {
    return this.#entries
  }

  startedAt(slot: SlotId): string | null {
    return this.#runs.startedAt(slot)
  }

  /** Revisions that a run may still be attempted by. */
  usedRevisions(): readonly number[] {
    return [...this.#entries.values()].flatMap(({ ledger }) =>
      ledger.runs.filter((run) => run.phase !== 'ended').map(({ revision }) => revision),
    )
  }

  /** By everything that the host has reported: only then is it known what ever began. */
  async load(): Promise<void> {
    const { store, directory, world } = this.#options
    const tools = { store, directory, wallMs: this.#wallMs() }
    const { ledgers, written, forgotten } = await loadLedgers(tools, world.reports)
    for (const [service, ledger] of ledgers) this.#open(service, ledger, written.get(service) ?? null, forgotten.get(service))
    // A database that has never seen a revision knows nothing: what runs is left alone until an operation says what should be.
    if (world.applied === 0 && world.target === null) return
    for (const { service, ledger } of this.#entries.values()) {
      const run = ledger.runs.find(({ phase }) => phase === 'under-way')
      const occupant = run === undefined ? null : (world.reports.get(slotOf(service, run))?.occupant ?? null)
      if (run === undefined || occupant === null) continue
      const spec = occupant.spec ?? (await this.#recordedSpec(service, run))
      if (spec !== null) this.#runs.adopt(slotOf(service, run), spec)
    }
  }

  /** The host has reported something of a run's slot, or has nothing of it any more. */
  noteSlot(slot: SlotId): void {
    if (!isRunSlot(slot)) return
    this.#runs.note(slot)
    const { service } = parseSlotId(slot)
    const entry = this.#entries.get(service)
    // What was to be forgotten may be.
    if (entry !== undefined && this.#options.assignments.isForgotten(slot)) this.#unpruned.add(entry)
    this.#markDirty(service)
  }

  begin(): void {
    this.#hasBegun = true
    this.nudge()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    for (const request of this.#requests) request.refuse(new DarumaError('E_DAEMON_LOST', 'The daemon is ending.'))
    this.#requests = []
    await this.#look
  }

  /** Whether what should be is another than at the last look; called whenever the reconciler has looked. */
  noteWorld(): void {
    if (this.#presences.isNew()) this.nudge()
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

  /** Starts a run now. Resolves, once that is durable, to its slot; refuses what its overlap does not allow. */
  runByHand(service: ServiceName): Promise<{ readonly slot: SlotId; readonly run: Run }> {
    return new Promise((resolve, refuse) => {
      this.#requests.push({ service, resolve, refuse })
      this.#markDirty(service)
    })
  }

  /** Forgets, with the next look, the ledgers of services that no revision kept in history names: one look at a time writes watermarks. */
  forgetUnnamed(named: ReadonlySet<ServiceName>): void {
    this.#named = named
    this.nudge()
  }

  // Looking -----------------------------------------------------------------------------------------------------------

  async #lookUntilQuiet(): Promise<void> {
    // Let everything that happens in this turn of the loop be seen by one look.
    await Promise.resolve()
    let hasFailed = false
    while (this.#isNudged && !this.#isClosed) {
      this.#isNudged = false
      try {
        await this.#lookOnce()
        this.#recovered()
      } catch (error) {
        this.#hindered(error)
        hasFailed = true
        break
      }
    }
    // What could not be written is still due: without a pause it would be tried without end.
    if (!this.#isClosed) this.#wakeIn(hasFailed ? retryMs : this.#untilNextMs())
  }

  async #lookOnce(): Promise<void> {
    const { clock, store, checkpoint } = this.#options
    const [wallMs, nowMs] = [this.#wallMs(), clock.now()]
    this.#noticeStep(wallMs, nowMs)
    if (this.#presences.isNew()) await this.#noticeWorld(wallMs)
    const due = [...this.#entries.values()].filter((entry) => isEntryDue(entry, wallMs, nowMs))
    // A few at a time: while the next are decided and written, the first begin already.
    for (let from = 0; from < due.length; from += evaluationsAtOnce) {
      const decided = due.slice(from, from + evaluationsAtOnce).map((entry) => this.#evaluate(entry, wallMs, nowMs))
      await commitDecisions({ store, checkpoint, act: (entry, after) => this.#act(entry, after) }, decided, nowMs)
    }
    await this.#pruneAll()
    const named = this.#named
    const isForgotten =
      named === null || (await forgetLedgers({ ...this.#options, entries: this.#entries }, this.#entries, named))
    if (isForgotten && this.#named === named) this.#named = null
  }

  #evaluate(entry: CronEntry, wallMs: number, nowMs: number): Decided {
    entry.isDirty = false
    const { service, presence } = entry
    const asked = this.#admitByHand(entry, this.#attempts.take(entry, nowMs), wallMs)
    const isRested = (run: Run): boolean => this.#attempts.isRested(slotOf(service, run), nowMs)
    const isUntouched = (run: Run): boolean => this.#isUntouched(slotOf(service, run), run)
    return { entry, after: evaluate({ ledger: asked.ledger, presence, wallMs, isRested, isUntouched }), answer: asked.answer }
  }

  #admitByHand(entry: CronEntry, ledger: Ledger, wallMs: number): ReturnType<typeof admitByHand> {
    const { service } = entry
    const requests = this.#requests.filter((request) => request.service === service)
    this.#requests = this.#requests.filter((request) => request.service !== service)
    return admitByHand(entry, ledger, { requests, wallMs })
  }

  // Writing and acting ------------------------------------------------------------------------------------------------

  /** Makes the world follow the ledger, which is durable now as far as it must be. Doing it again does nothing. */
  async #act(entry: CronEntry, after: Ledger): Promise<void> {
    const { service, ledger: before } = entry
    entry.ledger = after
    entry.nextMs = nextOf(entry, this.#wallMs())
    emitChanges(before, after, this.#options.emit)
    const isOver = ({ phase }: Run): boolean => phase === 'pausing' || phase === 'ended'
    for (const run of after.runs) if (isOver(run) && !before.runs.includes(run)) this.#close(entry, run, slotOf(service, run))
    for (const run of after.runs) if (run.phase === 'under-way') await this.#follow(entry, run, slotOf(service, run))
    entry.attemptDueMs = this.#attempts.dueMs(entry, this.#options.clock.now())
    this.#unpruned.add(entry)
  }

  async #follow(entry: CronEntry, run: Run, slot: SlotId): Promise<void> {
    if (this.#runs.has(slot)) {
      if (run.ask !== null) return this.#runs.askToEnd(slot, run.ask.because)
      if (this.#runs.specOf(slot)?.revision === run.revision || !this.#isUntouched(slot, run)) return
      this.#runs.drop(slot)
    }
    // It was running before this server began, and has been left alone until now.
    const found = this.#options.world.reports.get(slot)?.occupant?.spec ?? null
    if (found !== null) return this.#runs.adopt(slot, found)
    const spec = await this.#recordedSpec(entry.service, run)
    // What should be may have changed while this was written down and read; then the next evaluation ends it before it began.
    if (this.#attempts.hasEnd(slot) || run.ask !== null || this.#presences.isNew()) return this.#markDirty(entry.service)
    if (entry.presence.kind !== 'active') return
    if (spec === null) {
      this.#attempts.noteEnd(slot, { kind: 'not-begun', message: `revision ${run.revision} is no longer kept` })
      return this.#markDirty(entry.service)
    }
    if (!this.#runs.begin(slot, entry.service, spec)) this.#options.nudgeWorld()
  }

  #isUntouched(slot: SlotId, run: Run): boolean {
    return this.#runs.isUntouched(slot, run) && !this.#attempts.hasEnd(slot)
  }

  #close(entry: CronEntry, run: Run, slot: SlotId): void {
    this.#runs.drop(slot)
    this.#attempts.forget(slot, run.phase === 'ended')
    // Anything that waits until nothing of it runs.
    if (entry.presence.kind !== 'active') this.#options.nudgeWorld()
  }

  /** By the revision that let it in, whatever has been applied since. */
  async #recordedSpec(service: ServiceName, run: Run | null): Promise<InstanceSpec | null> {
    if (run === null || run.revision === 0) return null
    const { world, loadRevision } = this.#options
    const revision = world.target?.number === run.revision ? world.target : await loadRevision(run.revision)
    const own = revision?.project.services.find((each) => each.name === service)
    return own === undefined ? null : specOfAttempt(own, run.attempt, run.revision)
  }

  async #pruneAll(): Promise<void> {
    const surplus: Surplus[] = []
    for (const entry of this.#unpruned) {
      const runs = surplusRuns(entry.ledger, this.#keepOf(entry))
      if (runs.length > 0) surplus.push({ entry, runs })
      else this.#unpruned.delete(entry)
    }
    if (isDue(surplus, surplus.length > 0 && this.#runs.isStarting()))
      await prune({ ...this.#options, entries: this.#entries }, surplus)
  }

  #keepOf({ presence }: CronEntry): number {
    return presence.kind === 'active' ? presence.schedule.keep : defaultKeep
  }

  // What should be, and when ------------------------------------------------------------------------------------------

  async #noticeWorld(wallMs: number): Promise<void> {
    for (const service of await this.#presences.refresh()) {
      const { name, scale } = service
      if (scale.kind === 'schedule' && !this.#entries.has(name)) this.#open(name, firstLedger(name, scale.schedule, wallMs), null)
    }
    for (const entry of this.#entries.values()) {
      this.#presences.apply(entry)
      entry.nextMs = nextOf(entry, wallMs)
      entry.isDirty = true
      this.#unpruned.add(entry)
    }
  }

  #open(service: ServiceName, ledger: Ledger, written: Ledger | null, forgotten: readonly Span[] = []): void {
    const entry = newEntry({ service, ledger, written, forgotten })
    this.#entries.set(service, entry)
    this.#unpruned.add(entry)
  }

  #noticeStep(wallMs: number, nowMs: number): void {
    const step = this.#steps.look(wallMs, nowMs)
    if (step === null || this.#entries.size === 0) return
    this.#options.emit(step)
    for (const entry of this.#entries.values()) entry.isDirty = true
  }

  #wallMs(): number {
    return parseInstant(this.#options.clock.wallTime())
  }

  #untilNextMs(): number {
    const nextMs = untilDueMs(this.#entries.values(), this.#wallMs(), this.#options.clock.now())
    return this.#entries.size === 0 ? nextMs : Math.min(nextMs, lookEveryMs)
  }

  #wakeIn(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = Number.isFinite(delayMs) ? this.#options.clock.after(delayMs, () => this.nudge()) : null
  }

  #markDirty(service: ServiceName): void {
    const entry = this.#entries.get(service)
    if (entry === undefined) return
    entry.isDirty = true
    if (entry.presence.kind !== 'active') this.#options.nudgeWorld()
    this.nudge()
  }

  #recovered(): void {
    if (!this.#isHindered) return
    this.#isHindered = false
    this.#options.emit({
      kind: 'disk-recovered',
      slot: null,
      epoch: null,
      message: 'runs can be written down again',
      cause: null,
    })
  }

  #hindered(error: unknown): void {
    const code = error instanceof DarumaError ? error.code : null
    if (code === 'E_STORE_REPLACED' || code === 'E_STORE_CRASHED') return this.#options.onStoreLost()
    if (this.#isHindered) return
    this.#isHindered = true
    const cause = error instanceof Error ? error.message : String(error)
    const kind = code === 'E_STORE_FULL' ? 'disk-full' : 'start-failed'
    const message = 'no run of a schedule can be written down, so none is started'
    this.#options.emit({ kind, slot: null, epoch: null, message, cause })
    this.#options.log.write('error', `cron: ${cause}`)
  }
}

/** Of a schedule that has left the config, until its ledger is forgotten. */
const defaultKeep = 10
