/**
 * Ordered keys under one growing revision: the contract that SQLite (embedded) and etcd (several servers) both pass
 * (`store.contract.ts`). A transaction is one compare-then-else, applied whole or not at all, durable when its promise resolves.
 *
 * Concurrent calls are committed in groups: a caller waits for its own durability, not for the disk once per call. Values are
 * JSON text. Keys are 1 to 512 printable ASCII characters compared by code unit, so that every store sorts them alike.
 */

import assert from 'node:assert/strict'

export interface Store extends AsyncDisposable {
  get(key: string): Promise<Entry | null>
  /** Entries whose key begins with `prefix`, in key order, read at one revision. */
  list(prefix: string, options?: ListOptions): Promise<Listing>
  /**
   * All compares hold → `then` is applied, else `otherwise`. At most {@link maxTransactionOperations} operations.
   * One that changes nothing (no operations, or deletions of what is not there) leaves the revision as it is.
   * Throws `E_STORE_FULL` (no space; nothing was written), `E_STORE_CLOSED`, `E_STORE_REPLACED` (the file behind it is another one).
   */
  transact(transaction: Transaction): Promise<TransactionResult>
  /**
   * Every change to keys with the prefix after `fromRevision`, in order, none twice. Throws `E_STORE_COMPACTED` when changes after
   * `fromRevision` are already forgotten: list again, and watch from that listing's revision. Ends with the signal; throws
   * `E_STORE_CLOSED` when the store is closed under it.
   */
  watch(prefix: string, fromRevision: number, signal: AbortSignal): AsyncIterable<Change>
  /** Forgets changes up to and including `revision` (at most the present one); current values stay. */
  compact(revision: number): Promise<void>
}

export const maxTransactionOperations: number = 1024

export interface Entry {
  readonly key: string
  readonly value: string
  /** The store's revision at the key's last change. */
  readonly modified: number
}

export interface ListOptions {
  readonly limit?: number
  /** Largest key first. */
  readonly descending?: boolean
}

export interface Listing {
  readonly revision: number
  readonly entries: readonly Entry[]
}

/** `modified: 0` means "does not exist". */
export interface Compare {
  readonly key: string
  readonly modified: number
}

export type Operation =
  | { readonly kind: 'put'; readonly key: string; readonly value: string }
  | { readonly kind: 'delete'; readonly key: string }

export interface Transaction {
  readonly compare?: readonly Compare[]
  readonly then: readonly Operation[]
  readonly otherwise?: readonly Operation[]
}

export interface TransactionResult {
  readonly succeeded: boolean
  /** The store's revision after the transaction. */
  readonly revision: number
}

export interface Change {
  readonly key: string
  /** Null for a deletion. */
  readonly value: string | null
  readonly revision: number
}

const keyPattern = /^[\x20-\x7e]{1,512}$/

/** Holds a caller to the contract; a store of any kind calls it first. */
export function checkKey(key: string): void {
  assert(keyPattern.test(key), `a key must be 1 to 512 printable ASCII characters: ${JSON.stringify(key)}`)
}

/** The same for a transaction: its keys, and at most {@link maxTransactionOperations} operations in each branch. */
export function checkTransaction(transaction: Transaction): void {
  for (const { key } of transaction.compare ?? []) checkKey(key)
  for (const operations of [transaction.then, transaction.otherwise ?? []]) {
    assert(
      operations.length <= maxTransactionOperations,
      `${operations.length} operations in one transaction; the limit is ${maxTransactionOperations}`,
    )
    for (const { key } of operations) checkKey(key)
  }
}
