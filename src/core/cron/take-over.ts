/**
 * The ledger of a state that has taken another one's place (a restored backup, a copy). The other one may have begun anything that was due
 * since, and nothing here remembers it: so the past owes nothing, and what was on its way is lost and not begun again. What still
 * runs is found by what looks at the slots.
 */

import type { Ledger, Run } from './ledger.ts'
import { withSkip } from './ledger.ts'
import { unite } from './spans.ts'

const because = 'the state has taken the place of another one, which may have begun it'

export function afterTakeOver(ledger: Ledger, wallMs: number): Ledger {
  const past = { fromMs: Math.min(ledger.anchorMs, wallMs), toMs: Math.max(ledger.anchorMs, wallMs) }
  const runs = ledger.runs.map((run): Run => {
    return run.phase === 'ended'
      ? run
      : { ...run, phase: 'ended', ask: null, end: { kind: 'lost', exit: null, message: because } }
  })
  const owing = { ...ledger, runs, anchorMs: wallMs, covered: unite(ledger.covered, [past]) }
  return past.fromMs === past.toMs ? owing : withSkip(owing, { ...past, count: null, kind: 'missed', because })
}
