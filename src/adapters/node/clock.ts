/** The production clock: `performance.now()` for deciding (CLOCK_MONOTONIC), the time of day only for people. */

import type { Clock, Timer } from '../../ports/clock.ts'

export const nodeClock: Clock = {
  now: () => performance.now(),
  wallTime: () => new Date().toISOString(),
  wallTimeOf: (momentMs) => new Date(Date.now() - (performance.now() - momentMs)).toISOString(),
  after(delayMs: number, run: () => void): Timer {
    // setTimeout treats more than 2³¹−1 ms as 1 ms; the callers look again whenever they are called.
    const handle = setTimeout(run, Math.min(Math.max(0, Math.ceil(delayMs)), 2 ** 31 - 1)).unref()
    return { cancel: () => clearTimeout(handle) }
  },
}
