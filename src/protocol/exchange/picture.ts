/**
 * A set of named entries that one side owns and the other follows. The owner numbers its changes and can tell what differs from any version
 * that the other has; the follower takes whole pictures, and differences against exactly what it has. Everything else is dropped: a message
 * that came late, twice, or out of order does no harm, and the answer to it names what to send instead.
 */

import type { PictureMessage, Seen } from '../../ports/exchange.ts'

/** How many entries that are gone are remembered for a follower that is behind; beyond it the follower gets the whole picture. */
const maxTombstones = 10_000

export class OwnPicture<Entry> {
  readonly #life: number
  readonly #entries = new Map<string, Entry>()
  /** By key: the version of its last change. In the order of the versions, since a change moves its key to the end. */
  readonly #changedAt = new Map<string, number>()
  #version = 0
  /** Versions below it have lost tombstones: no difference against them can be told. */
  #oldestBase = 0

  /** `life` must be greater than that of every earlier owner of this picture. */
  constructor(life: number) {
    this.#life = life
  }

  get version(): number {
    return this.#version
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key)
  }

  keys(): Iterable<string> {
    return this.#entries.keys()
  }

  set(key: string, entry: Entry): void {
    if (this.#entries.get(key) === entry) return
    this.#entries.set(key, entry)
    this.#note(key)
  }

  remove(key: string): void {
    if (!this.#entries.delete(key)) return
    this.#note(key)
    this.#forgetTombstones()
  }

  /** What the follower is to be sent, by what it says that it has. Costs what has changed since, not what there is. */
  messageFor(seen: Seen | null): PictureMessage<Entry> {
    const { version } = this
    const head = { life: this.#life, version }
    if (seen === null || seen.life !== this.#life || seen.version < this.#oldestBase || seen.version > version)
      return { ...head, base: null, changes: [...this.#entries] }
    return { ...head, base: seen.version, changes: this.#changesSince(seen.version) }
  }

  #changesSince(version: number): readonly (readonly [string, Entry | null])[] {
    const changes: (readonly [string, Entry | null])[] = []
    if (version === this.#version) return changes
    for (const [key, changedAt] of this.#changedAt) if (changedAt > version) changes.push([key, this.#entries.get(key) ?? null])
    return changes
  }

  #note(key: string): void {
    this.#version += 1
    this.#changedAt.delete(key)
    this.#changedAt.set(key, this.#version)
  }

  #forgetTombstones(): void {
    if (this.#changedAt.size - this.#entries.size <= maxTombstones) return
    for (const [key, changedAt] of this.#changedAt) {
      if (this.#entries.has(key)) continue
      this.#changedAt.delete(key)
      this.#oldestBase = Math.max(this.#oldestBase, changedAt)
    }
  }
}

/** Keys that were changed, and whether the whole picture was replaced. */
export interface Taken {
  readonly keys: readonly string[]
  readonly isWhole: boolean
}

export class FollowedPicture<Entry> {
  readonly #entries = new Map<string, Entry>()
  #seen: Seen | null = null

  get seen(): Seen | null {
    return this.#seen
  }

  get entries(): ReadonlyMap<string, Entry> {
    return this.#entries
  }

  /** Null: nothing of it was taken, because it is older than what is here, or differs from something that is not here. */
  take(message: PictureMessage<Entry>): Taken | null {
    const seen = this.#seen
    const { life, version, base, changes } = message
    if (seen !== null && (life < seen.life || (life === seen.life && version < seen.version))) return null
    if (base !== null && (seen === null || life !== seen.life || base > seen.version)) return null
    this.#seen = { life, version }
    return base === null ? this.#replace(changes) : this.#apply(changes)
  }

  #apply(changes: PictureMessage<Entry>['changes']): Taken {
    for (const [key, entry] of changes) {
      if (entry === null) this.#entries.delete(key)
      else this.#entries.set(key, entry)
    }
    return { keys: changes.map(([key]) => key), isWhole: false }
  }

  #replace(changes: PictureMessage<Entry>['changes']): Taken {
    const keys = new Set([...this.#entries.keys(), ...changes.map(([key]) => key)])
    this.#entries.clear()
    for (const [key, entry] of changes) if (entry !== null) this.#entries.set(key, entry)
    return { keys: [...keys], isWhole: true }
  }
}
