/**
 * What a client sends, given to Node's HTTP parser one head at a time. Node itself reads 64 KiB and makes a request of everything in it,
 * and of as many headers as fit, before anything is answered or measured: a few bytes of a stranger's become kilobytes of ours. Here each
 * byte counts from the first on, and while a request is under way the next one stays unparsed and its socket unread.
 */

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Holder } from './memory-budget.ts'
import type { Traffic } from '../requests/traffic.ts'

/** Of the request line, beside the target that the limit of headers counts. */
const requestLineBytes = 64
/** A chunked body's end is not known before it is parsed: it is cut into pieces that are not too small to be worth it. */
const leastPieceBytes = 512
const endOfHead = Buffer.from('\r\n\r\n', 'latin1')

/** The connection, as far as it decides whether more of it is parsed. */
export interface Reading {
  readonly socket: Socket
  readonly traffic: Traffic
  /** A request is under way. */
  readonly isBusy: boolean
  /** Nothing that it still says will be answered. */
  readonly isDeaf: boolean
  misunderstand(status: number): void
}

export class Intake implements Holder {
  readonly #client: Reading
  readonly #socket: Socket
  readonly #memory: Traffic['memory']
  readonly #parse: (bytes: Buffer) => void
  #unparsed: Buffer | null = null
  /** Of the request that is under way or being read. */
  #headBytes = 0
  /** Counted in the budget: heads and what is unparsed. */
  #heldBytes = 0
  /** Of a body with a length: what has not been parsed of it. */
  #bodyBytes = 0
  /** Whose chunked body is being read. */
  #chunked: IncomingMessage | null = null
  #isFeeding = false
  /** It is we who have paused the socket. */
  #isHeld = false
  #isStalled = false
  #isDetached = false

  /** Takes the place of the HTTP server's own listener, which has just been given the connection. */
  constructor(client: Reading) {
    const { socket } = client
    const [parse, ...others] = socket.listeners('data') as ((bytes: Buffer) => void)[]
    if (parse === undefined || others.length > 0) throw new Error("the HTTP server's listener is not where it was")
    this.#client = client
    this.#socket = socket
    this.#memory = client.traffic.memory
    this.#parse = parse
    socket.off('data', parse)
    socket.on('data', this.#hear)
    socket.on('resume', this.#resume)
  }

  /** The head of a request was parsed, and a body follows: so many bytes, or chunks. */
  expectBody(request: IncomingMessage, length: number | 'chunked' | null): void {
    if (request.complete) return
    if (length === 'chunked') this.#chunked = request
    else this.#bodyBytes = length ?? 0
  }

  /** The request that was under way has been answered. */
  goOn(): void {
    this.#release(this.#headBytes)
    this.#headBytes = 0
    if (this.#unparsed !== null) this.#feed()
  }

  /** The connection is HTTP no more: what came behind the last head. */
  detach(): Buffer {
    const rest = this.#unparsed ?? Buffer.alloc(0)
    this.#isDetached = true
    this.#socket.off('data', this.#hear).off('resume', this.#resume)
    this.close()
    return rest
  }

  close(): void {
    this.#unparsed = null
    this.#release(this.#heldBytes)
    this.#memory.goOn(this)
  }

  shed(): void {
    this.#client.traffic.refused += 1
    this.#socket.destroy()
    this.close()
  }

  readonly #hear = (bytes: Buffer): void => {
    // What comes behind a refusal is not read by anybody.
    if (this.#client.isDeaf) return
    this.#heldBytes += bytes.length
    this.#memory.hold(bytes.length, this)
    if (this.#socket.destroyed) return
    this.#unparsed = this.#unparsed === null ? bytes : Buffer.concat([this.#unparsed, bytes])
    this.#feed()
  }

  /** The parser wants more of a body, or believes that there is nothing to wait for. */
  readonly #resume = (): void => {
    if (this.#unparsed !== null) this.#feed()
  }

  #feed(): void {
    if (this.#isFeeding) return
    this.#isFeeding = true
    while (this.#unparsed !== null && this.#isWanted()) {
      this.#parse(this.#take(this.#unparsed))
      if (!this.#client.isBusy && this.#headBytes > this.#client.traffic.limits.headerBytes + requestLineBytes)
        this.#client.misunderstand(431)
    }
    this.#isFeeding = false
    if (this.#isDetached) return
    if (this.#client.isDeaf) this.close()
    else this.#settle()
  }

  #isWanted(): boolean {
    if (this.#isDetached || this.#client.isDeaf) return false
    // A body that is not taken as fast as it comes pauses the socket, and resumes it.
    return this.#isInBody() ? !this.#socket.isPaused() : !this.#client.isBusy
  }

  #isInBody(): boolean {
    if (this.#chunked?.complete === true) this.#chunked = null
    return this.#bodyBytes > 0 || this.#chunked !== null
  }

  /** The next piece for the parser: of a body what there is, else at most one head. */
  #take(bytes: Buffer): Buffer {
    let end = bytes.length
    if (this.#bodyBytes > 0) {
      end = Math.min(end, this.#bodyBytes)
      this.#bodyBytes -= end
    } else {
      const found = bytes.indexOf(endOfHead, this.#chunked === null ? 0 : leastPieceBytes)
      if (found >= 0) end = found + endOfHead.length
    }
    if (this.#isInBody()) this.#release(end)
    else this.#headBytes += end
    if (end === bytes.length) {
      this.#unparsed = null
      return bytes
    }
    this.#unparsed = bytes.subarray(end)
    return bytes.subarray(0, end)
  }

  /** Reads on only where there is somebody to read for. */
  #settle(): void {
    if (this.#unparsed !== null) {
      this.#isHeld = true
      this.#socket.pause()
    } else if (this.#isHeld) {
      this.#isHeld = false
      this.#socket.resume()
    }
    const isStalled = !this.#client.isBusy && this.#headBytes > 0
    if (isStalled === this.#isStalled) return
    this.#isStalled = isStalled
    if (isStalled) this.#memory.stall(this)
    else this.#memory.goOn(this)
  }

  /** Of a connection that was closed nothing is held any more. */
  #release(bytes: number): void {
    const held = Math.min(bytes, this.#heldBytes)
    this.#heldBytes -= held
    this.#memory.release(held)
  }
}
