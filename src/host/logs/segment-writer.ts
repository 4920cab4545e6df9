/**
 * Appends to a slot's log and keeps its bound. What a newcomer would get wrong: the stamp is written before the bytes that it speaks of.
 * Anything that writes may be killed between the two, and then the next one stamps the same place again: no byte is without its time. Bytes
 * themselves are not this file's business: they are moved by the kernel, or written by whoever already has them.
 */

import { closeSync, fstatSync, ftruncateSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs'

import { observeBootId } from '../../system/process-stat.ts'
import {
  type Segment,
  type Stamp,
  bytesOf,
  endsInLine,
  listSegments,
  readTimes,
  renderHead,
  renderStamp,
  segmentBytes,
  segmentName,
  sizeOf,
  stampBytes,
  timesPath,
} from './segments.ts'

/** O_RDWR | O_CREAT: splice(2) refuses a file that is open for appending. */
const openFlags = 0o102

interface Current {
  readonly path: string
  readonly offset: number
  readonly file: number
  readonly times: number
  size: number
  timesSize: number
}

export interface Room {
  readonly file: number
  /** In the file. */
  readonly offset: number
  /** As much as this segment still takes: at least one byte. */
  readonly bytes: number
}

export class SegmentWriter {
  readonly #directory: string
  readonly #bootId: string = observeBootId().replaceAll('-', '')
  readonly #record: Buffer = Buffer.alloc(stampBytes)
  #boundBytes: number
  #segmentBytes: number
  #current: Current | null = null
  /** Those before the current one, with their bytes on disk. */
  #older: { readonly path: string; readonly bytes: number }[] = []
  #last: Stamp | null = null

  constructor(directory: string, boundBytes: number) {
    this.#directory = directory
    this.#boundBytes = boundBytes
    this.#segmentBytes = segmentBytes(boundBytes)
  }

  set boundBytes(bytes: number) {
    this.#boundBytes = bytes
    this.#segmentBytes = segmentBytes(bytes)
  }

  /** Where the next byte goes, in all that the slot ever wrote. */
  get position(): number {
    const current = this.#current ?? this.#open()
    return current.offset + current.size
  }

  /** Stamps what comes next and gives the place for it. Throws what the disk says: the slot may have been removed, the disk be full. */
  prepare(stamp: Omit<Stamp, 'at'>): Room {
    let current = this.#check(this.#current ?? this.#open())
    if (current.size + current.timesSize + stampBytes >= this.#segmentBytes) current = this.#rotate(current)
    const isNews = this.#last === null || this.#last.epoch !== stamp.epoch || stamp.dropped > 0
    if (isNews || stamp.wallMs - (this.#last?.wallMs ?? 0) >= 1 || stamp.wallMs < (this.#last?.wallMs ?? 0)) {
      this.#writeStamp(current, { at: current.size, ...stamp })
    }
    return { file: current.file, offset: current.size, bytes: Math.max(1, this.#segmentBytes - current.size - current.timesSize) }
  }

  /** So many bytes were added to what {@link prepare} gave. */
  added(bytes: number): void {
    if (this.#current !== null) this.#current.size += bytes
  }

  /** Gives the disk back what is oldest. False where there is only the current segment. */
  removeOldest(): boolean {
    const oldest = this.#older.shift()
    if (oldest === undefined) return false
    for (const path of [oldest.path, timesPath(oldest.path)]) rmSync(path, { force: true })
    return true
  }

  /** Makes a file a segment of its own, behind all that is there: `become` gives it the name. */
  adopt(stamp: Omit<Stamp, 'at'>, become: (segment: string) => void): void {
    const current = this.#current ?? this.#open()
    if (current.size > 0) this.#rotate(current)
    this.#writeStamp(this.#current ?? current, { at: 0, ...stamp })
    const { path } = this.#current ?? current
    this.close()
    become(path)
  }

  /** Takes away what is beyond a position: it will be written again. */
  truncate(position: number): void {
    let current = this.#current ?? this.#open()
    while (current.offset > position && this.#older.length > 0) {
      this.close()
      for (const path of [current.path, timesPath(current.path)]) rmSync(path, { force: true })
      current = this.#open()
    }
    if (position < current.offset || position >= current.offset + current.size) return
    this.close()
    const size = position - current.offset
    const { bytes, beyond } = readTimes(current.path, size)
    truncateSync(current.path, size)
    truncateSync(timesPath(current.path), bytes - beyond * stampBytes)
    this.#open()
  }

  close(): void {
    if (this.#current === null) return
    closeSync(this.#current.file)
    closeSync(this.#current.times)
    this.#current = null
    this.#last = null
  }

  /** Goes on in the newest segment, if this boot has begun it. */
  #open(): Current {
    const segments = listSegments(this.#directory)
    const newest = segments.at(-1)
    this.#older = segments.map(({ path }) => ({ path, bytes: bytesOf(path) }))
    if (newest === undefined) return this.#begin(0, false)
    const size = sizeOf(newest.path)
    const times = readTimes(newest.path, size)
    // Stamps beyond its end say that somebody has cut it off: behind what was there begins a new one, with a gap between them.
    if (times.reach > size) return this.#begin(newest.offset + times.reach + 1, false)
    const isWhole = sizeOf(timesPath(newest.path)) >= stampBytes
    if (times.bootId !== this.#bootId || !isWhole) return this.#begin(newest.offset + size, endsInLine(newest.path))
    this.#older.pop()
    return this.#openFiles(newest)
  }

  #begin(offset: number, beginsInLine: boolean): Current {
    this.#makeRoom()
    const current = this.#openFiles({ path: `${this.#directory}/${segmentName(offset)}`, offset })
    // One of this name may be there, made by a writer that was killed before it wrote anything.
    try {
      ftruncateSync(current.times, 0)
      writeSync(current.times, renderHead({ bootId: this.#bootId, beginsInLine }), 0, stampBytes, 0)
      current.timesSize = stampBytes
      return current
    } catch (error) {
      // A segment without its head would be taken for one that is whole.
      this.close()
      for (const path of [current.path, timesPath(current.path)]) rmSync(path, { force: true })
      throw error
    }
  }

  #openFiles({ path, offset }: Segment): Current {
    const file = openSync(path, openFlags, 0o600)
    let times: number | null = null
    try {
      times = openSync(timesPath(path), openFlags, 0o600)
      const { size } = fstatSync(file)
      // A stamp that was torn by a full disk is written over.
      const timesSize = Math.floor(fstatSync(times).size / stampBytes) * stampBytes
      this.#current = { path, offset, file, times, size, timesSize }
      this.#last = null
      return this.#current
    } catch (error) {
      closeSync(file)
      if (times !== null) closeSync(times)
      throw error
    }
  }

  #rotate(current: Current): Current {
    this.close()
    this.#older.push({ path: current.path, bytes: current.size + current.timesSize })
    return this.#begin(current.offset + current.size, endsInLine(current.path))
  }

  /** Before a segment begins, there is room for all of it within the bound. */
  #makeRoom(): void {
    let kept = this.#older.reduce((sum, { bytes }) => sum + bytes, 0)
    while (kept + this.#segmentBytes > this.#boundBytes && this.#older.length > 0) {
      kept -= this.#older[0]?.bytes ?? 0
      this.removeOldest()
    }
  }

  /** Somebody may have removed or cut off the file that is open: then a new segment begins behind it. */
  #check(current: Current): Current {
    const { size, nlink } = fstatSync(current.file)
    if (nlink > 0 && size === current.size) return current
    this.close()
    const end = current.offset + current.size
    this.#older = listSegments(this.#directory).map(({ path }) => ({ path, bytes: bytesOf(path) }))
    return this.#begin(end, false)
  }

  #writeStamp(current: Current, stamp: Stamp): void {
    renderStamp(stamp, this.#record)
    writeSync(current.times, this.#record, 0, stampBytes, current.timesSize)
    current.timesSize += stampBytes
    this.#last = stamp
  }
}
