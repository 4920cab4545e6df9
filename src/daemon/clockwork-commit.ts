/** Writes what turns decided, many schedules in one transaction, and lets each act only when its own part is durable. */

import type { Ledger } from '../core/clockwork/ledger.ts'
import type { Checkpoint } from '../ports/checkpoint.ts'
import { DarumaError } from '../ports/error.ts'
import { maxTransactionOperations } from '../ports/store.ts'
import type { Store } from '../ports/store.ts'
import { draft } from './clockwork-book.ts'
import type { Book, Draft } from './clockwork-book.ts'

export interface Turned {
  readonly book: Book
  readonly after: Ledger
  /** Called when it is durable, or with why it is not. */
  readonly answer: (error: Error | null) => void
}

export interface CommitTools {
  readonly store: Store
  readonly checkpoint: Checkpoint
  readonly act: (book: Book, after: Ledger) => Promise<void>
}

export async function commitTurns(tools: CommitTools, turned: readonly Turned[], nowMs: number): Promise<void> {
  let batch: { readonly part: Turned; readonly needed: Draft }[] = []
  let size = 0
  const isDone = new Set<Turned>()
  try {
    for (const part of turned) {
      const needed = draft(part.book, part.after, nowMs)
      if (needed === null) {
        await tools.act(part.book, part.after)
        part.answer(null)
        isDone.add(part)
        continue
      }
      if (size + needed.writes.length > maxTransactionOperations) await flush()
      batch.push({ part, needed })
      size += needed.writes.length
    }
    await flush()
  } catch (error) {
    for (const part of turned) {
      if (isDone.has(part)) continue
      // Nothing of it was done, so all of it is still to do.
      part.book.isStirred = true
      part.answer(error instanceof Error ? error : new Error(String(error)))
    }
    throw error
  }

  async function flush(): Promise<void> {
    const parts = batch
    batch = []
    size = 0
    if (parts.length === 0) return
    const { store, checkpoint, act } = tools
    if (checkpoint !== null) await checkpoint('clockwork.decided')
    const compare = parts.flatMap(({ needed }) => needed.compare)
    const { succeeded } = await store.transact({ compare, then: parts.flatMap(({ needed }) => needed.writes) })
    if (!succeeded) throw new DarumaError('E_STORE_REPLACED', 'Somebody else has written into the run ledger.')
    if (checkpoint !== null) await checkpoint('clockwork.recorded')
    for (const { part } of parts) {
      part.book.written = part.after
      part.book.writtenAtMs = nowMs
      isDone.add(part)
      await act(part.book, part.after)
      part.answer(null)
    }
    if (checkpoint !== null) await checkpoint('clockwork.acted')
  }
}
