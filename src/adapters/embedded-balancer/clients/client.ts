/**
 * One client's connection. Its requests are answered one after the other, also when they came in one piece: what follows a request that
 * is not safe may depend on it. The one place that writes past Node's HTTP server is `refuse`, and only where no answer is under way.
 */

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Listener } from '../../../core/balance/table.ts'
import { STATUS_CODES } from '../../../system/node-http.ts'
import type { Origin } from './head.ts'
import { Intake, type Reading } from './intake.ts'
import type { Endpoints } from './proxy-protocol.ts'
import type { Router } from '../requests/route.ts'
import type { Traffic } from '../requests/traffic.ts'
import { close, type Connection, type UpstreamState } from '../upstreams/upstream.ts'

/** What the connection is busy with. */
export interface Occupant {
  readonly request: IncomingMessage
  start(): void
  /** What the client sent as the rest of its request cannot be understood, or does not come. */
  fail(status: number): void
  /** Neither side has moved for the idle time. */
  idle(): void
}

export interface Entrance {
  readonly spec: Listener
  readonly router: Router
}

/** What the end of a chunked body may bring along of the requests behind it; {@link Intake} lets no more through. */
const mostWaiting = 32
/** After a refusal, what the client still sends is thrown away for so long: a reset would take our words back. */
const lingerMs = 2000

export class ClientConnection implements Reading {
  readonly socket: Socket
  readonly entrance: Entrance
  readonly origin: Origin
  readonly endpoints: Endpoints
  readonly traffic: Traffic
  /** It may finish what it has: its listener is gone. */
  isLeaving = false
  isRefused = false
  /** It has become a tunnel, or asks for one: busy until it closes. */
  isTunnel = false
  /** Of HTTP. */
  #intake: Intake | null = null
  #current: Occupant | null = null
  #waiting: Occupant[] = []
  #refusal: number | null = null
  #dedicated: Map<UpstreamState, Connection> | null = null
  #bytesRead = 0
  #bytesWritten = 0

  constructor(socket: Socket, entrance: Entrance, traffic: Traffic, endpoints: Endpoints) {
    this.socket = socket
    this.entrance = entrance
    this.traffic = traffic
    this.endpoints = endpoints
    this.origin = { address: endpoints.sourceAddress, isTls: entrance.spec.tls, port: endpoints.destinationPort }
  }

  get isBusy(): boolean {
    return this.#current !== null
  }

  get isDeaf(): boolean {
    return this.isRefused || this.#refusal !== null
  }

  /** Node's HTTP server has just been given the socket. */
  parse(): void {
    this.#intake = new Intake(this)
  }

  expectBody(request: IncomingMessage, length: number | 'chunked' | null): void {
    this.#intake?.expectBody(request, length)
  }

  /** It is HTTP no more: what has come behind the request that said so, and was not parsed. */
  leaveHttp(): Buffer {
    const rest = this.#intake?.detach() ?? Buffer.alloc(0)
    this.#intake = null
    return rest
  }

  submit(occupant: Occupant): void {
    if (this.isDeaf) return
    if (this.#current === null) {
      this.#current = occupant
      occupant.start()
    } else if (this.#waiting.length < mostWaiting) this.#waiting.push(occupant)
    else this.socket.destroy()
  }

  /** What it was busy with has been answered, to the last byte. */
  next(): void {
    this.#current = null
    if (this.isRefused) return
    const next = this.#waiting.shift()
    if (next !== undefined && (this.#refusal === null || next.request.complete)) {
      this.#current = next
      next.start()
    } else if (this.#refusal !== null) this.refuse(this.#refusal)
    else if (this.isLeaving) this.socket.destroySoon()
    this.#intake?.goOn()
  }

  /** Node's parser has given up on what the client sends, or on waiting for it. */
  misunderstand(status: number): void {
    if (this.#current === null) this.refuse(status)
    else if (!this.#current.request.complete) this.#current.fail(status)
    else this.#refusal ??= status
  }

  idle(): void {
    if (this.#current === null) this.socket.destroy()
    else this.#current.idle()
  }

  leave(): void {
    this.isLeaving = true
    if (this.#current === null && !this.isTunnel) this.socket.destroySoon()
  }

  /** A short answer past the HTTP server, and the end of the connection. Only where nothing of another answer was written. */
  refuse(status: number): void {
    if (this.isRefused) return
    this.isRefused = true
    this.traffic.refused += 1
    this.socket.end(rawAnswer(status))
    this.linger()
  }

  /** Our last word is on its way. The client's own end is seen only by reading on, and one that never ends must not keep its socket. */
  linger(): void {
    const { socket } = this
    socket.resume()
    const timer = setTimeout(() => socket.destroy(), lingerMs).unref()
    socket.once('close', () => clearTimeout(timer))
  }

  /** An upstream that is told by the PROXY protocol whose connection it is has one for each client. */
  dedicated(upstream: UpstreamState, open: () => Connection): Connection {
    this.#dedicated ??= new Map()
    const known = this.#dedicated.get(upstream)
    if (known !== undefined) return known
    const connection = open()
    this.#dedicated.set(upstream, connection)
    return connection
  }

  forget(upstream: UpstreamState): void {
    this.#dedicated?.delete(upstream)
  }

  /** What went over the connection since the last call: a request with its head, an answer with its own. */
  countBytes(): { readonly bytesIn: number; readonly bytesOut: number } {
    const { bytesRead, bytesWritten } = this.socket
    const counted = { bytesIn: bytesRead - this.#bytesRead, bytesOut: bytesWritten - this.#bytesWritten }
    this.#bytesRead = bytesRead
    this.#bytesWritten = bytesWritten
    return counted
  }

  closed(): void {
    this.#intake?.close()
    this.#waiting = []
    for (const connection of this.#dedicated?.values() ?? []) close(connection)
    this.#dedicated = null
  }
}

/** Where the phrase of the status alone would not help anything that reads it. */
const sentences: Readonly<Record<number, string>> = {
  404: 'No route leads there.',
  405: 'This is no proxy for other places.',
  501: 'Trailers behind a body are not passed on here.',
  502: 'The service broke off before it answered.',
  503: 'No instance of the service is ready.',
  504: 'The service did not answer in time.',
}

export const shortBody = (status: number): string => `${sentences[status] ?? STATUS_CODES[status] ?? status}\n`

/** The whole of a short answer that ends its connection. */
export function rawAnswer(status: number): string {
  const body = shortBody(status)
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\ncontent-type: text/plain\r\n`
  return `${head}content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`
}
