/**
 * A request's body on its way to an upstream, and to another one when the first breaks: as long as all of it is still in memory it can
 * be sent again. What is kept is bounded; a longer body passes through once, as fast as the upstream takes it.
 */

import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'

/** Most forms and API calls; a thousand such requests at once are 64 MB at worst, and only while they wait. */
export const keptBodyBytes: number = 64 * 1024

export class RequestBody {
  bytes = 0
  readonly #request: IncomingMessage
  readonly #limit: number
  readonly #refuse: (status: number) => void
  #kept: Buffer[] | null = []
  #sink: Readable | null = null
  #whole: ((body: Buffer) => void) | null = null
  #isEnded = false
  #isDiscarded = false

  constructor(request: IncomingMessage, limit: number | null, refuse: (status: number) => void) {
    this.#request = request
    this.#limit = limit ?? Number.POSITIVE_INFINITY
    this.#refuse = refuse
    request.pause()
    request.on('data', (chunk: Buffer) => this.#hear(chunk))
    request.on('end', () => this.#end())
  }

  /** The whole body, once it has come. For one that is known to be short. */
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
    this.#kept = null
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
    if (this.bytes > keptBodyBytes) this.#kept = null
    else this.#kept?.push(chunk)
    const sink = this.#sink
    if (sink === null) {
      if (this.#whole === null) this.#request.pause()
    } else if (sink.destroyed) this.discard()
    else if (!sink.push(chunk)) this.#request.pause()
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
