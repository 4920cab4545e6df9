/**
 * What is in trouble, and what of that is to be told. Troubles are read off the world as it is (signs), never off events, so that a restart tells
 * nothing twice and forgets nothing. Each beginning and each end has a number that only grows: who was told up to a number needs the rest.
 *
 * What a newcomer would get wrong: a thing that is well at this moment is not over. It must have stayed so, by the same instances, for a while.
 */

import type { NoticeTopic } from '../keys/notify.ts'

/** One thing that can be in trouble, as it is now. A thing without a sign is there no more. */
export interface Sign {
  /** Names the thing: `crash-loop/web`. */
  readonly key: string
  readonly topic: NoticeTopic
  readonly service: string | null
  /** `unsettled`: neither begins a trouble nor ends one. */
  readonly state: 'bad' | 'unsettled' | 'well' | 'gone'
  /** A trouble of another name is another trouble: the number of the revision that failed. */
  readonly occurrence: string
  /** What stays the same while it stays well: which instances there are. */
  readonly mark: string
  /** How long it must be well for its trouble to be over. */
  readonly settleMs: number
  readonly message: string
  readonly cause: string | null
}

/** As it is recorded. */
export interface Trouble {
  readonly key: string
  readonly topic: NoticeTopic
  readonly service: string | null
  readonly occurrence: string
  readonly message: string
  readonly cause: string | null
  /** ISO 8601 UTC. */
  readonly since: string
  /** Null while it lasts. */
  readonly until: string | null
  /** How often it has begun since it was last told that it is over. */
  readonly times: number
  /** The number of its beginning, and of its end. */
  readonly began: number
  readonly over: number | null
}

export interface Moment {
  readonly nowMs: number
  /** ISO 8601 UTC. */
  readonly at: string
}

interface Wellness {
  readonly mark: string
  readonly sinceMs: number
}

/** All of one project. The numbers go on above `last`. */
export class Troubles {
  readonly #all = new Map<string, Trouble>()
  readonly #well = new Map<string, Wellness>()
  #last: number

  constructor(known: readonly Trouble[], last: number) {
    for (const trouble of known) this.#all.set(trouble.key, trouble)
    this.#last = Math.max(last, ...known.map(lastOf))
  }

  get(key: string): Trouble | null {
    return this.#all.get(key) ?? null
  }

  list(): readonly Trouble[] {
    return [...this.#all.values()]
  }

  /** Takes the world as it is; gives back the keys of the troubles that have changed. */
  look(signs: readonly Sign[], moment: Moment): readonly string[] {
    const changed: string[] = []
    const seen = new Set<string>()
    for (const sign of signs) {
      seen.add(sign.key)
      if (this.#lookAt(sign, moment)) changed.push(sign.key)
    }
    for (const { key, over } of this.list()) {
      if (seen.has(key) || over !== null) continue
      this.#end(key, moment)
      changed.push(key)
    }
    return changed
  }

  /** What is over and was told to all goes; gives back the keys. */
  forget(isTold: (trouble: Trouble) => boolean): readonly string[] {
    const told = this.list().filter((trouble) => trouble.over !== null && isTold(trouble))
    for (const { key } of told) this.#all.delete(key)
    return told.map(({ key }) => key)
  }

  #lookAt(sign: Sign, moment: Moment): boolean {
    const { key } = sign
    const known = this.#all.get(key)
    if (sign.state !== 'well') this.#well.delete(key)
    if (sign.state === 'bad') {
      const isSame = known !== undefined && known.over === null && known.occurrence === sign.occurrence
      if (!isSame) this.#begin(sign, known, moment)
      return !isSame
    }
    if (known === undefined || known.over !== null || sign.state === 'unsettled') return false
    if (sign.state === 'well' && !this.#isSettled(sign, moment.nowMs)) return false
    this.#end(key, moment)
    return true
  }

  #isSettled({ key, mark, settleMs }: Sign, nowMs: number): boolean {
    const before = this.#well.get(key)
    const sinceMs = before?.mark === mark ? before.sinceMs : nowMs
    this.#well.set(key, { mark, sinceMs })
    return nowMs - sinceMs >= settleMs
  }

  #begin(sign: Sign, before: Trouble | undefined, { at }: Moment): void {
    const { key, topic, service, occurrence, message, cause } = sign
    const times = before?.occurrence === occurrence ? before.times + 1 : 1
    this.#last += 1
    const own = { key, topic, service, occurrence, message, cause }
    this.#all.set(key, { ...own, since: at, until: null, times, began: this.#last, over: null })
  }

  #end(key: string, { at }: Moment): void {
    const known = this.#all.get(key)
    this.#well.delete(key)
    if (known === undefined) return
    this.#last += 1
    this.#all.set(key, { ...known, until: at, over: this.#last })
  }
}

/** The number of its last change. */
export const lastOf = ({ began, over }: Trouble): number => over ?? began
