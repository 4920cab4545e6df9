/**
 * What one target was told, and the notice that is on its way to it: one at a time, sent again with growing pauses until it is taken. After a day
 * of attempts it is made again, of what is so by then. Failures are told once, as events and in `status`, and never as notices.
 */

import type { NoticeTopic, NotifyTarget } from '../../core/keys/notify.ts'
import { nameOfTarget } from '../../core/keys/notify.ts'
import type { Event } from '../../core/model/event.ts'
import type { Trouble } from '../../core/notices/trouble.ts'
import { lastOf } from '../../core/notices/trouble.ts'
import type { Clock } from '../../ports/clock.ts'
import type { DeliveryAnswer } from '../../ports/notices/deliver.ts'
import type { Random } from '../../ports/random.ts'
import type { NoticeTargetView } from '../../protocol/notices.ts'
import type { OutgoingNotice, Redact } from '../redacted.ts'

/** Troubles that come together are told together: until no other has come for so long, but no longer than the second. */
const quietMs = 3000
const longestQuietMs = 30_000
/** Between two notices, whatever happens. */
const restMs = 60_000
const firstPauseMs = 5000
const longestPauseMs = 600_000
/** A day of the longest pauses; then what it says is old. */
const mostAttempts = 150
/** About half an hour: after it nobody waits for it any more. */
const fewAttempts = 10

/** As it is recorded. */
export interface TargetRecord {
  readonly toldUpTo: number
  readonly pending: Pending | null
  /** To deliver the pending one. */
  readonly attempts: number
}

interface Pending {
  readonly notice: OutgoingNotice
  readonly upTo: number
}

export interface DeliveryTools {
  readonly clock: Clock
  readonly random: Random
  readonly redact: Redact
  readonly emit: (event: Event) => void
  readonly untold: (toldUpTo: number, topics: readonly NoticeTopic[]) => readonly Trouble[]
  readonly compose: (troubles: readonly Trouble[]) => OutgoingNotice
  readonly deliver: (target: NotifyTarget, notice: OutgoingNotice) => Promise<DeliveryAnswer>
  /** Tells of its failure in the daemon's log; never rejects. */
  readonly hold: (sending: Promise<void>) => Promise<void>
  /** False where it could not be written; never rejects. */
  readonly save: (record: TargetRecord) => Promise<boolean>
}

export class Delivery {
  target: NotifyTarget
  readonly #tools: DeliveryTools
  #record: TargetRecord
  #isSaved = true
  #isSending = false
  #isClosed = false
  #notBeforeMs = 0
  /** By the monotonic clock: the first and the last of what is untold, as this life has seen it. */
  #untold: { readonly upTo: number; readonly firstMs: number; readonly lastMs: number } | null = null
  #failure: { readonly message: ReturnType<Redact>; readonly since: string } | null = null
  #lastTakenAt: string | null = null

  constructor(target: NotifyTarget, record: TargetRecord, tools: DeliveryTools) {
    this.target = target
    this.#record = record
    this.#tools = tools
  }

  get record(): TargetRecord {
    return this.#record
  }

  /** Or has no interest in it. */
  hasTold(trouble: Trouble): boolean {
    return lastOf(trouble) <= this.#record.toldUpTo || !this.target.on.includes(trouble.topic)
  }

  get isTelling(): boolean {
    return this.#hasPending && this.#record.attempts < fewAttempts
  }

  get #hasPending(): boolean {
    return this.#record.pending !== null || this.#untold !== null
  }

  view(): NoticeTargetView {
    const { redact } = this.#tools
    const { attempts } = this.#record
    return {
      target: redact(nameOfTarget(this.target)),
      on: this.target.on,
      isPending: this.#hasPending,
      lastTakenAt: this.#lastTakenAt,
      failure: this.#failure === null ? null : { ...this.#failure, attempts },
    }
  }

  close(): void {
    this.#isClosed = true
  }

  /** Makes a notice when it is time, and sends what is there to be sent; the sending is not waited for. */
  async look(): Promise<void> {
    if (this.#isClosed || this.#isSending) return
    if (!this.#isSaved) await this.#save(this.#record)
    const nowMs = this.#tools.clock.now()
    if (nowMs < this.#notBeforeMs) return
    if (this.#record.pending === null) await this.#prepare(nowMs)
    const { pending } = this.#record
    if (pending === null) return
    this.#isSending = true
    // Where a fault of ours leaves it without an outcome, too.
    this.#notBeforeMs = nowMs + restMs
    void this.#tools.hold(this.#send(pending)).finally(() => (this.#isSending = false))
  }

  async #prepare(nowMs: number): Promise<void> {
    const troubles = this.#tools.untold(this.#record.toldUpTo, this.target.on)
    const last = troubles.at(-1)
    if (last === undefined) {
      this.#untold = null
      return
    }
    const upTo = lastOf(last)
    const before = this.#untold
    this.#untold = { upTo, firstMs: before?.firstMs ?? nowMs, lastMs: before?.upTo === upTo ? before.lastMs : nowMs }
    const isQuiet = nowMs - this.#untold.lastMs >= quietMs || nowMs - this.#untold.firstMs >= longestQuietMs
    if (!isQuiet) return
    this.#untold = null
    await this.#save({ ...this.#record, pending: { notice: this.#tools.compose(troubles), upTo }, attempts: 0 })
  }

  async #send(pending: Pending): Promise<void> {
    const { clock, deliver } = this.#tools
    const answer = await deliver(this.target, pending.notice)
    if (this.#isClosed) return
    const message = this.#tools.redact(answer.message)
    if (!answer.isTaken) return this.#noteFailure(message)
    this.#notBeforeMs = clock.now() + restMs
    this.#lastTakenAt = clock.wallTime()
    this.#emitSent(this.#failure === null ? null : 'it can be reached again', pending)
    this.#failure = null
    await this.#save({ toldUpTo: Math.max(pending.upTo, this.#record.toldUpTo), pending: null, attempts: 0 })
  }

  async #noteFailure(message: ReturnType<Redact>): Promise<void> {
    const { clock, emit, random } = this.#tools
    const attempts = this.#record.attempts + 1
    const pauseMs = Math.min(firstPauseMs * 2 ** Math.min(attempts - 1, 20), longestPauseMs)
    this.#notBeforeMs = clock.now() + pauseMs / 2 + (pauseMs / 2) * random.fraction()
    if (this.#failure === null) {
      const name = nameOfTarget(this.target)
      const what = `${name} does not take a notice; it is tried again until it does`
      emit({ kind: 'notice-failed', slot: null, epoch: null, message: what, cause: message })
    }
    this.#failure = { message, since: this.#failure?.since ?? clock.wallTime() }
    const isOld = attempts >= mostAttempts
    await this.#save(isOld ? { ...this.#record, pending: null, attempts: 0 } : { ...this.#record, attempts })
  }

  #emitSent(cause: string | null, { notice }: Pending): void {
    const { began, over } = notice
    const counts = [...(began > 0 ? [`${began} in trouble`] : []), ...(over > 0 ? [`${over} over`] : [])]
    const message = `${nameOfTarget(this.target)} was notified: ${counts.join(', ')}`
    this.#tools.emit({ kind: 'notice-sent', slot: null, epoch: null, message, cause })
  }

  async #save(record: TargetRecord): Promise<void> {
    this.#record = record
    this.#isSaved = await this.#tools.save(record)
  }
}
