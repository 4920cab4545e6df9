/**
 * Reading a slot's log, page by page. All that the slot ever wrote is one row of bytes with offsets that only grow; what is kept of it
 * lies in segments. A page names the offset where the next one begins, and nothing else is remembered between two pages. A line has
 * the time of its first byte, ends where another instance begins to write, and is given in parts where it is very long.
 */

import { type FileHandle, open } from 'node:fs/promises'

import { asEpoch } from '../../core/model/id.ts'
import type { LogEntry, LogPage, LogStart } from '../../ports/runtime/runtime.ts'
import { isMissing } from '../../system/errno.ts'
import { type Segment, type Times, listSegments, readTimes, sizeOf } from './segments.ts'

const blockBytes = 64 * 1024
/** What is longer is given in parts of this size. */
const maxEntryBytes = 64 * 1024
const newline = 10

/** `maxBytes`: a page ends with the line in which so many are reached, or with a part of it. */
export async function readLog(directory: string, from: LogStart, maxBytes: number): Promise<LogPage> {
  const segments = listSegments(directory).map((segment) => ({ ...segment, size: sizeOf(segment.path) }))
  const first = segments[0]
  const last = segments.at(-1)
  if (first === undefined || last === undefined) return { entries: [], open: null, start: 0, next: 0, begin: 0, end: 0 }
  const end = last.offset + last.size
  const start = await findStart(segments, from, end)
  const page = new PageBuilder(start, await isInLine(segments, start))
  let position = start
  while (position < end && (position - start < maxBytes || page.isEmpty)) {
    const segment = segments.find((each) => position < each.offset + each.size)
    if (segment === undefined) break
    position = Math.max(position, segment.offset)
    const at = position - segment.offset
    const bytes = await readBytes(segment, at, Math.min(segment.size - at, blockBytes))
    // Removed, or cut off, at this moment.
    if (bytes.length === 0) break
    page.add(segment, bytes, at)
    position += bytes.length
  }
  return { ...page.finish(position), start, end, begin: first.offset }
}

/** The end of what one instance wrote: some hundred bytes of it, with nothing of another's. */
export async function readLastWords(directory: string, epoch: number): Promise<string> {
  const { entries, open } = await readLog(directory, { lines: 10 }, maxEntryBytes)
  const own = [...entries, ...(open === null ? [] : [open])].filter((entry) => entry.epoch === epoch)
  return own
    .map(({ text }) => text)
    .join('\n')
    .slice(-lastWordsLength)
    .trim()
}

const lastWordsLength = 300

type Sized = Segment & { readonly size: number }

/** Cuts bytes into lines. What has no end yet is kept for the next bytes. */
class PageBuilder {
  readonly #entries: LogEntry[] = []
  #parts: Buffer[] = []
  #length = 0
  #origin: Origin = noOrigin
  /** Where the line, or the part of it, begins that has no end yet. */
  #start: number
  #isCut: boolean
  #marks: { readonly segment: string; readonly times: Times; readonly borders: readonly number[] } | null = null

  constructor(start: number, isCut: boolean) {
    this.#start = start
    this.#isCut = isCut
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0
  }

  add(segment: Sized, bytes: Buffer, at: number): void {
    if (this.#marks?.segment !== segment.path) {
      const times = readTimes(segment.path, segment.size)
      this.#marks = { segment: segment.path, times, borders: bordersOf(times) }
    }
    const { times, borders } = this.#marks
    let border = borders.findIndex((each) => each > at)
    if (this.#length > 0 && segment.offset + at !== this.#start + this.#length) this.#emit(false)
    let index = stampAt(times, at)
    for (let from = 0; from < bytes.length;) {
      while ((times.stamps[index + 1]?.at ?? Infinity) <= at + from) index += 1
      const stamp = times.stamps[index]
      const origin: Origin = {
        wallMs: stamp?.wallMs ?? 0,
        bootMs: stamp?.bootMs ?? 0,
        bootId: times.bootId,
        epoch: stamp?.epoch ?? 0,
        dropped: stamp !== undefined && stamp.at === at + from ? stamp.dropped : 0,
      }
      // An instance that ended within a line, or bytes that are lost: what comes now is no part of it.
      if (this.#length > 0 && (origin.epoch !== this.#origin.epoch || origin.dropped > 0)) this.#emit(false)
      if (this.#length === 0) {
        this.#origin = origin
        this.#start = segment.offset + at + from
      }
      while (border >= 0 && (borders[border] ?? Infinity) <= at + from) border += 1
      const borderAt = border < 0 ? Infinity : (borders[border] ?? Infinity)
      const limit = Math.min(bytes.length, borderAt - at, from + maxEntryBytes - this.#length)
      const end = bytes.subarray(from, limit).indexOf(newline)
      const until = end < 0 ? limit : from + end
      this.#push(bytes.subarray(from, until))
      from = end < 0 ? until : until + 1
      if (end >= 0) this.#emit(false)
      else if (this.#length >= maxEntryBytes) this.#emit(true)
    }
  }

  finish(position: number): Pick<LogPage, 'entries' | 'open' | 'next'> {
    if (this.#length === 0) return { entries: this.#entries, open: null, next: position }
    const next = this.#start
    return { entries: this.#entries, open: this.#render(false), next }
  }

  #push(bytes: Buffer): void {
    // A copy, so that a short rest does not keep its whole block alive.
    if (bytes.length > 0) this.#parts.push(bytes.length < blockBytes / 4 ? Buffer.from(bytes) : bytes)
    this.#length += bytes.length
  }

  #emit(goesOn: boolean): void {
    let rest: Buffer | null = null
    if (goesOn) {
      const whole = Buffer.concat(this.#parts)
      const cut = wholeCharacters(whole)
      rest = Buffer.from(whole.subarray(cut))
      this.#parts = [whole.subarray(0, cut)]
    }
    const length = this.#length - (rest?.length ?? 0)
    this.#entries.push(this.#render(goesOn))
    this.#parts = rest === null || rest.length === 0 ? [] : [rest]
    this.#start += length
    this.#length = rest?.length ?? 0
    this.#origin = { ...this.#origin, dropped: 0 }
    this.#isCut = false
  }

  #render(goesOn: boolean): LogEntry {
    const { wallMs, bootMs, bootId, epoch, dropped } = this.#origin
    return {
      text: withoutReturn(Buffer.concat(this.#parts).toString('utf8')),
      at: new Date(wallMs).toISOString(),
      wallMs,
      bootMs,
      bootId,
      epoch: epoch === 0 ? null : asEpoch(epoch),
      droppedBytes: dropped,
      isCut: this.#isCut,
      goesOn,
    }
  }
}

interface Origin {
  readonly wallMs: number
  readonly bootMs: number
  readonly bootId: string
  readonly epoch: number
  readonly dropped: number
}

const noOrigin: Origin = { wallMs: 0, bootMs: 0, bootId: '', epoch: 0, dropped: 0 }

/** A terminal's line ends with both. */
const withoutReturn = (text: string): string => (text.endsWith('\r') ? text.slice(0, -1) : text)

/** Where lines end without a newline: another instance begins, or something was lost. */
function bordersOf({ stamps }: Times): readonly number[] {
  return stamps.flatMap(({ at, epoch, dropped }, index) =>
    dropped > 0 || (index > 0 && stamps[index - 1]?.epoch !== epoch) ? [at] : [],
  )
}

/** The last stamp at or before a byte. */
function stampAt({ stamps }: Times, at: number): number {
  let low = 0
  let high = stamps.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((stamps[middle]?.at ?? 0) <= at) low = middle + 1
    else high = middle
  }
  return Math.max(0, low - 1)
}

async function findStart(segments: readonly Sized[], from: LogStart, end: number): Promise<number> {
  const first = segments[0]?.offset ?? 0
  if ('offset' in from) return Math.min(Math.max(from.offset, first), end)
  if ('sinceMs' in from) return findTime(segments, from.sinceMs, end)
  return findLastLines(segments, from.lines, end)
}

/** The first byte that was read at that time or later, or after it: a clock that was set back makes two of them. */
function findTime(segments: readonly Sized[], sinceMs: number, end: number): number {
  for (const segment of segments) {
    const stamp = readTimes(segment.path, segment.size).stamps.find(({ wallMs }) => wallMs >= sinceMs)
    if (stamp !== undefined) return segment.offset + stamp.at
  }
  return end
}

/** At least so many lines: an instance's unfinished last line has no end that could be counted. */
async function findLastLines(segments: readonly Sized[], lines: number, end: number): Promise<number> {
  if (lines <= 0) return end
  let missing = lines
  for (const segment of segments.toReversed()) {
    for (let blockEnd = segment.size; blockEnd > 0;) {
      const start = Math.max(0, blockEnd - blockBytes)
      const block = await readBytes(segment, start, blockEnd - start)
      for (let at = block.lastIndexOf(newline); at >= 0; at = at === 0 ? -1 : block.lastIndexOf(newline, at - 1)) {
        const next = segment.offset + start + at + 1
        // The newline that ends the last line begins none.
        if (next === end) continue
        missing -= 1
        if (missing === 0) return next
      }
      blockEnd = start
    }
  }
  return segments[0]?.offset ?? 0
}

/** Whether a line began before the offset and goes on at it, as far as that can still be known. */
async function isInLine(segments: readonly Sized[], offset: number): Promise<boolean> {
  const segment = segments.find((each) => offset >= each.offset && offset <= each.offset + each.size)
  if (segment === undefined || offset === 0) return false
  const times = readTimes(segment.path, segment.size)
  const at = offset - segment.offset
  if (at === 0) return times.beginsInLine
  const [before] = await readBytes(segment, at - 1, 1)
  const index = stampAt(times, at)
  const [stamp, earlier] = [times.stamps[index], times.stamps[index - 1]]
  const isBorder = stamp?.at === at && (stamp.dropped > 0 || (earlier !== undefined && earlier.epoch !== stamp.epoch))
  return before !== newline && !isBorder
}

async function readBytes(segment: Segment, start: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(Math.max(0, length))
  let file: FileHandle
  try {
    file = await open(segment.path, 'r')
  } catch (error) {
    if (isMissing(error)) return buffer.subarray(0, 0)
    throw error
  }
  try {
    let filled = 0
    while (filled < buffer.length) {
      const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, start + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return buffer.subarray(0, filled)
  } finally {
    await file.close()
  }
}

/** How many bytes at the front are whole UTF-8 characters; bytes that are no UTF-8 at all count as characters. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if ((byte & 0xc0) === 0x80) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return length > back && bytes.length > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}
