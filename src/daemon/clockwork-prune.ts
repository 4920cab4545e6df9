/**
 * Forgets old runs: slot directory, log, epoch file, record. The order is the promise: first the watermark is made durable outside the
 * database, so that a database that is put back cannot start what nothing else remembers any more.
 */

import type { Run } from '../core/clockwork/ledger.ts'
import { unite, without } from '../core/clockwork/spans.ts'
import type { ServiceName, SlotId } from '../core/model/id.ts'
import type { Checkpoint } from '../ports/checkpoint.ts'
import type { StateDirectory } from '../ports/state-directory.ts'
import { maxTransactionOperations } from '../ports/store.ts'
import type { Operation, Store } from '../ports/store.ts'
import { slotOf } from './clockwork-book.ts'
import type { Book } from './clockwork-book.ts'
import { watermarkFile } from './clockwork-load.ts'
import { keys, remove } from './records.ts'
import type { SlotTools } from './slot-shell.ts'
import type { World } from './world.ts'

export interface PruneTools {
  readonly directory: StateDirectory
  readonly store: Store
  readonly world: World
  readonly checkpoint: Checkpoint
  readonly tools: Pick<SlotTools, 'runtime' | 'log'>
  /** All of them: the file of watermarks is written from what they know. */
  readonly books: ReadonlyMap<ServiceName, Book>
}

export interface Surplus {
  readonly book: Book
  readonly runs: readonly Run[]
}

/** One look forgets so many; the rest is for the next ones, which come by themselves. */
const maxAtOnce = 100

export async function prune(
  prunes: PruneTools,
  surplus: readonly Surplus[],
  how: { readonly isForgotten: boolean } = { isForgotten: false },
): Promise<void> {
  const { checkpoint } = prunes
  const chosen = atMost(surplus, maxAtOnce)
  await writeWatermarks(prunes, chosen, how.isForgotten)
  if (checkpoint !== null) await checkpoint('clockwork.watermark-written')
  const writes: Operation[] = []
  const forget = async ({ book, runs }: Surplus): Promise<void> => {
    const isGone = await Promise.all(runs.map((run) => forgetSlot(prunes, slotOf(book.service, run))))
    const gone = new Set(runs.filter((_, index) => isGone[index]))
    const stays = (run: Run): boolean => !gone.has(run)
    for (const run of gone) writes.push(remove(keys.run(slotOf(book.service, run))))
    book.ledger = { ...book.ledger, runs: book.ledger.runs.filter(stays) }
    if (book.written !== null) book.written = { ...book.written, runs: book.written.runs.filter(stays) }
    if (how.isForgotten && book.ledger.runs.length === 0) writes.push(remove(keys.schedule(book.service)))
  }
  await Promise.all(chosen.map(forget))
  if (checkpoint !== null) await checkpoint('clockwork.slots-forgotten')
  for (let from = 0; from < writes.length; from += maxTransactionOperations)
    await prunes.store.transact({ then: writes.slice(from, from + maxTransactionOperations) })
}

/** What begins now comes first; only where it never ends is some of its time taken. */
export function isDue(surplus: readonly Surplus[], isStarting: boolean): boolean {
  const count = surplus.reduce((sum, { runs }) => sum + runs.length, 0)
  return isStarting ? count >= maxUnpruned : count > 0
}

/** Runs beyond those that are kept, of all schedules together, while others are being started. */
const maxUnpruned = 2000

/** Forgets ledgers as a whole: of services that have left, and that no revision kept in history names any more. */
export async function forgetLedgers(
  prunes: PruneTools,
  books: Map<ServiceName, Book>,
  named: ReadonlySet<ServiceName>,
): Promise<void> {
  for (const book of books.values()) {
    const isOver = book.ledger.runs.every((run) => run.phase === 'ended')
    if (named.has(book.service) || !book.ledger.isRetired || !isOver) continue
    await prune(prunes, [{ book, runs: book.ledger.runs }], { isForgotten: true })
    if (book.ledger.runs.length === 0) books.delete(book.service)
  }
}

function atMost(surplus: readonly Surplus[], limit: number): readonly Surplus[] {
  const chosen: Surplus[] = []
  let left = limit
  for (const { book, runs } of surplus) {
    if (left <= 0) break
    chosen.push({ book, runs: runs.slice(0, left) })
    left -= runs.length
  }
  return chosen
}

/** Everything that was decided, but for what is still in the ledger; and of runs by hand those that go. */
async function writeWatermarks(
  { directory, books }: PruneTools,
  surplus: readonly Surplus[],
  isForgotten: boolean,
): Promise<void> {
  for (const { book, runs } of surplus) {
    const kept = book.ledger.runs.filter((run) => !runs.includes(run)).map(({ tickMs }) => tickMs)
    const byHand = runs.filter(({ by }) => by === 'hand').map(({ tickMs }) => ({ fromMs: tickMs, toMs: tickMs }))
    // What is kept is left out last: gaps of a moment are the first that are given up where there are many spans.
    book.forgotten = without(unite(book.forgotten, [...book.ledger.covered, ...byHand]), kept)
  }
  const leaving = new Set(isForgotten ? surplus.map(({ book }) => book) : [])
  const kept = [...books.values()].filter((book) => book.forgotten.length > 0 && !leaving.has(book))
  const marks = Object.fromEntries(kept.map(({ service, forgotten }) => [service, forgotten]))
  await directory.writeFile(watermarkFile, `${JSON.stringify(marks)}\n`)
}

/** Something that the kernel will not let go of keeps its slot, and is tried again. */
async function forgetSlot({ tools, world }: PruneTools, slot: SlotId): Promise<boolean> {
  try {
    await tools.runtime.forget(slot)
  } catch (error) {
    tools.log.write('warn', `${slot} could not be forgotten: ${String(error)}`)
    return false
  }
  world.lastEpochs.delete(slot)
  return true
}
