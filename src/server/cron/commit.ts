/** Writes what was decided, many schedules in one transaction, and lets each act only when its own part is durable. */

import type { Ledger } from '../../core/cron/ledger.ts'
import type { Checkpoint } from '../../ports/checkpoint.ts'
import { DarumaError } from '../../ports/error.ts'
import { maxTransactionOperations } from '../../ports/storage/store.ts'
import type { Store } from '../../ports/storage/store.ts'
import { draft } from './entry.ts'
import type { CronEntry, Draft } from './entry.ts'

export interface Decided {
  readonly entry: CronEntry
  readonly after: Ledger
  /** Called when it is durable, or with why it is not. */
  readonly answer: (error: Error | null) => void
}

export interface CommitTools {
  readonly store: Store
  readonly checkpoint: Checkpoint
  readonly act: (entry: CronEntry, after: Ledger) => Promise<void>
}

export async function commitDecisions(tools: CommitTools, decided: readonly Decided[], nowMs: number): Promise<void> {
  let batch: { readonly part: Decided; readonly needed: Draft }[] = []
  let size = 0
  const isDone = new Set<Decided>()
  const troubles: Error[] = []
  try {
    for (const part of decided) {
      const needed = draft(part.entry, part.after, nowMs)
      if (needed === null) {
        isDone.add(part)
        await actOn(part)
        continue
      }
      if (size + needed.writes.length > maxTransactionOperations) await flush()
      batch.push({ part, needed })
      size += needed.writes.length
    }
    await flush()
    if (troubles[0] !== undefined) throw troubles[0]
  } catch (error) {
    for (const part of decided) {
      if (isDone.has(part)) continue
      // Nothing of it was done, so all of it is still to do.
      part.entry.isDirty = true
      part.answer(errorOf(error))
    }
    throw error
  }

  /** One that cannot act now (what it needs cannot be read) hinders no other, and is looked at again: acting again does nothing twice. */
  async function actOn({ entry, after, answer }: Decided): Promise<void> {
    try {
      await tools.act(entry, after)
    } catch (error) {
      troubles.push(errorOf(error))
      entry.isDirty = true
    }
    answer(null)
  }

  async function flush(): Promise<void> {
    const parts = batch
    batch = []
    size = 0
    if (parts.length === 0) return
    const { store, checkpoint } = tools
    if (checkpoint !== null) await checkpoint('cron.decided')
    const compare = parts.flatMap(({ needed }) => needed.compare)
    const { succeeded } = await store.transact({ compare, then: parts.flatMap(({ needed }) => needed.writes) })
    if (!succeeded) throw new DarumaError('E_STORE_REPLACED', 'Somebody else has written into the run ledger.')
    if (checkpoint !== null) await checkpoint('cron.recorded')
    // All of it is durable now, whatever becomes of the acting: who forgot that would make the same records a second time.
    for (const { part } of parts) {
      part.entry.written = part.after
      part.entry.writtenAtMs = nowMs
      isDone.add(part)
    }
    for (const { part } of parts) await actOn(part)
    if (checkpoint !== null) await checkpoint('cron.acted')
  }
}

const errorOf = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))
