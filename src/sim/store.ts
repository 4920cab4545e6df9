/**
 * The store in memory: deterministic, without timers or I/O, for tests and for the simulator. It passes the same contract as the
 * real ones, with one word left out: nothing here is durable.
 */

import { WatchList } from '../adapters/sqlite/watch-list.ts'
import { DarumaError } from '../ports/error.ts'
import { checkKey, checkTransaction } from '../ports/storage/store.ts'
import type {
  Change,
  Entry,
  ListOptions,
  Listing,
  Operation,
  Store,
  Transaction,
  TransactionResult,
} from '../ports/storage/store.ts'

export function createMemoryStore(): Store {
  return new MemoryStore()
}

class MemoryStore implements Store {
  readonly #entries = new Map<string, Entry>()
  readonly #watches = new WatchList()
  #changes: Change[] = []
  #revision = 0
  #compacted = 0
  #isClosed = false

  async get(key: string): Promise<Entry | null> {
    checkKey(key)
    this.#refuseClosed()
    return this.#entries.get(key) ?? null
  }

  async list(prefix: string, options: ListOptions = {}): Promise<Listing> {
    this.#refuseClosed()
    const keys = [...this.#entries.keys()].filter((key) => key.startsWith(prefix)).toSorted()
    if (options.descending) keys.reverse()
    return { revision: this.#revision, entries: keys.slice(0, options.limit).map((key) => this.#entries.get(key)!) }
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    checkTransaction(transaction)
    this.#refuseClosed()
    const succeeded = (transaction.compare ?? []).every(
      ({ key, modified }) => (this.#entries.get(key)?.modified ?? 0) === modified,
    )
    const operations = (succeeded ? transaction.then : transaction.otherwise) ?? []
    const revision = this.#revision + 1
    const changes = operations.flatMap((operation) => this.#apply(operation, revision))
    if (changes.length > 0) this.#revision = revision
    this.#changes.push(...changes)
    for (const { key } of changes) this.#watches.ring(key)
    return { succeeded, revision: this.#revision }
  }

  async *watch(prefix: string, fromRevision: number, signal: AbortSignal): AsyncGenerator<Change> {
    using bell = this.#watches.join(prefix, signal)
    for (let after = fromRevision; !signal.aborted;) {
      this.#refuseClosed()
      if (after < this.#compacted) throw compacted(after, this.#compacted)
      bell.reset()
      const through = Math.max(after, this.#revision)
      for (const change of this.#changesBetween(after, through)) {
        if (signal.aborted) return
        if (change.key.startsWith(prefix)) yield change
      }
      after = through
      if (after >= this.#revision) await bell.rung
    }
  }

  async compact(revision: number): Promise<void> {
    this.#refuseClosed()
    this.#compacted = Math.max(this.#compacted, Math.min(revision, this.#revision))
    this.#changes = this.#changes.filter((change) => change.revision > this.#compacted)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#watches.ringAll()
  }

  #apply(operation: Operation, revision: number): Change[] {
    const { key } = operation
    if (operation.kind === 'delete') return this.#entries.delete(key) ? [{ key, value: null, revision }] : []
    this.#entries.set(key, { key, value: operation.value, modified: revision })
    return [{ key, value: operation.value, revision }]
  }

  #changesBetween(after: number, through: number): readonly Change[] {
    return this.#changes.filter((change) => change.revision > after && change.revision <= through)
  }

  #refuseClosed(): void {
    if (this.#isClosed) throw new DarumaError('E_STORE_CLOSED', 'the store is closed')
  }
}

const compacted = (after: number, floor: number): DarumaError =>
  new DarumaError('E_STORE_COMPACTED', `the changes after revision ${after} are forgotten up to revision ${floor}`)
