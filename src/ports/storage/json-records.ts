/** Records as JSON in a store: the few words in which both halves write and read them. */

import { DarumaError } from '../error.ts'
import type { Operation, Store } from './store.ts'

/** Throws `E_STORE_CORRUPT`: it was JSON as it was written, and the database has not kept it. */
export function parseRecord<Shape>({ key, value }: { readonly key: string; readonly value: string }): Shape {
  try {
    return JSON.parse(value) as Shape
  } catch (cause) {
    throw new DarumaError('E_STORE_CORRUPT', `state.db is damaged: its record "${key}" cannot be understood`, {
      hint: 'Put a backup in its place, or move state.db and state.db-wal away: the next `up` then records everything again and adopts what runs.',
      cause,
    })
  }
}

export async function readRecord<Shape>(store: Store, key: string): Promise<Shape | null> {
  const entry = await store.get(key)
  return entry === null ? null : parseRecord<Shape>(entry)
}

/** Every record under a prefix, in key order, with its key. */
export async function listRecords<Shape>(
  store: Store,
  prefix: string,
): Promise<readonly { readonly key: string; readonly record: Shape }[]> {
  const { entries } = await store.list(prefix)
  return entries.map((entry) => ({ key: entry.key, record: parseRecord<Shape>(entry) }))
}

export const put = (key: string, record: unknown): Extract<Operation, { kind: 'put' }> => ({
  kind: 'put',
  key,
  value: JSON.stringify(record),
})

export const remove = (key: string): Extract<Operation, { kind: 'delete' }> => ({ kind: 'delete', key })
