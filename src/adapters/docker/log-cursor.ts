/**
 * How far a container's output has been taken into the slot's log, so that another daemon can go on without losing a line or writing
 * one twice. The engine can be asked for entries from a moment on, but many entries may share a moment, and two streams may be
 * stamped a hair out of order. So the cursor is a moment well in the past (the anchor) and how many entries from then on are in the
 * log already: asked for the same moment, the engine tells the same entries in the same order, and so many are skipped.
 */

import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'

import type { Epoch } from '../../core/model/id.ts'

export interface Cursor {
  readonly epoch: Epoch
  readonly anchor: string
  readonly taken: number
  /** The log's length with exactly these entries in it; what is beyond was written by a daemon that died before it could note it. */
  readonly logBytes: number
}

/** Entries are stamped and written within microseconds of each other; a second is for ever. */
const anchorAgeMs = 1000
/** The anchor moves once it is this old, so that its list is looked through once a second however much is written. */
const anchorLimitMs = 2000

/** Counts entries behind an anchor that follows the time. What is skipped after a restart is counted here as well. */
export class CursorCounter {
  #anchor: string
  #moments: string[] = []

  /** Empty: from the beginning. */
  constructor(anchor: string) {
    this.#anchor = anchor
  }

  get position(): { readonly anchor: string; readonly taken: number } {
    return { anchor: this.#anchor, taken: this.#moments.length }
  }

  take(at: string): void {
    this.#moments.push(at)
    const from = this.#anchor === '' ? (this.#moments[0] ?? at) : this.#anchor
    if (millisecondsOf(at) - millisecondsOf(from) < anchorLimitMs) return
    const next = `${new Date(millisecondsOf(at) - anchorAgeMs).toISOString().slice(0, 23)}000000Z`
    this.#moments = this.#moments.filter((moment) => moment >= next)
    this.#anchor = next
  }
}

const millisecondsOf = (moment: string): number => Date.parse(`${moment.slice(0, 23)}Z`)

/** The engine's `since`: seconds and nanoseconds; empty for everything. */
export function sinceOf(anchor: string): string | undefined {
  if (anchor === '') return undefined
  return `${Math.floor(Date.parse(`${anchor.slice(0, 19)}Z`) / 1000)}.${anchor.slice(20, 29)}`
}

const lineBytes = 160

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
    return cursor.epoch === epoch ? cursor : null
  } catch {
    return null
  }
}
