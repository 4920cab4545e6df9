/**
 * The clockwork: starts the runs of schedules, each tick at most once. Like the reconciler it takes no hint of what changed: each look
 * goes over the schedules that were stirred or are due, lets `core/clockwork` decide, writes what was decided, and only then acts. Wall
 * time picks the ticks; everything that waits, waits by the monotonic clock and looks again at least every second, so that a clock that
 * was set or a machine that slept is seen at once.
 */

import { admit } from '../core/clockwork/admit.ts'
import { firstLedger } from '../core/clockwork/due.ts'
import { parseInstant } from '../core/clockwork/instant.ts'
import { surplusRuns } from '../core/clockwork/ledger.ts'
import type { Ledger, Run } from '../core/clockwork/ledger.ts'
import type { Span } from '../core/clockwork/spans.ts'
import { turn } from '../core/clockwork/turn.ts'
import type { InstanceSpec } from '../core/instance/slot.ts'
import type { RevisionNumber, ServiceName, SlotId } from '../core/model/id.ts'
import type { Checkpoint } from '../ports/checkpoint.ts'
import type { Timer } from '../ports/clock.ts'
import type { Cron } from '../ports/cron.ts'
import { DarumaError } from '../ports/error.ts'
import type { Discovery } from '../ports/runtime.ts'
import type { StateDirectory } from '../ports/state-directory.ts'
import type { Store } from '../ports/store.ts'
import { Attempts } from './clockwork-attempts.ts'
import { isBookDue, newBook, nextOf, slotOf, untilDueMs } from './clockwork-book.ts'
import type { Book } from './clockwork-book.ts'
import { commitTurns } from './clockwork-commit.ts'
import type { Turned } from './clockwork-commit.ts'
import { loadLedgers } from './clockwork-load.ts'
import { Presences } from './clockwork-presence.ts'
import { forgetLedgers, isDue, prune } from './clockwork-prune.ts'
import type { Surplus } from './clockwork-prune.ts'
import { explainRefusal, handTick, refusalOf } from './clockwork-requests.ts'
import type { RunRequest } from './clockwork-requests.ts'
import { RunShells, specOfAttempt } from './clockwork-runs.ts'
import { ClockSteps } from './clockwork-steps.ts'
import { tellChanges } from './clockwork-story.ts'
import { readNote, specOfNote } from './load.ts'
import type { Allotment } from './port-allotment.ts'
import type { RevisionRecord } from './records.ts'
import type { SlotTools } from './slot-shell.ts'
import type { World } from './world.ts'

export interface ClockworkOptions {
  readonly world: World
  readonly store: Store
  readonly directory: StateDirectory
  readonly checkpoint: Checkpoint
  /** Loaded with the first schedule. */
  readonly cron: () => Promise<Cron>
  readonly tools: Omit<SlotTools, 'settled' | 'changed'>
  readonly ports: Allotment
  readonly flushStory: () => Promise<void>
  readonly loadRevision: (number: RevisionNumber) => Promise<RevisionRecord | null>
  /** The reconciler shall look: a gate may open, or somebody waits for the end of what is leaving. */
  readonly nudgeWorld: () => void
  /** Somebody else has written into the ledger, or nothing can be written any more: only another daemon can go on. */
  readonly onStoreLost: () => void
}

/** The net under every notification, and how soon a clock that was set is noticed. */
const lookEveryMs = 1000
/** Schedules that one transaction decides. */
const turnsAtOnce = 32
/** After a failure of the store: it is told by the reconciler, which tries as often. */
const retryMs = 1000

export class Clockwork {
  readonly #options: ClockworkOptions
  readonly #books = new Map<ServiceName, Book>()
  readonly #runs: RunShells
  readonly #presences: Presences
  readonly #steps: ClockSteps = new ClockSteps()
  readonly #attempts: Attempts
  /** Books that may have more runs than are kept: those whose ledger has changed. */
  readonly #unpruned = new Set<Book>()
  #requests: RunRequest[] = []
  #look: Promise<void> | null = null
  #isNudged = false
  #hasBegun = false
  #isClosed = false
  #timer: Timer | null = null
  #isHindered = false
  /** By whatever revision is kept; null when nothing is to be forgotten. */
  #named: ReadonlySet<ServiceName> | null = null

  constructor(options: ClockworkOptions) {
    this.#options = options
    const { world, tools } = options
    this.#presences = new Presences(world, options.cron)
    this.#runs = new RunShells({ world, tools, changed: (service) => this.#stir(service) })
    this.#attempts = new Attempts({ runs: this.#runs, world, ...tools })
  }

  get books(): ReadonlyMap<ServiceName, Book> {
    return this.#books
  }

  startedAt(slot: SlotId): string | null {
    return this.#runs.startedAt(slot)
  }

  /** Revisions that a run may still be attempted by. */
  usedRevisions(): readonly number[] {
    return [...this.#books.values()].flatMap(({ ledger }) =>
      ledger.runs.filter((run) => run.phase !== 'ended').map(({ revision }) => revision),
    )
  }

  async load(discovery: Discovery): Promise<void> {
    const { store, directory, world } = this.#options
    const { ledgers, written, forgotten, found, lost } = await loadLedgers(
      { store, directory, wallMs: this.#wallMs() },
      discovery,
    )
    for (const [service, ledger] of ledgers) this.#open(service, ledger, written.get(service) ?? null, forgotten.get(service))
    for (const [slot, epoch] of lost) this.#attempts.doom(slot, { kind: 'lost', epoch })
    for (const { service, slot, number, occupant } of found) {
      const run = ledgers.get(service)?.runs.find((each) => each.number === number)
      const note = readNote(occupant)
      const spec = note === null ? await this.#recordedSpec(service, run ?? null) : specOfNote(note)
      const { epoch, startedAt, ageMs, pid } = occupant
      if (spec === null) this.#attempts.doom(slot, { kind: 'lost', epoch })
      else if (occupant.state === 'running') {
        // A database that has never seen a revision knows nothing: what runs is left alone until an operation says what should be.
        if (world.applied === 0 && world.target === null) world.unrecorded.add(slot)
        const begun = startedAt ?? this.#options.tools.clock.wallTime()
        this.#runs.adopt(slot, service, spec, { epoch, pid: pid ?? 0, startedAt: begun, ageMs: ageMs ?? null })
      } else {
        const exit = occupant.exit ?? ({ kind: 'unknown' } as const)
        this.#runs.adoptEnded(slot, service, spec, { epoch, startedAt: startedAt ?? '', exit })
      }
    }
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
      this.#stir(service)
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
    const { tools, store, checkpoint, flushStory } = this.#options
    const [wallMs, nowMs] = [this.#wallMs(), tools.clock.now()]
    this.#noticeStep(wallMs, nowMs)
    if (this.#presences.isNew()) await this.#noticeWorld(wallMs)
    const due = [...this.#books.values()].filter((book) => isBookDue(book, wallMs, nowMs))
    // A few at a time: while the next are decided and written, the first begin already.
    for (let from = 0; from < due.length; from += turnsAtOnce) {
      const turned = due.slice(from, from + turnsAtOnce).map((book) => this.#turn(book, wallMs, nowMs))
      // An end counts as taken in only when it has been told: else a crash in between would lose how it ended.
      if (turned.some(({ book, after }) => after.runs.some((run) => run.end !== null && !book.ledger.runs.includes(run))))
        await flushStory()
      await commitTurns({ store, checkpoint, act: (book, after) => this.#act(book, after) }, turned, nowMs)
    }
    await this.#pruneAll()
    const named = this.#named
    if (named !== null) await forgetLedgers({ ...this.#options, books: this.#books }, this.#books, named)
    if (this.#named === named) this.#named = null
  }

  #turn(book: Book, wallMs: number, nowMs: number): Turned {
    book.isStirred = false
    const { service, presence } = book
    const asked = this.#admitByHand(book, this.#attempts.take(book, nowMs), wallMs)
    const isRested = (run: Run): boolean => this.#attempts.isRested(slotOf(service, run), nowMs)
    const isUntouched = (run: Run): boolean => this.#isUntouched(slotOf(service, run))
    return { book, after: turn({ ledger: asked.ledger, presence, wallMs, isRested, isUntouched }), answer: asked.answer }
  }

  #admitByHand(book: Book, ledger: Ledger, wallMs: number): { readonly ledger: Ledger; readonly answer: Turned['answer'] } {
    const { service, presence } = book
    const requests = this.#requests.filter((request) => request.service === service)
    this.#requests = this.#requests.filter((request) => request.service !== service)
    const accepted: { readonly request: RunRequest; readonly number: number }[] = []
    let after = ledger
    for (const request of requests) {
      if (presence.kind !== 'active') {
        request.refuse(refusalOf(service, presence) ?? new Error('refused'))
        continue
      }
      const tickMs = handTick(after, book.forgotten, wallMs)
      const admission = admit(after, presence.schedule.overlap, { tickMs, by: 'hand', isLate: false })
      if (admission.refusal !== null) request.refuse(explainRefusal(service, admission.refusal))
      else accepted.push({ request, number: admission.ledger.lastNumber })
      after = admission.ledger
    }
    const answer: Turned['answer'] = (error) => {
      for (const { request, number } of accepted) {
        const run = book.ledger.runs.find((each) => each.number === number)
        if (error !== null || run === undefined) request.refuse(error ?? new Error('the run is not in the ledger'))
        else request.resolve({ slot: slotOf(service, run), run })
      }
    }
    return { ledger: after, answer }
  }

  // Writing and acting ------------------------------------------------------------------------------------------------

  /** Makes the world follow the ledger, which is durable now as far as it must be. Doing it again does nothing. */
  async #act(book: Book, after: Ledger): Promise<void> {
    const { service, ledger: before } = book
    book.ledger = after
    book.nextMs = nextOf(book, this.#wallMs())
    tellChanges(before, after, this.#options.tools.tell)
    const isOver = ({ phase }: Run): boolean => phase === 'pausing' || phase === 'ended'
    for (const run of after.runs) if (isOver(run) && !before.runs.includes(run)) this.#close(book, run, slotOf(service, run))
    for (const run of after.runs) if (run.phase === 'under-way') await this.#follow(book, run, slotOf(service, run))
    book.attemptDueMs = this.#attempts.dueMs(book, this.#options.tools.clock.now())
    this.#unpruned.add(book)
  }

  async #follow(book: Book, run: Run, slot: SlotId): Promise<void> {
    if (this.#runs.has(slot)) {
      if (run.ask !== null) return this.#runs.askToEnd(slot, run.ask.because)
      if (this.#runs.specOf(slot)?.revision === run.revision || !this.#isUntouched(slot)) return
      this.#runs.drop(slot)
    }
    const spec = await this.#recordedSpec(book.service, run)
    // What should be may have changed while this was written down and read; then the next turn ends it before it began.
    if (this.#attempts.isDoomed(slot) || run.ask !== null || this.#presences.isNew()) return this.#stir(book.service)
    if (book.presence.kind !== 'active') return
    if (spec === null) {
      this.#attempts.doom(slot, { kind: 'not-begun', message: `revision ${run.revision} is not kept any more` })
      return this.#stir(book.service)
    }
    if (!this.#runs.begin(slot, book.service, spec)) this.#options.nudgeWorld()
  }

  #isUntouched(slot: SlotId): boolean {
    return this.#runs.isUntouched(slot) && !this.#attempts.isDoomed(slot)
  }

  #close(book: Book, run: Run, slot: SlotId): void {
    this.#runs.drop(slot)
    this.#attempts.forget(slot, run.phase === 'ended')
    if (run.phase === 'ended') this.#options.ports.remember(slot, null)
    // Whoever waits until nothing of it runs.
    if (book.presence.kind !== 'active') this.#options.nudgeWorld()
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
    for (const book of this.#unpruned) {
      const runs = surplusRuns(book.ledger, this.#keepOf(book))
      if (runs.length > 0) surplus.push({ book, runs })
      else this.#unpruned.delete(book)
    }
    if (isDue(surplus, surplus.length > 0 && this.#runs.isStarting()))
      await prune({ ...this.#options, books: this.#books }, surplus)
  }

  #keepOf({ presence }: Book): number {
    return presence.kind === 'active' ? presence.schedule.keep : defaultKeep
  }

  // What should be, and when ------------------------------------------------------------------------------------------

  async #noticeWorld(wallMs: number): Promise<void> {
    for (const service of await this.#presences.refresh()) {
      const { name, scale } = service
      if (scale.kind === 'schedule' && !this.#books.has(name)) this.#open(name, firstLedger(name, scale.schedule, wallMs), null)
    }
    for (const book of this.#books.values()) {
      this.#presences.apply(book)
      book.nextMs = nextOf(book, wallMs)
      book.isStirred = true
      this.#unpruned.add(book)
    }
  }

  #open(service: ServiceName, ledger: Ledger, written: Ledger | null, forgotten: readonly Span[] = []): void {
    const book = newBook({ service, ledger, written, forgotten })
    this.#books.set(service, book)
    this.#unpruned.add(book)
  }

  #noticeStep(wallMs: number, nowMs: number): void {
    const story = this.#steps.look(wallMs, nowMs)
    if (story === null || this.#books.size === 0) return
    this.#options.tools.tell(story)
    for (const book of this.#books.values()) book.isStirred = true
  }

  #wallMs(): number {
    return parseInstant(this.#options.tools.clock.wallTime())
  }

  #untilNextMs(): number {
    const nextMs = untilDueMs(this.#books.values(), this.#wallMs(), this.#options.tools.clock.now())
    return this.#books.size === 0 ? nextMs : Math.min(nextMs, lookEveryMs)
  }

  #wakeIn(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = Number.isFinite(delayMs) ? this.#options.tools.clock.after(delayMs, () => this.nudge()) : null
  }

  #stir(service: ServiceName): void {
    const book = this.#books.get(service)
    if (book === undefined) return
    book.isStirred = true
    if (book.presence.kind !== 'active') this.#options.nudgeWorld()
    this.nudge()
  }

  #recovered(): void {
    if (!this.#isHindered) return
    this.#isHindered = false
    this.#options.tools.tell({
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
    this.#options.tools.tell({ kind, slot: null, epoch: null, message, cause })
    this.#options.tools.log.write('error', `clockwork: ${cause}`)
  }
}

/** Of a schedule that has left the config, until its ledger is forgotten. */
const defaultKeep = 10
