/**
 * Reading a slot's log. The instance itself appends to it and the groomer punches holes at its head, so byte offsets never change
 * their meaning and no line is lost by rotating. What was punched away reads as zeros and is skipped: `log.head` says where to begin.
 */

import { type FileHandle, open } from 'node:fs/promises'

import type { LogChunk } from '../ports/runtime.ts'
import { isMissing } from './errno.ts'
import { type SlotPaths, readNumber } from './slot-files.ts'

const blockBytes = 64 * 1024

export async function readSlotLog(
  paths: SlotPaths,
  from: { readonly offset: number } | { readonly lines: number },
  maxBytes: number,
): Promise<LogChunk> {
  let file: FileHandle
  try {
    file = await open(paths.log, 'r')
  } catch (error) {
    if (isMissing(error)) return { text: '', next: 0 }
    throw error
  }
  try {
    const { size } = await file.stat()
    const punched = readNumber(paths.logHead) ?? 0
    // Beyond the end it speaks of a longer log, which somebody has emptied.
    const head = punched > size ? 0 : punched
    if ('lines' in from) {
      const start = await findLastLines(file, { head, size, lines: from.lines, maxBytes })
      return await readChunk(file, start, size)
    }
    const asked = Math.min(Math.max(from.offset, 0), size)
    const start = asked < head ? await findLineStart(file, head, size) : asked
    return await readChunk(file, start, Math.min(size, start + maxBytes))
  } finally {
    await file.close()
  }
}

async function readChunk(file: FileHandle, start: number, end: number): Promise<LogChunk> {
  const bytes = await readBytes(file, start, end)
  const whole = bytes.subarray(0, wholeCharacters(bytes))
  return { text: whole.toString('utf8'), next: start + whole.length }
}

/** Holes end on a block, not on a line: the rest of a cut line is left out. */
async function findLineStart(file: FileHandle, head: number, size: number): Promise<number> {
  if (head === 0) return 0
  for (let at = head; at < size; at += blockBytes) {
    const found = (await readBytes(file, at, Math.min(size, at + blockBytes))).indexOf(10)
    if (found >= 0) return at + found + 1
  }
  return head
}

async function findLastLines(
  file: FileHandle,
  range: { readonly head: number; readonly size: number; readonly lines: number; readonly maxBytes: number },
): Promise<number> {
  if (range.lines <= 0) return range.size
  const lowest = Math.max(range.head, range.size - range.maxBytes)
  let missing = range.lines
  for (let end = range.size; end > lowest;) {
    const start = Math.max(lowest, end - blockBytes)
    const block = await readBytes(file, start, end)
    for (let at = block.length - 1; at >= 0; at--) {
      // The newline that ends the last line begins none.
      if (block[at] !== 10 || start + at === range.size - 1) continue
      missing -= 1
      if (missing === 0) return start + at + 1
    }
    end = start
  }
  return lowest === 0 ? 0 : await findLineStart(file, lowest, range.size)
}

async function readBytes(file: FileHandle, start: number, end: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(Math.max(0, end - start))
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, start + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
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
