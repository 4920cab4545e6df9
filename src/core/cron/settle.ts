/** What follows the end of an attempt: the run has ended, or it pauses before another attempt, which is a new epoch in the same slot. */

import type { Epoch } from '../model/id.ts'
import type { Schedule } from '../model/service.ts'
import type { Exit } from '../model/status.ts'
import { explainExit } from '../model/status.ts'
import type { Run, RunEnd } from './ledger.ts'

/** How an attempt ended, as far as cgroup and exit file can tell. */
export type AttemptEnd =
  | { readonly kind: 'exit'; readonly exit: Exit; readonly epoch: Epoch | null; readonly durationMs: number | null }
  /** It began, and nothing says how it ended. */
  | { readonly kind: 'lost'; readonly epoch: Epoch | null }
  /** Nothing of it ran, and nothing of it will. */
  | { readonly kind: 'not-begun'; readonly message: string }

export interface SettleInput {
  readonly run: Run
  readonly attempt: AttemptEnd
  /** By the run's own revision; null: the service is leaving, or its config is not known any more, and nothing is tried again. */
  readonly schedule: Pick<Schedule, 'retries' | 'retryLost'> | null
  /** For people. */
  readonly wallTime: string
}

export function settleAttempt({ run, attempt, schedule, wallTime }: SettleInput): Run {
  const end = endOf(run, attempt)
  const durationMs = attempt.kind === 'exit' ? attempt.durationMs : null
  const epoch = attempt.kind === 'not-begun' ? null : attempt.epoch
  const afterEpoch = epoch ?? run.afterEpoch
  const settled = { ...run, afterEpoch, durationMs, endedAt: wallTime, end }
  if (schedule !== null && mayRetry(run, end, schedule)) return { ...settled, phase: 'pausing', ask: null }
  return { ...settled, phase: 'ended' }
}

function endOf(run: Run, attempt: AttemptEnd): RunEnd {
  const exit = attempt.kind === 'exit' ? attempt.exit : null
  if (run.ask !== null) return { kind: run.ask.kind, exit, message: run.ask.because }
  if (attempt.kind === 'not-begun') return { kind: 'failed', exit: null, message: attempt.message }
  // A keeper that was killed with its command leaves no word: dead for certain, and its success not known.
  if (exit === null || exit.kind === 'unknown')
    return { kind: 'lost', exit: null, message: 'it was started, and how it ended is not known' }
  const isGood = exit.kind === 'code' && exit.code === 0
  return { kind: isGood ? 'succeeded' : 'failed', exit, message: isGood ? 'has completed' : explainExit(exit) }
}

/** A lost attempt may have done its work: only who says so has it repeated, and then once more than the retries if there are none. */
function mayRetry(run: Run, end: RunEnd, schedule: Pick<Schedule, 'retries' | 'retryLost'>): boolean {
  switch (end.kind) {
    case 'failed':
    case 'timed-out':
      return run.attempt <= schedule.retries
    case 'lost':
      return schedule.retryLost && run.attempt <= Math.max(1, schedule.retries)
    case 'succeeded':
    case 'stopped':
    case 'replaced':
    case 'cancelled':
      return false
  }
}
