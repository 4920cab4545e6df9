/**
 * The SHA-256 of a file that may be written meanwhile: what was read counts only if fstat(2) says the same before and after. A file that
 * is being saved by an editor is still after some milliseconds; one that never rests is told as such.
 */

import { createHash, hash } from 'node:crypto'
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

export type HashedFile =
  | {
      readonly kind: 'read'
      readonly size: number
      readonly sha256: string
      readonly stats: BigIntStats
      /** Wall time when the reading began. */
      readonly atMs: number
    }
  | { readonly kind: 'changing' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'unreadable'; readonly error: unknown }

/** Waits 10, 20, 40 … ms between them: together half a second. */
const attempts = 6
const partBytes = 1024 * 1024
/** One for all files: to make a megabyte for each would cost more than reading it. */
const buffer = Buffer.allocUnsafeSlow(partBytes)

export function hashFile(path: string): HashedFile {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    if (attempt > 0) pause(5 * 2 ** attempt)
    const read = hashOnce(path)
    if (read !== 'changed') return read
  }
  return { kind: 'changing' }
}

function hashOnce(path: string): HashedFile | 'changed' {
  const atMs = Date.now()
  let descriptor: number
  try {
    // Not to wait for a pipe, nor follow a link, that has taken the file's place since it was listed.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? { kind: 'gone' } : code === 'ELOOP' ? 'changed' : { kind: 'unreadable', error }
  }
  try {
    const before = fstatSync(descriptor, { bigint: true })
    if (!before.isFile()) return 'changed'
    const { sha256, size } = hashContent(descriptor)
    const after = fstatSync(descriptor, { bigint: true })
    return isSame(before, after) && BigInt(size) === after.size ? { kind: 'read', size, sha256, stats: after, atMs } : 'changed'
  } catch (error) {
    return { kind: 'unreadable', error }
  } finally {
    closeSync(descriptor)
  }
}

function hashContent(descriptor: number): { readonly sha256: string; readonly size: number } {
  const first = fill(descriptor)
  // Nearly every file ends here: one call instead of an object.
  if (first < partBytes) return { sha256: hash('sha256', buffer.subarray(0, first), 'hex'), size: first }
  const whole = createHash('sha256')
  let size = 0
  for (let count = first; count > 0; count = readSync(descriptor, buffer, 0, partBytes, null)) {
    whole.update(buffer.subarray(0, count))
    size += count
  }
  return { sha256: whole.digest('hex'), size }
}

/** Until the buffer is full or the file ends: a read may give less than there is. */
function fill(descriptor: number): number {
  let size = 0
  while (size < partBytes) {
    const count = readSync(descriptor, buffer, size, partBytes - size, null)
    if (count === 0) break
    size += count
  }
  return size
}

const isSame = (left: BigIntStats, right: BigIntStats): boolean =>
  left.size === right.size && left.mtimeNs === right.mtimeNs && left.ctimeNs === right.ctimeNs

const sleeper = new Int32Array(new SharedArrayBuffer(4))
const pause = (durationMs: number): void => void Atomics.wait(sleeper, 0, 0, durationMs)
