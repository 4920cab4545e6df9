/**
 * What travels between the store's two halves: the port's half in the caller's thread and the database's half in the worker. One
 * batch is under way at a time; its answers come back together, in the order of its requests. Plain data only: it is cloned.
 */

import type { Change, Entry, Listing, Transaction, TransactionResult } from '../../ports/storage/store.ts'

export type Request =
  | { readonly kind: 'get'; readonly key: string }
  | { readonly kind: 'list'; readonly prefix: string; readonly limit: number | null; readonly descending: boolean }
  | { readonly kind: 'transact'; readonly transaction: Transaction }
  | { readonly kind: 'changes'; readonly prefix: string; readonly after: number }
  | { readonly kind: 'compact'; readonly revision: number; readonly from: number }

/** Some of the changes after a revision; always whole revisions, so that "seen up to" is one number. */
export interface ChangePage {
  readonly changes: readonly Change[]
  /** Every change up to and including this revision was either in the page or not under the prefix. */
  readonly through: number
  readonly isComplete: boolean
}

/** Null: nothing is left to forget. Else the place where the next slice begins. */
export interface CompactionSlice {
  readonly next: number | null
}

export interface Answers {
  readonly get: Entry | null
  readonly list: Listing
  readonly transact: TransactionResult
  readonly changes: ChangePage
  readonly compact: CompactionSlice
}

/** A `DarumaError` before it crossed the thread: the class does not survive cloning. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly hint: string | null
}

export type Outcome =
  | { readonly ok: true; readonly value: Answers[Request['kind']] }
  | { readonly ok: false; readonly failure: Failure }

export type ToWorker = { readonly kind: 'batch'; readonly requests: readonly Request[] } | { readonly kind: 'close' }

export type FromWorker =
  | { readonly kind: 'opened' }
  | { readonly kind: 'not-opened'; readonly failure: Failure }
  | { readonly kind: 'answers'; readonly outcomes: readonly Outcome[] }
  | { readonly kind: 'warning'; readonly message: string }
