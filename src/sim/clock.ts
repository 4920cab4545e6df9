/**
 * A clock that is turned by hand. Nothing happens between two timers, so a run is decided by its seed alone; timers that are due at
 * the same moment run in the order in which they were set.
 */

import type { Clock, Timer } from '../ports/clock.ts'

export class SimulatedClock implements Clock {
  #nowMs = 1_000_000
  #stepMs = 0
  #timers: { readonly atMs: number; readonly run: () => void }[] = []

  now(): number {
    return this.#nowMs
  }

  wallTime(): string {
    return this.wallTimeOf(this.#nowMs)
  }

  wallTimeOf(momentMs: number): string {
    return new Date(Date.UTC(2026, 0, 1) + this.#stepMs + momentMs).toISOString()
  }

  /** Somebody sets the clock on the wall. */
  stepWall(byMs: number): void {
    this.#stepMs += byMs
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = { atMs: this.#nowMs + Math.max(0, Math.ceil(delayMs)), run }
    // Before the first later one: those of the same moment keep their order.
    const place = this.#timers.findIndex((other) => other.atMs > timer.atMs)
    this.#timers.splice(place < 0 ? this.#timers.length : place, 0, timer)
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) }
  }

  /** Turns to the next timer at or before `limitMs` and runs it; false when there is none: then it is `limitMs`. */
  turn(limitMs: number): boolean {
    const next = this.#timers[0]
    if (next === undefined || next.atMs > limitMs) {
      this.#nowMs = Math.max(this.#nowMs, limitMs)
      return false
    }
    this.#timers.shift()
    this.#nowMs = next.atMs
    next.run()
    return true
  }
}
