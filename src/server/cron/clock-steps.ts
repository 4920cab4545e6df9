/**
 * Notices that the clock on the wall was set, or that the machine slept: it has moved otherwise than the monotonic clock. Nothing is
 * decided by this (each look goes by what the wall shows); it is told, so that nobody wonders why a tick came twice on the wall.
 */

import { formatInstant } from '../../core/cron/instant.ts'
import type { Event } from '../../core/model/event.ts'

/** A wall clock that has moved that much against the monotonic one was set; less is its being steered. */
const stepMs = 2000

export class ClockSteps {
  #seen: { readonly wallMs: number; readonly nowMs: number } | null = null

  /** What is to be told; null when nothing is. */
  look(wallMs: number, nowMs: number): Event | null {
    const before = this.#seen
    this.#seen = { wallMs, nowMs }
    if (before === null) return null
    const movedMs = wallMs - before.wallMs - (nowMs - before.nowMs)
    if (Math.abs(movedMs) < stepMs) return null
    const message =
      movedMs > 0
        ? `the time of day went ahead by ${describe(movedMs)}: ticks that it passed over count as missed`
        : `the time of day went back by ${describe(-movedMs)}: ticks that ran already are not repeated`
    const cause = `the clock was set, or the machine slept: it was ${formatInstant(before.wallMs)}, it is ${formatInstant(wallMs)}`
    return { kind: 'clock-stepped', slot: null, epoch: null, message, cause }
  }
}

function describe(durationMs: number): string {
  const seconds = Math.round(durationMs / 1000)
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 120) return `${minutes} min`
  return minutes < 60 * 48 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} days`
}
