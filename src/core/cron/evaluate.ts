/**
 * Evaluates one schedule: `(ledger, what there is, wall time) → ledger`. It takes no hint of what changed: a run that ended,
 * a tick that is due, a deploy, a clock that was set are all seen by looking. What differs in the ledger that comes back is written down
 * first, and only then done.
 */

import type { Schedule } from '../model/service.ts'
import type { RevisionNumber } from '../model/id.ts'
import { cancelQueued } from './admit.ts'
import { anchored, takeDueTicks } from './due.ts'
import { activeRun, withRun } from './ledger.ts'
import type { Ledger, Run } from './ledger.ts'
import type { Ticks } from './spans.ts'

/** `paused`: stopped by hand; what passes meanwhile is missed. `gone`: not in the config; what passes meanwhile is nothing to it. */
export type Presence =
  | { readonly kind: 'active'; readonly schedule: Schedule; readonly ticks: Ticks; readonly revision: RevisionNumber }
  | { readonly kind: 'paused' | 'gone'; readonly because: string }
  /** A database that has never seen a revision: what runs is left alone. */
  | { readonly kind: 'unknown' }

export interface EvaluateInput {
  readonly ledger: Ledger
  readonly presence: Presence
  readonly wallMs: number
  /** Runs that pause before another attempt, and may now make it. */
  readonly isRested: (run: Run) => boolean
  /** Runs of which nothing was ever started, nor is being. */
  readonly isUntouched: (run: Run) => boolean
}

export function evaluate({ ledger, presence, wallMs, isRested, isUntouched }: EvaluateInput): Ledger {
  switch (presence.kind) {
    case 'unknown':
      return ledger
    case 'paused':
      return endAll(ledger, presence.because)
    case 'gone': {
      const ended = endAll(ledger, presence.because)
      return ended.isRetired ? ended : { ...ended, isRetired: true }
    }
    case 'active': {
      const { schedule, ticks, revision } = presence
      const due = takeDueTicks(anchored(ledger, schedule, wallMs), schedule, ticks, wallMs)
      return startNext(renew(resume(due, isRested), revision, isUntouched), revision)
    }
  }
}

function endAll(ledger: Ledger, because: string): Ledger {
  let next = ledger
  for (const run of ledger.runs) {
    if (run.phase === 'queued') next = cancelQueued(next, run, { kind: 'missed', because })
    if (run.phase === 'under-way' && run.ask === null) next = withRun(next, { ...run, ask: { kind: 'stopped', because } })
    if (run.phase === 'pausing') next = withRun(next, { ...run, phase: 'ended' })
  }
  return next
}

/** A pausing run that is to give way ends where it stands: nothing of it runs. */
function resume(ledger: Ledger, isRested: (run: Run) => boolean): Ledger {
  const run = ledger.runs.find((each) => each.phase === 'pausing')
  if (run === undefined) return ledger
  if (run.ask !== null) {
    const end = { kind: run.ask.kind, exit: run.end?.exit ?? null, message: run.ask.because }
    return withRun(ledger, { ...run, phase: 'ended', end })
  }
  if (!isRested(run) || ledger.runs.some(({ phase }) => phase === 'under-way')) return ledger
  return withRun(ledger, { ...run, phase: 'under-way', attempt: run.attempt + 1, endedAt: null, durationMs: null, end: null })
}

/** A run that still waits to begin does so by the config that holds then: the one that let it in may have been rolled back. */
function renew(ledger: Ledger, revision: RevisionNumber, isUntouched: (run: Run) => boolean): Ledger {
  const run = ledger.runs.find(({ phase }) => phase === 'under-way')
  const isFirst = run !== undefined && run.attempt === 1 && run.afterEpoch === null
  return isFirst && run.revision !== revision && isUntouched(run) ? withRun(ledger, { ...run, revision }) : ledger
}

/** At most one run of a schedule is under way, whatever its overlap says: `queue` waits for it, `replace` for its end. */
function startNext(ledger: Ledger, revision: RevisionNumber): Ledger {
  if (activeRun(ledger) !== null) return ledger
  const next = ledger.runs.find((run) => run.phase === 'queued')
  return next === undefined ? ledger : withRun(ledger, { ...next, phase: 'under-way', attempt: 1, revision })
}
