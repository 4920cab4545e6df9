/**
 * A request's body on its way to an upstream, and to another one when the first breaks: as long as all of it is still in memory it can
 * be sent again. What is kept is bounded; a longer body passes through once, as fast as the upstream takes it.
 */

import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { MemoryBudget } from '../clients/memory-budget.ts'
import type { Traffic } from './traffic.ts'

/** Most forms and API calls. Over all requests the {@link MemoryBudget} is the bound: beyond it bodies only pass through. */
export const keptBodyBytes: number = 64 * 1024

export class RequestBody {
  bytes = 0
  readonly #request: IncomingMessage
  readonly #limit: number
  readonly #refuse: (status: number) => void
  readonly #memory: MemoryBudget
  #heldBytes = 0
  #isReserved = false
  #kept: Buffer[] | null = []
  #sink: Readable | null = null
  #whole: ((body: Buffer) => void) | null = null
  #isEnded = false
  #isDiscarded = false

  constructor(request: IncomingMessage, { limits, memory }: Traffic, refuse: (status: number) => void) {
    this.#request = request
    this.#memory = memory
    this.#limit = limits.bodyBytes ?? Number.POSITIVE_INFINITY
    this.#refuse = refuse
    request.pause()
    request.on('data', (chunk: Buffer) => this.#hear(chunk))
    request.on('end', () => this.#end())
  }

  /** Room for all of a body that is known to be short; false where the process holds too much already. */
  reserve(bytes: number): boolean {
    this.#isReserved = this.#memory.tryHold(bytes)
    if (this.#isReserved) this.#heldBytes = bytes
    return this.#isReserved
  }

  /** Nobody will send it (again). */
  close(): void {
    this.#forget()
  }

  /** The whole body, once it has come, behind {@link reserve}. */
  collect(done: (body: Buffer) => void): void {
    this.#whole = done
    this.#request.resume()
  }

  /** A stream for the next attempt; null where something of the body is gone already. */
  open(): Readable | null {
    if (this.#kept === null) return null
    const sink = new Readable({ highWaterMark: keptBodyBytes, read: () => void this.#request.resume() })
    // undici destroys what it could not send, which is no news for us.
    sink.on('error', () => undefined)
    for (const chunk of this.#kept) sink.push(chunk)
    if (this.#isEnded) sink.push(null)
    this.#sink = sink
    return sink
  }

  /** Nobody reads it any more, until it is opened again. */
  detach(): void {
    this.#sink = null
    if (!this.#isEnded && !this.#isDiscarded) this.#request.pause()
  }

  /** What is still to come is thrown away, so that the next request on the connection can be read. */
  discard(): void {
    this.#isDiscarded = true
    this.#sink = null
    this.#forget()
    this.#request.resume()
  }

  #hear(chunk: Buffer): void {
    if (this.#isDiscarded) return
    this.bytes += chunk.length
    if (this.bytes > this.#limit) {
      this.discard()
      this.#refuse(413)
      return
    }
    this.#keep(chunk)
    const sink = this.#sink
    if (sink === null) {
      if (this.#whole === null) this.#request.pause()
    } else if (sink.destroyed) this.discard()
    else if (!sink.push(chunk)) this.#request.pause()
  }

  #keep(chunk: Buffer): void {
    if (this.#kept === null) return
    if (this.bytes > keptBodyBytes || !(this.#isReserved || this.#memory.tryHold(chunk.length))) return this.#forget()
    if (!this.#isReserved) this.#heldBytes += chunk.length
    this.#kept.push(chunk)
  }

  #forget(): void {
    this.#kept = null
    this.#memory.release(this.#heldBytes)
    this.#heldBytes = 0
    this.#isReserved = false
  }

  #end(): void {
    this.#isEnded = true
    if (this.#isDiscarded) return
    // undici has no way to send them, and what they say (a checksum, say) is not ours to leave out. No upstream has seen the end yet.
    if (this.#request.rawTrailers.length > 0) {
      this.discard()
      this.#refuse(501)
      return
    }
    this.#sink?.push(null)
    const whole = this.#whole
    this.#whole = null
    if (whole !== null && this.#kept !== null)
      whole(this.#kept.length === 1 ? (this.#kept[0] as Buffer) : Buffer.concat(this.#kept))
  }
}
