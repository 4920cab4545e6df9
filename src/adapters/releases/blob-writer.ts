/**
 * Contents on their way into the store: each is written beside it under a name of its own, compared with the digest that it came
 * under, made durable with its fellows, and only then renamed to where it is found. A content that is there is therefore whole.
 */

import { createHash, type Hash } from 'node:crypto'
import { closeSync, fchmodSync, ftruncateSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DarumaError } from '../../ports/error.ts'
import { fsyncPath, makeDurable } from './durable.ts'
import type { FrameTaker } from './frames.ts'
import { blobPath, type Layout } from './layout.ts'

/** What may be lost, and has to be sent again, when the daemon dies: small beside what a stream may be, large beside a sync. */
const mostPendingBytes = 512 * 1024 * 1024
const mostPendingFiles = 20_000

const zeros = Buffer.alloc(64 * 1024)

export class BlobWriter implements FrameTaker {
  readonly #layout: Layout
  readonly #pending = new Map<string, string>()
  #pendingBytes = 0
  #count = 0
  #open: {
    readonly sha256: string
    readonly size: number
    readonly file: string
    readonly descriptor: number
    readonly hash: Hash
  } | null = null
  #written = 0
  #hasHole = false

  constructor(layout: Layout) {
    this.#layout = layout
  }

  begin(sha256: string, size: number): void {
    const file = join(this.#layout.incoming, `${sha256}.${(this.#count += 1)}.blob`)
    this.#open = { sha256, size, file, descriptor: openSync(file, 'w', 0o600), hash: createHash('sha256') }
    this.#written = 0
    this.#hasHole = false
  }

  take(part: Uint8Array): void {
    const open = this.#open!
    open.hash.update(part)
    for (let at = 0; at < part.length;) {
      const piece = part.subarray(at, at + zeros.length)
      // What is all zeros becomes a hole, as it was in a sparse file.
      const isHole = piece.length === zeros.length && zeros.equals(piece)
      this.#hasHole ||= isHole
      at += isHole ? piece.length : writeSync(open.descriptor, piece, 0, piece.length, this.#written + at)
    }
    this.#written += part.length
  }

  end(): void {
    const { sha256, size, file, descriptor, hash } = this.#open!
    const found = hash.digest('hex')
    if (found !== sha256) {
      throw new DarumaError(
        'E_RELEASE_CONTENT',
        `A file has changed while it was sent: its digest is ${found.slice(0, 12)}, not ${sha256.slice(0, 12)}.`,
        {
          hint: 'Run the command again.',
        },
      )
    }
    // A hole at the end is none until the size says so.
    if (this.#hasHole) ftruncateSync(descriptor, size)
    fchmodSync(descriptor, 0o444)
    closeSync(descriptor)
    this.#open = null
    this.#pending.set(sha256, file)
    this.#pendingBytes += size
    if (this.#pendingBytes > mostPendingBytes || this.#pending.size > mostPendingFiles) this.commit()
  }

  /** Puts what came whole to where it is found. */
  commit(): void {
    if (this.#pending.size === 0) return
    makeDurable(this.#layout.incoming, [...this.#pending.values()])
    const folders = new Set<string>()
    for (const [sha256, file] of this.#pending) {
      const path = blobPath(this.#layout, sha256, false)
      const folder = dirname(path)
      if (!folders.has(folder)) mkdirSync(folder, { recursive: true, mode: 0o700 })
      folders.add(folder)
      renameSync(file, path)
    }
    makeDurable(this.#layout.blobs, [...folders])
    fsyncPath(this.#layout.blobs)
    this.#pending.clear()
    this.#pendingBytes = 0
  }

  /** After a failure: what came whole is kept, as far as the disk allows. */
  abandon(): void {
    if (this.#open !== null) {
      closeSync(this.#open.descriptor)
      rmSync(this.#open.file, { force: true })
      this.#open = null
    }
    try {
      this.commit()
    } catch {
      for (const file of this.#pending.values()) rmSync(file, { force: true })
      this.#pending.clear()
    }
  }
}
