/** The attempt of a run that is under way: how it ended, whether it takes too long, and how long the run rests before the next one. */

import type { Ledger, Run } from '../../core/cron/ledger.ts'
import { activeRun, withRun } from '../../core/cron/ledger.ts'
import { settleAttempt } from '../../core/cron/settle.ts'
import type { AttemptEnd } from '../../core/cron/settle.ts'
import { backoffMs } from '../../core/instance/backoff.ts'
import type { SlotId } from '../../core/model/id.ts'
import type { Service } from '../../core/model/service.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Random } from '../../ports/random.ts'
import { slotOf } from './entry.ts'
import type { CronEntry } from './entry.ts'
import type { RunSlots } from './runs.ts'
import type { World } from '../world/world.ts'

export interface AttemptsTools {
  readonly runs: RunSlots
  readonly world: World
  readonly clock: Clock
  readonly random: Random
}

export class Attempts {
  readonly #tools: AttemptsTools
  /** Of attempts that no host was told of: how they ended all the same. */
  readonly #ends = new Map<SlotId, AttemptEnd>()
  readonly #restUntilMs = new Map<SlotId, number>()

  constructor(tools: AttemptsTools) {
    this.#tools = tools
  }

  /** Says how an attempt ended of which no host will report. */
  noteEnd(slot: SlotId, end: AttemptEnd): void {
    this.#ends.set(slot, end)
  }

  hasEnd(slot: SlotId): boolean {
    return this.#ends.has(slot)
  }

  forget(slot: SlotId, isRunOver: boolean): void {
    this.#ends.delete(slot)
    if (isRunOver) this.#restUntilMs.delete(slot)
  }

  /** The ledger with the end of the attempt taken in, or with the wish that it end because its time is up. */
  take({ service, ledger, presence }: CronEntry, nowMs: number): Ledger {
    const run = ledger.runs.find((each) => each.phase === 'under-way')
    if (run === undefined) return ledger
    const { runs, world, clock } = this.#tools
    const slot = slotOf(service, run)
    const attempt = this.#endOf(slot, run)
    if (attempt !== null) {
      const own = runs.specOf(slot)?.service ?? world.serviceOf(service)
      const schedule = presence.kind === 'active' && own?.scale.kind === 'schedule' ? own.scale.schedule : null
      const begun = { ...run, startedAt: runs.startedAt(slot) ?? run.startedAt }
      const settled = settleAttempt({ run: begun, attempt, schedule, wallTime: clock.wallTime() })
      if (settled.phase === 'pausing' && own !== null) this.#restUntilMs.set(slot, nowMs + this.#restMs(own, run))
      return withRun(ledger, settled)
    }
    if (run.ask !== null || !this.#isOverdue(slot, nowMs)) return ledger
    const because = `it took longer than ${(this.#timeoutMs(slot) ?? 0) / 1000} s`
    return withRun(ledger, { ...run, ask: { kind: 'timed-out', because } })
  }

  isRested(slot: SlotId, nowMs: number): boolean {
    return nowMs >= (this.#restUntilMs.get(slot) ?? 0)
  }

  /** When the run that is there must be looked at, though nothing happens; infinite for never. */
  dueMs({ service, ledger }: CronEntry, nowMs: number): number {
    const run = activeRun(ledger)
    if (run === null) return Number.POSITIVE_INFINITY
    const slot = slotOf(service, run)
    if (run.phase === 'pausing') return this.#restUntilMs.get(slot) ?? 0
    const limitMs = run.ask === null ? this.#timeoutMs(slot) : null
    const livedMs = limitMs === null ? null : this.#tools.runs.livedMs(slot, nowMs)
    return limitMs === null || livedMs === null ? Number.POSITIVE_INFINITY : nowMs + limitMs - livedMs
  }

  #endOf(slot: SlotId, run: Run): AttemptEnd | null {
    const known = this.#ends.get(slot)
    if (known !== undefined) return known
    const { runs } = this.#tools
    // Recorded, and asked to end before anything was done for it.
    if (!runs.has(slot) && run.ask !== null) return { kind: 'not-begun', message: run.ask.because }
    return runs.endOf(slot, run)
  }

  #isOverdue(slot: SlotId, nowMs: number): boolean {
    const limitMs = this.#timeoutMs(slot)
    return limitMs !== null && (this.#tools.runs.livedMs(slot, nowMs) ?? 0) >= limitMs
  }

  #timeoutMs(slot: SlotId): number | null {
    const scale = this.#tools.runs.specOf(slot)?.service.scale
    return scale?.kind === 'schedule' ? scale.schedule.timeoutMs : null
  }

  #restMs({ restart }: Service, run: Run): number {
    const jitter = this.#tools.random.fraction()
    return backoffMs({ ...restart, budget: Number.POSITIVE_INFINITY }, run.attempt + 1, jitter)
  }
}
