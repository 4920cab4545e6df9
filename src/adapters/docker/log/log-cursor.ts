/**
 * How far a container's output has been taken into the slot's log, so that another daemon can go on without losing a line or writing
 * one twice. An entry is known by its moment, a nanosecond of one stream: what is newer than everything taken is fresh. Two things are
 * in the way of so simple a rule. The two streams are stamped a hair out of order, so the last moments are kept one by one; and
 * Podman gives all lines of one read the same moment, so they are counted. Nothing depends on how much of the past an engine
 * still has: it forgets the beginning when its file is full, and Docker before 23 then also tells again what it has just told.
 */

import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'

import type { Epoch } from '../../../core/model/id.ts'

/** Moments with the number of entries that have them, in the order in which they were taken. */
type Moments = readonly (readonly [at: string, entries: number])[]

export interface Cursor {
  readonly epoch: Epoch
  readonly last: Moments
  /** The newest moment that is not among the last any more; empty while none was forgotten. */
  readonly forgotten: string
  /** The log's length with exactly these entries in it; what is beyond was written by a daemon that died before it could note it. */
  readonly logBytes: number
}

/** Between the stamp of one stream and its place in the log, the other stream may have written so many lines. */
const rememberedMoments = 512
/** Of them, those that outlive the daemon. */
const notedMoments = 32

/** What was taken, as it is told, perhaps again and again. */
export class TakenEntries {
  #moments: Map<string, number>
  #forgotten: string
  #newest: string = ''
  /** The moment told last, and how many entries of it in a row. */
  #told: string = ''
  #inARow = 0
  readonly #areShared: boolean

  /** `areShared`: entries may have one moment in common, and then no entry is ever told twice in a row. */
  constructor({ last, forgotten }: Pick<Cursor, 'last' | 'forgotten'>, areShared: boolean) {
    this.#areShared = areShared
    this.#moments = new Map(last)
    this.#forgotten = forgotten
    for (const [at] of last) if (at > this.#newest) this.#newest = at
  }

  get position(): Pick<Cursor, 'last' | 'forgotten'> {
    const all = [...this.#moments]
    const forgotten = all.slice(0, -notedMoments).reduce((newest, [at]) => (at > newest ? at : newest), this.#forgotten)
    return { last: all.slice(-notedMoments), forgotten }
  }

  /** From where on the engine is to tell; empty for everything. From a moment to come it would hide what a clock that was set back stamps. */
  since(nowMs: number): string {
    const now = new Date(nowMs).toISOString().replace('Z', '000000Z')
    return this.#forgotten < now ? this.#forgotten : now
  }

  /** Whether an entry of this moment is still to come. */
  isToCome(at: string): boolean {
    return at > this.#newest
  }

  /** Whether an entry of this moment is told for the first time; it counts as taken from then on. */
  take(at: string, nowMs: number): boolean {
    this.#inARow = this.#areShared && at === this.#told ? this.#inARow + 1 : 1
    this.#told = at
    const entries = this.#moments.get(at) ?? 0
    if (entries === 0 && at <= this.#forgotten && !this.#startOver(at, nowMs)) return false
    if (this.#inARow <= entries) return false
    this.#moments.set(at, entries + 1)
    if (at > this.#newest) this.#newest = at
    if (this.#moments.size > rememberedMoments) this.#forgetOldest()
    return true
  }

  /** Entries are stamped before they are told. Where some are of the future the clock was set back, and what is told of the past is news. */
  #startOver(at: string, nowMs: number): boolean {
    const isSetBack = millisecondsOf(this.#newest) > nowMs + 1 && millisecondsOf(at) <= nowMs
    if (!isSetBack) return false
    this.#moments.clear()
    this.#forgotten = at
    this.#newest = at
    return true
  }

  #forgetOldest(): void {
    const [oldest = ''] = this.#moments.keys()
    this.#moments.delete(oldest)
    if (oldest > this.#forgotten) this.#forgotten = oldest
  }
}

const millisecondsOf = (moment: string): number => Date.parse(`${moment.slice(0, 23)}Z`)

/** The engine's `since` of a moment, whichever stream's: seconds and nanoseconds; undefined for everything. */
export function sinceOf(moment: string): string | undefined {
  if (moment === '') return undefined
  return `${Math.floor(Date.parse(`${moment.slice(0, 19)}Z`) / 1000)}.${moment.slice(20, 29)}`
}

/** Room for the moments that are noted, each with its number. */
const lineBytes = 2048

/** Overwritten in place, whole lines of one length: a torn one is not believed. */
export function writeCursor(path: string, cursor: Cursor): void {
  const descriptor = openSync(path, openFlags, 0o600)
  try {
    writeSync(descriptor, `${JSON.stringify(cursor).padEnd(lineBytes - 1)}\n`, 0)
  } finally {
    closeSync(descriptor)
  }
}

/** O_RDWR | O_CREAT: neither of Node's words both makes a missing file and keeps a present one. */
const openFlags = 0o102

/** Null for another epoch's, and where there is none. */
export function readCursor(path: string, epoch: Epoch): Cursor | null {
  try {
    const text = readFileSync(path, 'utf8')
    if (!text.endsWith('\n')) return null
    const cursor = JSON.parse(text) as Cursor
    return cursor.epoch === epoch && Array.isArray(cursor.last) ? cursor : null
  } catch {
    return null
  }
}
