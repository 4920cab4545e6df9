/**
 * Forgets old runs: slot directory, log, epoch file, record. The order is the promise: first the watermark is made durable outside the
 * database, so that a database that is put back cannot start what nothing else remembers any more.
 */

import type { Run } from '../../core/cron/ledger.ts'
import { unite, without } from '../../core/cron/spans.ts'
import type { ServiceName, SlotId } from '../../core/model/id.ts'
import type { Checkpoint } from '../../ports/checkpoint.ts'
import type { StateDirectory } from '../../ports/storage/state-directory.ts'
import { maxTransactionOperations } from '../../ports/storage/store.ts'
import type { Operation, Store } from '../../ports/storage/store.ts'
import { slotOf } from './entry.ts'
import type { CronEntry } from './entry.ts'
import { watermarkFile } from './load-ledgers.ts'
import { remove } from '../../ports/storage/json-records.ts'
import { keys } from '../records.ts'
import type { Assignments } from '../rollout/assignments.ts'

export interface PruneTools {
  readonly directory: StateDirectory
  readonly store: Store
  readonly assignments: Assignments
  readonly checkpoint: Checkpoint
  /** All of them: the file of watermarks is written from what they know. */
  readonly entries: ReadonlyMap<ServiceName, CronEntry>
}

export interface Surplus {
  readonly entry: CronEntry
  readonly runs: readonly Run[]
}

/** One look forgets so many; the rest is for the next ones, which come by themselves. */
const maxAtOnce = 100

/**
 * Runs whose files the host has removed lose their records; the others are asked for, once the watermark that remembers their ticks is durable.
 * Called again when the host has done it.
 */
export async function prune(
  prunes: PruneTools,
  surplus: readonly Surplus[],
  how: { readonly isForgotten: boolean } = { isForgotten: false },
): Promise<void> {
  const { checkpoint, assignments, store } = prunes
  const asked = partOf(surplus, (slot) => assignments.isForgotten(slot))
  const unasked = partOf(surplus, (slot) => !assignments.isAskedToForget(slot))
  const chosen = atMost(unasked, maxAtOnce)
  if (chosen.length > 0) await writeWatermarks(prunes, chosen, how.isForgotten)
  if (checkpoint !== null) await checkpoint('cron.watermark-written')
  for (const { entry, runs } of chosen) for (const run of runs) assignments.forget(slotOf(entry.service, run))
  const writes: Operation[] = []
  for (const { entry, runs } of asked) {
    const stays = (run: Run): boolean => !runs.includes(run)
    for (const run of runs) writes.push(remove(keys.run(slotOf(entry.service, run))))
    entry.ledger = { ...entry.ledger, runs: entry.ledger.runs.filter(stays) }
    if (entry.written !== null) entry.written = { ...entry.written, runs: entry.written.runs.filter(stays) }
    if (how.isForgotten && entry.ledger.runs.length === 0) writes.push(remove(keys.schedule(entry.service)))
  }
  if (checkpoint !== null) await checkpoint('cron.slots-forgotten')
  for (let from = 0; from < writes.length; from += maxTransactionOperations)
    await store.transact({ then: writes.slice(from, from + maxTransactionOperations) })
  for (const { entry, runs } of asked) for (const run of runs) assignments.drop(slotOf(entry.service, run))
}

function partOf(surplus: readonly Surplus[], isChosen: (slot: SlotId) => boolean): readonly Surplus[] {
  return surplus
    .map(({ entry, runs }) => ({ entry, runs: runs.filter((run) => isChosen(slotOf(entry.service, run))) }))
    .filter(({ runs }) => runs.length > 0)
}

/** What begins now comes first; only where it never ends is some of its time taken. */
export function isDue(surplus: readonly Surplus[], isStarting: boolean): boolean {
  const count = surplus.reduce((sum, { runs }) => sum + runs.length, 0)
  return isStarting ? count >= maxUnpruned : count > 0
}

/** Runs beyond those that are kept, of all schedules together, while others are being started. */
const maxUnpruned = 2000

/** Forgets ledgers as a whole: of services that have left, and that no revision kept in history names any more. Whether all of it is done. */
export async function forgetLedgers(
  prunes: PruneTools,
  entries: Map<ServiceName, CronEntry>,
  named: ReadonlySet<ServiceName>,
): Promise<boolean> {
  let isDone = true
  for (const entry of entries.values()) {
    const isOver = entry.ledger.runs.every((run) => run.phase === 'ended')
    if (named.has(entry.service) || !entry.ledger.isRetired || !isOver) continue
    await prune(prunes, [{ entry, runs: entry.ledger.runs }], { isForgotten: true })
    // Those that the host has nothing of are over with that; the others are asked for, and done when this is called again.
    if (entry.ledger.runs.length > 0) isDone = false
    else entries.delete(entry.service)
  }
  return isDone
}

function atMost(surplus: readonly Surplus[], limit: number): readonly Surplus[] {
  const chosen: Surplus[] = []
  let left = limit
  for (const { entry, runs } of surplus) {
    if (left <= 0) break
    chosen.push({ entry, runs: runs.slice(0, left) })
    left -= runs.length
  }
  return chosen
}

/** Everything that was decided, but for what is still in the ledger; and of runs by hand those that go. */
async function writeWatermarks(
  { directory, entries }: PruneTools,
  surplus: readonly Surplus[],
  isForgotten: boolean,
): Promise<void> {
  for (const { entry, runs } of surplus) {
    const kept = entry.ledger.runs.filter((run) => !runs.includes(run)).map(({ tickMs }) => tickMs)
    const byHand = runs.filter(({ by }) => by === 'hand').map(({ tickMs }) => ({ fromMs: tickMs, toMs: tickMs }))
    // What is kept is left out last: gaps of a moment are the first that are given up where there are many spans.
    entry.forgotten = without(unite(entry.forgotten, [...entry.ledger.covered, ...byHand]), kept)
  }
  const leaving = new Set(isForgotten ? surplus.map(({ entry }) => entry) : [])
  const kept = [...entries.values()].filter((entry) => entry.forgotten.length > 0 && !leaving.has(entry))
  const marks = Object.fromEntries(kept.map(({ service, forgotten }) => [service, forgotten]))
  await directory.writeFile(watermarkFile, `${JSON.stringify(marks)}\n`)
}
