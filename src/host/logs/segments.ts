/**
 * A slot's log on disk: segments `log.<offset>` in the slot's directory, each holding exactly the bytes that the program wrote, and named
 * by the offset of its first byte in all that the slot ever wrote. So offsets only grow, whatever is removed. Beside each stands
 * `<segment>.times`: when which byte was read, and of which epoch it is. The oldest segments are removed before the bound is passed.
 */

import { closeSync, fstatSync, openSync, readFileSync, readSync, readdirSync, statSync } from 'node:fs'

import { isMissing } from '../../system/errno.ts'

export interface Segment {
  readonly path: string
  /** Of its first byte. */
  readonly offset: number
}

/** What was read at one moment. */
export interface Stamp {
  /** Of the first byte in the segment that it speaks of; it holds up to the next stamp's. */
  readonly at: number
  /** Bytes that could not be kept here, because the disk was full. */
  readonly dropped: number
  /** Time of day, in milliseconds since 1970. */
  readonly wallMs: number
  /** Since boot, in milliseconds: no change of the time of day disturbs its order. */
  readonly bootMs: number
  /** The instance that wrote it; 0 where that is not known. */
  readonly epoch: number
}

export interface Times {
  /** Under which boot of this host the stamps' `bootMs` count; empty where that is not known. */
  readonly bootId: string
  /** The segment's first byte goes on a line that began in another segment. */
  readonly beginsInLine: boolean
  readonly stamps: readonly Stamp[]
  /** Bytes of the file that are whole stamps. */
  readonly bytes: number
  /** How far the stamps reach, also beyond what is there, and how many are there beyond: somebody has cut the segment off. */
  readonly reach: number
  readonly beyond: number
}

const namePattern = /^log\.(\d{16})$/

export const segmentName = (offset: number): string => `log.${`${offset}`.padStart(16, '0')}`
export const timesPath = (segment: string): string => `${segment}.times`

/** Oldest first. A slot that never wrote has none. */
export function listSegments(directory: string): readonly Segment[] {
  const names = listNames(directory)
  const segments = names
    .flatMap((name) => {
      const offset = namePattern.exec(name)?.[1]
      return offset === undefined ? [] : [{ path: `${directory}/${name}`, offset: Number(offset) }]
    })
    .toSorted((a, b) => a.offset - b.offset)
  // An instance that a former Daruma started still writes into it; it becomes the first segment with the slot's next start.
  return segments.length === 0 && names.includes('log') ? [{ path: `${directory}/log`, offset: 0 }] : segments
}

/** Everything of a log in a slot's directory, for anything that removes it. */
export function listLogFiles(directory: string): readonly string[] {
  return listNames(directory)
    .filter((name) => /^log(?:\.\d{16}(?:\.times)?)?$/.test(name))
    .map((name) => `${directory}/${name}`)
}

function listNames(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** Bytes on disk of a segment with its times; 0 where it has just been removed. */
export function bytesOf(segment: string): number {
  return sizeOf(segment) + sizeOf(timesPath(segment))
}

export const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** As many segments as a bound has: what is removed at once is a small part of what is kept. */
const segmentsOfBound = 8
const minSegmentBytes = 4096

export function segmentBytes(boundBytes: number): number {
  return Math.max(minSegmentBytes, Math.floor(boundBytes / segmentsOfBound))
}

/** 32 bytes each; the first of a file is its head. */
export const stampBytes = 32
const magic = 0x31544c44

export function renderHead(times: Pick<Times, 'bootId' | 'beginsInLine'>): Buffer {
  const bytes = Buffer.alloc(stampBytes)
  bytes.writeUInt32LE(magic, 0)
  bytes.writeUInt32LE(times.beginsInLine ? 1 : 0, 4)
  Buffer.from(times.bootId.replaceAll('-', ''), 'hex').copy(bytes, 8, 0, 16)
  return bytes
}

export function renderStamp(stamp: Stamp, bytes: Buffer): void {
  bytes.writeUInt32LE(stamp.at, 0)
  bytes.writeUInt32LE(Math.min(stamp.dropped, 0xffff_ffff), 4)
  bytes.writeDoubleLE(stamp.wallMs, 8)
  bytes.writeDoubleLE(stamp.bootMs, 16)
  bytes.writeDoubleLE(stamp.epoch, 24)
}

/** `size` is the segment's: stamps beyond it speak of bytes that somebody has cut off. */
export function readTimes(segment: string, size: number): Times {
  const bytes = readWhole(timesPath(segment))
  if (bytes.length < stampBytes || bytes.readUInt32LE(0) !== magic) return withoutTimes(segment)
  const stamps: Stamp[] = []
  let reach = 0
  let beyond = 0
  for (let at = stampBytes; at + stampBytes <= bytes.length; at += stampBytes) {
    const stamp = {
      at: bytes.readUInt32LE(at),
      dropped: bytes.readUInt32LE(at + 4),
      wallMs: bytes.readDoubleLE(at + 8),
      bootMs: bytes.readDoubleLE(at + 16),
      epoch: bytes.readDoubleLE(at + 24),
    }
    // Of two for one place the first had nothing to speak of: what it says of losses goes over to the second.
    const before = stamps.at(-1)?.at === stamp.at ? stamps.pop() : undefined
    if (stamp.at > size) beyond += 1
    else stamps.push({ ...stamp, dropped: stamp.dropped + (before?.dropped ?? 0) })
    reach = Math.max(reach, stamp.at)
  }
  const bootId = bytes.toString('hex', 8, 24)
  return {
    bootId: /^0+$/.test(bootId) ? '' : bootId,
    beginsInLine: bytes.readUInt32LE(4) === 1,
    stamps,
    reach,
    beyond,
    bytes: Math.floor(bytes.length / stampBytes) * stampBytes,
  }
}

/** A log without times (one that a former Daruma wrote, or whose times somebody removed) is as old as its last change. */
function withoutTimes(segment: string): Times {
  const wallMs = statSync(segment, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return {
    bootId: '',
    beginsInLine: false,
    stamps: [{ at: 0, dropped: 0, wallMs, bootMs: 0, epoch: 0 }],
    reach: 0,
    beyond: 0,
    bytes: 0,
  }
}

function readWhole(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    if (isMissing(error)) return Buffer.alloc(0)
    throw error
  }
}

/** Whether a segment's last byte leaves a line open. */
export function endsInLine(segment: string): boolean {
  try {
    const descriptor = openSync(segment, 'r')
    try {
      const last = Buffer.alloc(1)
      const { size } = fstatSync(descriptor)
      return size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== 10
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}
