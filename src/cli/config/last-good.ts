/**
 * Where `rollback` without a number goes: to the last revision before the present one that was good, which is one that became healthy
 * and that nobody rolled back from. A rollback is a revision of its own; it stands where the one stands that it went back to.
 */

import type { RevisionSummary } from '../../protocol/api.ts'

/** Null where there is none. `revisions` are newest first. */
export function lastGoodRevision(revisions: readonly RevisionSummary[]): RevisionSummary | null {
  const byNumber = new Map(revisions.map((revision) => [revision.number, revision]))
  const accepted = revisions.filter(({ state }) => state === 'applied' || state === 'superseded').toReversed()
  const present = accepted.findLast(({ state }) => state === 'applied')
  if (present === undefined) return null
  const rejected = new Set(
    accepted.filter((_revision, index) => returnsTo(accepted[index + 1]) !== null).map(({ number }) => number),
  )
  const at = originOf(present.number, byNumber)
  return (
    accepted.findLast((each) => originOf(each.number, byNumber) < at && !rejected.has(each.number) && each.cause !== 'down') ??
    null
  )
}

/** The revision whose content this one has. */
function originOf(number: number, byNumber: ReadonlyMap<number, RevisionSummary>): number {
  let at = number
  // Each step leads to a smaller number.
  for (let next = returnsTo(byNumber.get(at)); next !== null && next < at; next = returnsTo(byNumber.get(at))) at = next
  return at
}

function returnsTo(revision: RevisionSummary | undefined): number | null {
  const match = /^rollback to (\d+)$/.exec(revision?.cause ?? '')
  return match === null ? null : Number(match[1])
}
