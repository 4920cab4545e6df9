/**
 * Which ticks are due, by the clock on the wall as it stands now. Three things are told apart. A tick that has just passed is on time and
 * gets its run. Ticks that passed while nobody looked (no daemon, a suspended machine, a clock set forward) are missed: one run for the
 * last of them, or none. And a clock that was set back makes nothing happen a second time, and silences nothing.
 */

import type { Schedule } from '../model/service.ts'
import { admit } from './admit.ts'
import type { Refusal } from './admit.ts'
import { newLedger, withSkip } from './ledger.ts'
import type { Ledger, Skip } from './ledger.ts'
import { cover, lastOpen, nextOpen } from './spans.ts'
import type { Ticks } from './spans.ts'

/** Later than this a tick counts as missed: well above the daemon's own pace, and a restart of the daemon fits in. */
export const punctualMs: number = 2000

export const timetableOf = ({ cron, timezone }: Schedule): string => `${cron} ${timezone}`

/** The ledger as it must be before ticks are looked for: new, moved to another timetable, back from retirement, or met by a clock set back. */
export function anchored(ledger: Ledger, schedule: Schedule, wallMs: number): Ledger {
  const timetable = timetableOf(schedule)
  const owesNothing = ledger.timetable !== timetable || ledger.isRetired || wallMs < ledger.anchorMs
  return owesNothing ? { ...ledger, timetable, isRetired: false, anchorMs: wallMs } : ledger
}

export const firstLedger = (service: Ledger['service'], schedule: Schedule, wallMs: number): Ledger =>
  newLedger(service, timetableOf(schedule), wallMs)

/** When the schedule must be looked at next; null when no tick ever comes. */
export const nextTickMs = (ledger: Ledger, ticks: Ticks): number | null => nextOpen(ledger.covered, ticks, ledger.anchorMs)

/** Lets in every tick that is due. The ledger must be {@link anchored}. */
export function takeDueTicks(ledger: Ledger, schedule: Schedule, ticks: Ticks, wallMs: number): Ledger {
  const first = nextTickMs(ledger, ticks)
  if (first === null || first > wallMs) return ledger
  const punctualFromMs = Math.max(ledger.anchorMs, wallMs - punctualMs)
  const punctual: number[] = []
  for (let at = nextOpen(ledger.covered, ticks, punctualFromMs); at !== null && at <= wallMs;) {
    punctual.push(at)
    at = nextOpen(ledger.covered, ticks, at)
  }
  const missed = lastOpen(ledger.covered, ticks, { afterMs: ledger.anchorMs, untilMs: punctualFromMs })
  let next = ledger
  if (missed !== null) next = takeMissed(next, schedule, ticks, { first, missed, isOwed: punctual.length === 0 })
  for (const tickMs of punctual) next = takeTick(next, schedule, ticks, tickMs, false)
  return { ...next, anchorMs: wallMs }
}

function takeMissed(
  ledger: Ledger,
  schedule: Schedule,
  ticks: Ticks,
  window: { readonly first: number; readonly missed: number; readonly isOwed: boolean },
): Ledger {
  const { first, missed, isOwed } = window
  if (schedule.missed === 'run-once' && isOwed) {
    const beforeMs = first < missed ? (ticks.last({ afterMs: first - 1, untilMs: missed - 1 }) ?? first) : null
    const told =
      beforeMs === null
        ? ledger
        : withSkip(ledger, missedSkip(first, beforeMs, first === beforeMs ? 1 : null, 'one run stands for all that were missed'))
    return takeTick(told, schedule, ticks, missed, true)
  }
  const because = isOwed ? 'it could not be started in time' : 'it could not be started in time, and the next was due'
  return withSkip(ledger, missedSkip(first, missed, first === missed ? 1 : null, because))
}

const missedSkip = (fromMs: number, toMs: number, count: number | null, because: string): Skip => ({
  fromMs,
  toMs,
  count,
  kind: 'missed',
  because,
})

function takeTick(ledger: Ledger, schedule: Schedule, ticks: Ticks, tickMs: number, isLate: boolean): Ledger {
  const covered = { ...ledger, covered: cover(ledger.covered, tickMs, ticks) }
  const { ledger: next, refusal } = admit(covered, schedule.overlap, { tickMs, by: 'schedule', isLate })
  return refusal === null ? next : withSkip(next, { fromMs: tickMs, toMs: tickMs, count: 1, ...explain(refusal) })
}

function explain(refusal: Refusal): Pick<Skip, 'kind' | 'because'> {
  return refusal.kind === 'under-way'
    ? { kind: 'overlap', because: 'an earlier run was under way' }
    : { kind: 'queue-full', because: 'as many runs as may wait were waiting' }
}
