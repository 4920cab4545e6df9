/**
 * The rest between two batches of a rollout: begun when every new instance so far is ready. Kept in memory alone: a daemon that restarts
 * rests once more from the beginning.
 */

import type { ServiceName } from '../../core/model/id.ts'
import type { ServiceView } from '../../core/rollout/order.ts'
import type { Clock, Timer } from '../../ports/clock.ts'

interface Rest {
  /** The identity and how many of it: another batch is another rest. */
  readonly batch: string
  readonly sinceMs: number
  readonly timer: Timer
}

export class Pauses {
  readonly #clock: Clock
  readonly #onEnd: (name: ServiceName) => void
  readonly #rests = new Map<ServiceName, Rest>()

  constructor(clock: Clock, onEnd: (name: ServiceName) => void) {
    this.#clock = clock
    this.#onEnd = onEnd
  }

  /** Whether the next batch has to wait: for the one under way, or for the rest after it. */
  isPausing(view: ServiceView): boolean {
    const pauseMs = view.wanted?.service.update.pauseMs ?? 0
    const fresh = view.slots.filter((slot) => slot.goalIdentity !== null && slot.goalIdentity === view.wanted?.identity)
    const hasStale = view.slots.some((slot) => slot.goalIdentity !== null && slot.goalIdentity !== view.wanted?.identity)
    if (pauseMs === 0 || fresh.length === 0 || !hasStale) {
      this.#forget(view.name)
      return false
    }
    if (!fresh.every((slot) => slot.isReady || slot.isDone)) return true
    const batch = `${fresh.length} ${view.wanted?.identity ?? ''}`
    const rest = this.#rests.get(view.name)
    if (rest?.batch === batch) return this.#clock.now() < rest.sinceMs + pauseMs
    this.#forget(view.name)
    const timer = this.#clock.after(pauseMs, () => this.#onEnd(view.name))
    this.#rests.set(view.name, { batch, sinceMs: this.#clock.now(), timer })
    return true
  }

  close(): void {
    for (const name of this.#rests.keys()) this.#forget(name)
  }

  #forget(name: ServiceName): void {
    this.#rests.get(name)?.timer.cancel()
    this.#rests.delete(name)
  }
}
