/** The stream of contents, as it comes in pieces: each content is a line `SHA-256 SIZE`, and then that many bytes. */

import { DarumaError } from '../../ports/error.ts'

export interface FrameTaker {
  begin(sha256: string, size: number): void
  take(part: Uint8Array): void
  end(): void
}

const longestHead = 64 + 1 + 16 + 1

export class FrameReader {
  readonly #taker: FrameTaker
  #head = ''
  /** Of the content under way; null between two. */
  #missing: number | null = null

  constructor(taker: FrameTaker) {
    this.#taker = taker
  }

  push(part: Uint8Array): void {
    let rest = part
    while (rest.length > 0) rest = this.#missing === null ? this.#readHead(rest) : this.#readContent(rest, this.#missing)
  }

  /** Throws where the stream ended within a content. */
  finish(): void {
    if (this.#missing !== null || this.#head !== '') throw broken('it ends within a content')
  }

  #readHead(part: Uint8Array): Uint8Array {
    const end = part.indexOf(0x0a)
    this.#head += Buffer.from(part.subarray(0, end === -1 ? part.length : end)).toString('latin1')
    if (this.#head.length > longestHead) throw broken('it has no content where one should begin')
    if (end === -1) return part.subarray(part.length)
    const match = /^([0-9a-f]{64}) (\d{1,16})$/.exec(this.#head)
    const size = Number(match?.[2])
    if (match?.[1] === undefined || !Number.isSafeInteger(size)) throw broken('it has no content where one should begin')
    this.#head = ''
    this.#taker.begin(match[1], size)
    this.#missing = size
    if (size === 0) this.#close()
    return part.subarray(end + 1)
  }

  #readContent(part: Uint8Array, missing: number): Uint8Array {
    const own = part.subarray(0, missing)
    this.#taker.take(own)
    this.#missing = missing - own.length
    if (this.#missing === 0) this.#close()
    return part.subarray(own.length)
  }

  #close(): void {
    this.#missing = null
    this.#taker.end()
  }
}

const broken = (why: string): DarumaError => new DarumaError('E_RELEASE_CONTENT', `The stream of contents is broken: ${why}.`)
