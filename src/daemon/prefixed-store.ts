/**
 * A part of a store as a store of its own: every key stands behind a prefix, and nothing else of the store is seen or touched. Revisions are
 * those of the whole store, so they grow by more than this part's own changes.
 */

import { checkTransaction } from '../ports/storage/store.ts'
import type { Change, Entry, Operation, Store } from '../ports/storage/store.ts'

export function prefixedStore(store: Store, prefix: string): Store {
  const within = (operations: readonly Operation[]): readonly Operation[] =>
    operations.map((operation) => ({ ...operation, key: prefix + operation.key }))
  const own = <Item extends Entry | Change>(item: Item): Item => ({ ...item, key: item.key.slice(prefix.length) })
  return {
    async get(key) {
      const entry = await store.get(prefix + key)
      return entry === null ? null : own(entry)
    },
    async list(keyPrefix, options) {
      const { revision, entries } = await store.list(prefix + keyPrefix, options)
      return { revision, entries: entries.map(own) }
    },
    async transact(transaction) {
      checkTransaction(transaction)
      const { compare, then, otherwise } = transaction
      return store.transact({
        ...(compare === undefined ? {} : { compare: compare.map((each) => ({ ...each, key: prefix + each.key })) }),
        then: within(then),
        ...(otherwise === undefined ? {} : { otherwise: within(otherwise) }),
      })
    },
    async *watch(keyPrefix, fromRevision, signal) {
      for await (const change of store.watch(prefix + keyPrefix, fromRevision, signal)) yield own(change)
    },
    compact: (revision) => store.compact(revision),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}
