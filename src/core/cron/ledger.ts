/**
 * The ledger of one schedule: which of its ticks have been decided, and the runs that began, wait, or are kept for a person to look at.
 * A tick starts at most once because it is covered in the same transaction that allows its start, and nothing uncovers it.
 */

import type { Epoch, RevisionNumber, ServiceName } from '../model/id.ts'
import type { Exit } from '../model/status.ts'
import type { Span } from './spans.ts'

/** Why a run is asked to end before its time. */
export interface Ask {
  readonly kind: 'timed-out' | 'stopped' | 'replaced'
  readonly because: string
}

export interface RunEnd {
  /** `lost`: it began, and nobody knows how it ended. `cancelled`: it never began. */
  readonly kind: 'succeeded' | 'failed' | 'timed-out' | 'stopped' | 'replaced' | 'lost' | 'cancelled'
  readonly exit: Exit | null
  readonly message: string
}

export interface Run {
  /** Grows with each run of the service: the order in which they were let in, whatever the clock said. */
  readonly number: number
  /** The instant that the run is named by: a tick of the schedule, or the moment at which somebody asked. */
  readonly tickMs: number
  readonly by: 'schedule' | 'hand'
  /** Its tick had passed for a while before anybody could take it in. */
  readonly isLate: boolean
  readonly phase: 'queued' | 'under-way' | 'pausing' | 'ended'
  /** From 1; 0 while it has not been allowed to start. */
  readonly attempt: number
  /** The largest epoch of the attempts before the present one: whatever is above it in the slot is the present one. */
  readonly afterEpoch: Epoch | null
  /** By whose config it runs, from the start of its first attempt to the end of its last; 0 while it waits for its turn. */
  readonly revision: RevisionNumber
  readonly ask: Ask | null
  /** ISO 8601 UTC, for people. */
  readonly startedAt: string | null
  readonly endedAt: string | null
  /** Of the last attempt, by the monotonic clock; null where no daemon saw all of it. */
  readonly durationMs: number | null
  readonly end: RunEnd | null
}

/** Ticks in a row that started nothing, told as one. */
export interface Skip {
  readonly fromMs: number
  readonly toMs: number
  /** Null: not counted, because the clock or the daemon's absence jumped over them. */
  readonly count: number | null
  readonly kind: 'missed' | 'overlap' | 'queue-full' | 'replaced'
  readonly because: string
}

export interface Ledger {
  readonly service: ServiceName
  /** The timetable that the anchor was set for: under another one the past owes nothing. */
  readonly timetable: string
  /** Ticks after it are still to be decided. Wall time. */
  readonly anchorMs: number
  readonly covered: readonly Span[]
  /** The service has left the config (or everything was taken down): time until it comes back owes nothing either. */
  readonly isRetired: boolean
  readonly lastNumber: number
  readonly skips: readonly Skip[]
  /** By number. */
  readonly runs: readonly Run[]
}

/** Series of skipped ticks that are remembered. */
const maxSkips = 8

export function newLedger(service: ServiceName, timetable: string, wallMs: number): Ledger {
  return { service, timetable, anchorMs: wallMs, covered: [], isRetired: false, lastNumber: 0, skips: [], runs: [] }
}

export const isActive = (run: Run): boolean => run.phase === 'under-way' || run.phase === 'pausing'

/** Of several (a database that was put back has not heard how they ended) the one that runs comes before those that pause. */
export const activeRun = ({ runs }: Ledger): Run | null =>
  runs.find(({ phase }) => phase === 'under-way') ?? runs.find(isActive) ?? null

export function withRun(ledger: Ledger, run: Run): Ledger {
  return { ...ledger, runs: ledger.runs.map((other) => (other.number === run.number ? run : other)) }
}

export function withSkip(ledger: Ledger, skip: Skip): Ledger {
  const last = ledger.skips.at(-1)
  const isSeries = last !== undefined && last.kind === skip.kind && last.because === skip.because && skip.fromMs >= last.toMs
  if (!isSeries) return { ...ledger, skips: [...ledger.skips, skip].slice(-maxSkips) }
  const count = last.count === null || skip.count === null ? null : last.count + skip.count
  return { ...ledger, skips: [...ledger.skips.slice(0, -1), { ...last, toMs: skip.toMs, count }] }
}

/** Ended runs that are more than `keep`: the first that were let in go first. */
export function surplusRuns(ledger: Ledger, keep: number): readonly Run[] {
  const ended = ledger.runs.filter((run) => run.phase === 'ended')
  return ended.slice(0, Math.max(0, ended.length - Math.max(1, keep)))
}
