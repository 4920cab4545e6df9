/** One schedule in the daemon's memory: its ledger as it is and as it was last written, and what must be written to make the two equal. */

import { anchored, nextTickMs } from '../../core/cron/due.ts'
import { formatInstant } from '../../core/cron/instant.ts'
import type { Ledger, Run } from '../../core/cron/ledger.ts'
import type { Span } from '../../core/cron/spans.ts'
import type { Presence } from '../../core/cron/evaluate.ts'
import type { ServiceName, SlotId } from '../../core/model/id.ts'
import { runSlotId } from '../../core/model/id.ts'
import type { Compare, Operation } from '../../ports/storage/store.ts'
import { put } from '../../ports/storage/json-records.ts'
import { keys } from '../records.ts'

export interface CronEntry {
  readonly service: ServiceName
  ledger: Ledger
  /** Null: nothing of it is in the store yet. */
  written: Ledger | null
  /** Ticks that are over and of which nothing else is left: beside the database, because one that is put back must not begin them again. */
  forgotten: readonly Span[]
  presence: Presence
  /** The next tick that may start, by the wall; null when none comes. */
  nextMs: number | null
  /** By the monotonic clock: when its attempt must be looked at though nothing happens (its time is up, its pause over); infinite for never. */
  attemptDueMs: number
  /** Something has happened that its next evaluation must see. */
  isDirty: boolean
  /** Why its expression cannot be used here (a timezone that this Node does not know); null when it can. */
  fault: string | null
  /** By the monotonic clock: when what can wait was last written. */
  writtenAtMs: number
}

/** As it is before anybody has looked: whatever it is, it is to be looked at. */
export function newEntry(known: Pick<CronEntry, 'service' | 'ledger' | 'written' | 'forgotten'>): CronEntry {
  const unseen = { presence: { kind: 'unknown' }, nextMs: null, fault: null } as const
  return { ...known, ...unseen, attemptDueMs: 0, isDirty: true, writtenAtMs: 0 }
}

/** The ledger without its runs, each of which is a record of its own. */
export type ScheduleRecord = Omit<Ledger, 'service' | 'runs'>

/** Asked of every run under way in every look, so each is named once. */
const slots = new WeakMap<Pick<Run, 'tickMs'>, SlotId>()

export function slotOf(service: ServiceName, run: Pick<Run, 'tickMs'>): SlotId {
  const known = slots.get(run)
  if (known !== undefined) return known
  const slot = runSlotId(service, formatInstant(run.tickMs))
  slots.set(run, slot)
  return slot
}

/** The next tick that may start; null while the schedule is not applied. */
export function nextOf({ ledger, presence }: CronEntry, wallMs: number): number | null {
  if (presence.kind !== 'active') return null
  return nextTickMs(anchored(ledger, presence.schedule, wallMs), presence.ticks)
}

/** Whether evaluating it would change anything. Wall time picks ticks, and may have gone back; whatever waits, waits by the monotonic clock. */
export function isEntryDue(entry: CronEntry, wallMs: number, nowMs: number): boolean {
  if (entry.isDirty || wallMs < entry.ledger.anchorMs) return true
  if (entry.nextMs !== null && wallMs >= entry.nextMs && entry.presence.kind === 'active') return true
  return nowMs >= entry.attemptDueMs
}

/** Until the first of them is due by itself, at least 1; infinite for never. */
export function untilDueMs(entries: Iterable<CronEntry>, wallMs: number, nowMs: number): number {
  let untilMs: number = Number.POSITIVE_INFINITY
  for (const { nextMs, presence, attemptDueMs } of entries) {
    if (nextMs !== null && presence.kind === 'active') untilMs = Math.min(untilMs, nextMs - wallMs)
    untilMs = Math.min(untilMs, attemptDueMs - nowMs)
  }
  return Math.max(1, untilMs)
}

export interface Draft {
  readonly compare: readonly Compare[]
  readonly writes: readonly Operation[]
}

/** A schedule whose ticks only pass by, skipped one after the other, is written that seldom. */
const lazyWriteMs = 10_000

/** What must be durable before anything of `after` is acted upon; null when nothing must. */
export function draft(entry: CronEntry, after: Ledger, nowMs: number): Draft | null {
  const { service, written } = entry
  const before = new Map(written?.runs.map((run) => [run.number, run]))
  const changed = after.runs.filter((run) => before.get(run.number) !== run)
  const mustWrite = written === null || changed.length > 0 || hasMoved(written, after)
  const mayWrite = written !== after && nowMs - entry.writtenAtMs >= lazyWriteMs
  if (!mustWrite && !mayWrite) return null
  const { service: _service, runs: _runs, ...record } = after
  const fresh = changed.filter((run) => !before.has(run.number))
  return {
    // The tick's record is its claim: if another has made it, that one has the tick.
    compare: fresh.map((run) => ({ key: keys.run(slotOf(service, run)), modified: 0 })),
    writes: [
      put(keys.schedule(service), record satisfies ScheduleRecord),
      ...changed.map((run) => put(keys.run(slotOf(service, run)), run)),
    ],
  }
}

/** Whether forgetting it would change which ticks are owed. Ticks that were skipped may be forgotten: they never began. */
function hasMoved(before: Ledger, after: Ledger): boolean {
  return before.timetable !== after.timetable || before.isRetired !== after.isRetired || after.anchorMs < before.anchorMs
}
