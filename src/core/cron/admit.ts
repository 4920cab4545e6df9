/** One tick meets the runs that are there: it waits its turn, takes the place of another, or starts nothing. */

import { asRevisionNumber } from '../model/id.ts'
import type { Schedule } from '../model/service.ts'
import { activeRun, isActive, withRun, withSkip } from './ledger.ts'
import type { Ledger, Run } from './ledger.ts'

/** Runs that may wait behind one that takes longer than its schedule allows: enough for a bad hour, not for a bad year. */
export const maxQueued: number = 10

export interface Candidate {
  readonly tickMs: number
  readonly by: Run['by']
  readonly isLate: boolean
}

export type Refusal = { readonly kind: 'under-way'; readonly run: Run } | { readonly kind: 'queue-full' }

export interface Admission {
  readonly ledger: Ledger
  /** Null: it was let in. */
  readonly refusal: Refusal | null
}

export function admit(ledger: Ledger, overlap: Schedule['overlap'], candidate: Candidate): Admission {
  const present = activeRun(ledger)
  const queued = ledger.runs.filter((run) => run.phase === 'queued')
  const first = present ?? queued[0] ?? null
  if (first === null) return { ledger: enqueue(ledger, candidate), refusal: null }
  switch (overlap) {
    case 'forbid':
      return { ledger, refusal: { kind: 'under-way', run: first } }
    case 'queue':
      if (queued.length >= maxQueued) return { ledger, refusal: { kind: 'queue-full' } }
      return { ledger: enqueue(ledger, candidate), refusal: null }
    case 'replace':
      return { ledger: enqueue(giveWay(ledger), candidate), refusal: null }
  }
}

/** A run that waits never starts; one that runs is asked to end, and the next starts when it is gone. */
function giveWay(ledger: Ledger): Ledger {
  const because = 'a newer tick took its place'
  let next = ledger
  for (const run of ledger.runs) {
    if (run.phase === 'queued') next = cancelQueued(next, run, { kind: 'replaced', because })
    if (isActive(run) && run.ask === null) next = withRun(next, { ...run, ask: { kind: 'replaced', because } })
  }
  return next
}

/** A run that waits and shall not begin: nothing of it is kept but the word that it was skipped. */
export function cancelQueued(
  ledger: Ledger,
  run: Run,
  why: { readonly kind: 'replaced' | 'missed'; readonly because: string },
): Ledger {
  // Its record exists already, so it ends rather than vanishes: who asked for it can read what became of it.
  const end = { kind: 'cancelled', exit: null, message: why.because } as const
  const ended = withRun(ledger, { ...run, phase: 'ended', end })
  return run.by === 'hand' ? ended : withSkip(ended, { fromMs: run.tickMs, toMs: run.tickMs, count: 1, ...why })
}

function enqueue(ledger: Ledger, candidate: Candidate): Ledger {
  const number = ledger.lastNumber + 1
  const run: Run = {
    number,
    ...candidate,
    phase: 'queued',
    attempt: 0,
    afterEpoch: null,
    revision: asRevisionNumber(0),
    ask: null,
    startedAt: null,
    endedAt: null,
    durationMs: null,
    end: null,
  }
  return { ...ledger, lastNumber: number, runs: [...ledger.runs, run] }
}
