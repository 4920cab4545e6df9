/** What happened to runs, beyond what their slots tell: ticks that started nothing, ends that nobody saw, attempts that follow. */

import { formatInstant } from '../../core/cron/instant.ts'
import type { Ledger, Run, Skip } from '../../core/cron/ledger.ts'
import type { Event } from '../../core/model/event.ts'
import { runSlotId } from '../../core/model/id.ts'
import { slotOf } from './entry.ts'

export function emitChanges(before: Ledger, after: Ledger, emit: (event: Event) => void): void {
  if (before === after) return
  const { service } = after
  if (before.skips !== after.skips) {
    const known = new Set(before.skips.map(({ fromMs, kind }) => `${fromMs} ${kind}`))
    for (const skip of after.skips) {
      if (known.has(`${skip.fromMs} ${skip.kind}`)) continue
      const slot = runSlotId(service, formatInstant(skip.toMs))
      emit({ kind: 'skipped', slot, epoch: null, message: sayWhat(skip), cause: skip.because })
    }
  }
  for (const run of after.runs) {
    const was = before.runs.find((other) => other.number === run.number)
    if (was === run || run.end === null || was?.end === run.end) continue
    const event = eventOf(run)
    if (event !== null) emit({ slot: slotOf(service, run), epoch: run.afterEpoch, ...event })
  }
}

function sayWhat({ fromMs, toMs, count, kind }: Skip): string {
  const word = kind === 'missed' ? 'was missed' : 'was skipped'
  if (fromMs === toMs) return word
  return `${word}, with ${count === null ? 'those' : `${count - 1}`} before it since ${formatInstant(fromMs)}`
}

function eventOf(run: Run): Pick<Event, 'kind' | 'message' | 'cause'> | null {
  const { end, phase, attempt } = run
  if (end === null) return null
  if (phase === 'pausing') {
    return { kind: 'backing-off', message: `attempt ${attempt} ${wordFor(end.kind)}; it is tried again`, cause: end.message }
  }
  switch (end.kind) {
    case 'lost':
      return { kind: 'lost', message: 'is lost: whether it did its work is not known', cause: end.message }
    case 'timed-out':
      return { kind: 'failed', message: 'failed: it was ended', cause: end.message }
    case 'failed':
      // The slot has told how its command ended; of one that could not begin nobody has.
      return end.exit === null ? { kind: 'failed', message: 'failed: it could not be started', cause: end.message } : null
    case 'cancelled':
    case 'succeeded':
    case 'stopped':
    case 'replaced':
      return null
  }
}

const wordFor = (kind: string): string => (kind === 'timed-out' ? 'took too long' : kind === 'lost' ? 'is lost' : 'failed')
