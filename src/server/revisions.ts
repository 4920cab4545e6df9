/** Revisions as they are read: they never change, so the few that slots and operations refer to are kept in memory. */

import type { RevisionNumber } from '../core/model/id.ts'
import type { Store } from '../ports/storage/store.ts'
import { readRevision } from './records.ts'
import type { RevisionRecord } from './records.ts'

/** A revision of thousands of services is megabytes: only what is referred to now is worth its memory. */
const maxKept = 4

export class Revisions {
  readonly #store: Store
  readonly #kept = new Map<number, RevisionRecord>()

  readonly #builtIn: RevisionRecord | null

  /** `builtIn`: one that holds without being in the store. */
  constructor(store: Store, builtIn: RevisionRecord | null) {
    this.#store = store
    this.#builtIn = builtIn
  }

  async load(number: RevisionNumber): Promise<RevisionRecord | null> {
    if (number === this.#builtIn?.number) return this.#builtIn
    const known = this.#kept.get(number)
    if (known !== undefined) return known
    const record = await readRevision(this.#store, number)
    if (record !== null) this.#kept.set(number, record)
    for (const old of [...this.#kept.keys()].slice(0, -maxKept)) this.#kept.delete(old)
    return record
  }
}
