/**
 * The logs of several slots as one, in the order of time. What a newcomer would get wrong: the last N lines of all are not known before
 * all were looked at, and keeping N of them would fill the memory of a daemon. So what is kept is read twice: once to count, once to send.
 * Of one slot at most a page is in memory, and anything that reads slowly is waited for.
 */

import type { SlotId } from '../../core/model/id.ts'
import type { LogEntry, LogPage, LogStart, Runtime } from '../../ports/runtime/runtime.ts'

export interface LogQuery {
  /** Of all slots together; null for as many as there are. */
  readonly lines: number | null
  readonly sinceMs: number | null
  readonly untilMs: number | null
  /** Also a last line that has no end yet; it is sent again, whole, by {@link sendNewLogs}. */
  readonly withOpenLines: boolean
}

export interface SlotEntry {
  readonly slot: SlotId
  readonly entry: LogEntry
  /** The front of its line is not kept any more. */
  readonly isCut: boolean
  /** What lay between it and the entry of the same slot that was sent before was removed. */
  readonly isAfterGap: boolean
}

/** Where following goes on, by slot. */
export type LogPlace = Map<SlotId, number>

type Reader = Pick<Runtime, 'readLog'>
/** False when nobody takes it any more. */
type Send = (line: SlotEntry) => Promise<boolean> | boolean

/** For all slots together, so that a thousand of them cost no more memory than one. */
const allPagesBytes = 4 * 1024 * 1024
const minPageBytes = 4096
const maxPageBytes = 256 * 1024

export interface Sent {
  readonly lines: number
  /** Slots whose log begins within what was asked for: older lines were removed, since the log keeps so many bytes only. */
  readonly shortened: readonly SlotId[]
  readonly place: LogPlace
}

/** Sends what there is up to now, oldest first, and says where it ended. */
export async function sendLogs(reader: Reader, slots: readonly SlotId[], query: LogQuery, send: Send): Promise<Sent> {
  const start: LogStart =
    query.sinceMs !== null
      ? { sinceMs: query.sinceMs }
      : query.lines !== null
        ? { lines: Math.max(query.lines, 0) }
        : { offset: 0 }
  const pageBytes = bytesOfPage(slots.length)
  const tails = await Promise.all(slots.map((slot) => SlotTail.open(reader, slot, start, pageBytes)))
  const isWanted = ({ wallMs }: LogEntry): boolean =>
    wallMs >= (query.sinceMs ?? -Infinity) && wallMs <= (query.untilMs ?? Infinity)
  let skipped = 0
  if (query.lines !== null) {
    const counting = tails.map((tail) => tail.again())
    for await (const { entry } of merge(counting, query.withOpenLines)) if (isWanted(entry)) skipped += 1
    skipped = Math.max(0, skipped - query.lines)
  }
  const isShort = query.lines === null || skipped === 0
  let lines = 0
  for await (const next of merge(tails, query.withOpenLines)) {
    if (!isWanted(next.entry)) continue
    if (skipped > 0) {
      skipped -= 1
      continue
    }
    lines += 1
    if (!(await send(next))) break
  }
  const wasEnough = query.lines !== null && lines >= query.lines
  const shortened = !isShort || wasEnough ? [] : tails.filter((tail) => tail.isShortened(query.sinceMs)).map(({ slot }) => slot)
  return { lines, shortened, place: new Map(tails.map((tail) => [tail.slot, tail.place])) }
}

/** Sends what has come since, and moves `place` on. `slots` may hold new ones: they are read from their beginning. */
export async function sendNewLogs(reader: Reader, slots: readonly SlotId[], place: LogPlace, send: Send): Promise<boolean> {
  const pageBytes = bytesOfPage(slots.length)
  const open = slots.map((slot) => SlotTail.open(reader, slot, { offset: place.get(slot) ?? 0 }, pageBytes))
  const tails = await Promise.all(open)
  let isTaken = true
  for await (const next of merge(tails, false)) {
    isTaken = await send(next)
    if (!isTaken) break
  }
  for (const tail of tails) place.set(tail.slot, tail.place)
  return isTaken
}

const bytesOfPage = (slots: number): number =>
  Math.min(maxPageBytes, Math.max(minPageBytes, Math.floor(allPagesBytes / Math.max(1, slots))))

/** One slot's log from a place to where it ended when it was opened. */
class SlotTail {
  readonly slot: SlotId
  readonly #reader: Reader
  readonly #first: LogPage
  readonly #pageBytes: number
  readonly #asked: number
  #page: LogPage
  #at = 0
  #isAfterGap: boolean
  /** The open line was taken too. */
  #isOver = false
  /** The entry before was a part of the same line. */
  #goesOn = false

  private constructor(reader: Reader, slot: SlotId, page: LogPage, how: { readonly asked: number; readonly pageBytes: number }) {
    this.slot = slot
    this.#reader = reader
    this.#first = page
    this.#page = page
    this.#pageBytes = how.pageBytes
    this.#asked = how.asked
    this.#isAfterGap = how.asked >= 0 && how.asked < page.begin
  }

  static async open(reader: Reader, slot: SlotId, start: LogStart, pageBytes: number): Promise<SlotTail> {
    const asked = 'offset' in start && start.offset > 0 ? start.offset : -1
    return new SlotTail(reader, slot, await reader.readLog(slot, start, pageBytes), { asked, pageBytes })
  }

  /** A second reader of the same, from its beginning. */
  again(): SlotTail {
    return new SlotTail(this.#reader, this.slot, this.#first, { asked: this.#asked, pageBytes: this.#pageBytes })
  }

  get place(): number {
    return this.#page.next
  }

  describe(entry: LogEntry): SlotEntry {
    return { slot: this.slot, entry, isCut: entry.isCut && !this.#goesOn, isAfterGap: this.#isAfterGap }
  }

  /** The log once held more than it does now, and what was asked for reaches back to that. */
  isShortened(sinceMs: number | null): boolean {
    const { begin, start, entries, open } = this.#first
    if (begin === 0 || start > begin) return false
    const oldest = entries[0] ?? open
    return sinceMs === null || oldest === null || oldest.wallMs > sinceMs
  }

  /** The next entry, which stays until {@link drop}; null at the end. */
  async peek(withOpen: boolean): Promise<LogEntry | null> {
    for (;;) {
      const entry = this.#page.entries[this.#at]
      if (entry !== undefined) return entry
      const { entries, open, next } = this.#page
      // A page without an entry is at the end of the log; one that ends within a line is not.
      if (entries.length === 0 || next >= this.#first.end) return withOpen && !this.#isOver ? open : null
      const page = await this.#reader.readLog(this.slot, { offset: next }, this.#pageBytes)
      this.#isAfterGap ||= page.begin > next
      this.#page = page
      this.#at = 0
    }
  }

  drop(): void {
    const entry = this.#page.entries[this.#at]
    this.#goesOn = entry?.goesOn ?? false
    this.#isAfterGap = false
    if (entry === undefined) this.#isOver = true
    else this.#at += 1
  }
}

async function* merge(tails: readonly SlotTail[], withOpen: boolean): AsyncGenerator<SlotEntry> {
  const heads: { readonly tail: SlotTail; entry: LogEntry }[] = []
  for (const tail of tails) {
    const entry = await tail.peek(withOpen)
    if (entry !== null) heads.push({ tail, entry })
  }
  while (heads.length > 0) {
    let first = 0
    for (let index = 1; index < heads.length; index += 1) {
      const [a, b] = [heads[index], heads[first]]
      if (a !== undefined && b !== undefined && isEarlier(a.entry, b.entry)) first = index
    }
    const head = heads[first]
    if (head === undefined) return
    yield head.tail.describe(head.entry)
    head.tail.drop()
    const next = await head.tail.peek(withOpen)
    if (next === null) heads.splice(first, 1)
    else head.entry = next
  }
}

/** Within one boot by the clock that nobody can set. */
function isEarlier(a: LogEntry, b: LogEntry): boolean {
  return a.bootId !== '' && a.bootId === b.bootId ? a.bootMs < b.bootMs : a.wallMs < b.wallMs
}
