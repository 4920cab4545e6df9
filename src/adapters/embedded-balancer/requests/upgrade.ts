/**
 * `Upgrade: websocket`: the handshake goes to an upstream as a request of its own, and when that says 101 the two connections are joined.
 * Any other answer is passed on as it is, and ends the connection. Other protocols are not upgraded to: they would carry requests past us.
 */

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { request as send, STATUS_CODES } from '../../../system/node-http.ts'
import { rawAnswer, type ClientConnection } from '../clients/client.ts'
import { findDestination, type Destination } from './destination.ts'
import { answerHeaders } from '../clients/head.ts'
import { dial, join } from './tunnel.ts'
import type { UpstreamState } from '../upstreams/upstream.ts'

export const isWebSocket = (request: IncomingMessage): boolean =>
  request.method === 'GET' && request.httpVersion === '1.1' && request.headers.upgrade?.toLowerCase() === 'websocket'

export function upgrade(client: ClientConnection, request: IncomingMessage, early: Buffer): void {
  const { socket, traffic } = client
  // Node's HTTP server has let go of the socket: nobody else listens for its errors.
  socket.on('error', () => undefined)
  const destination = findDestination(client, request)
  if (destination.kind === 'refusal' || client.isBusy)
    return client.refuse(destination.kind === 'refusal' ? destination.status : 400)
  if (destination.head.length !== null) return client.refuse(400)
  if (destination.kind === 'answer') {
    const location = destination.headers.length === 0 ? '' : `${destination.headers.join(': ')}\r\n`
    socket.end(rawAnswer(destination.status).replace('\r\n', `\r\n${location}`))
    return client.linger()
  }
  client.isTunnel = true
  new Handshake(client, request, destination, early, traffic.limits.idleTimeoutMs).start()
}

class Handshake {
  readonly #client: ClientConnection
  readonly #request: IncomingMessage
  readonly #destination: Extract<Destination, { readonly kind: 'pool' }>
  readonly #early: Buffer
  readonly #limitMs: number
  readonly #startedAt = performance.now()
  #upstream: UpstreamState | null = null
  #status = 0
  #isOver = false

  constructor(
    client: ClientConnection,
    request: IncomingMessage,
    destination: Extract<Destination, { readonly kind: 'pool' }>,
    early: Buffer,
    limitMs: number,
  ) {
    this.#client = client
    this.#request = request
    this.#destination = destination
    this.#early = early
    this.#limitMs = limitMs
  }

  start(): void {
    const { pool } = this.#destination
    pool.tally.requests += 1
    pool.tally.active += 1
    this.#client.socket.setTimeout(0)
    this.#client.socket.once('close', () => this.#end())
    dial(pool, this.#client, (upstream, socket) => {
      this.#upstream = upstream
      if (socket === null) this.#fail(503)
      else this.#ask(socket)
    })
  }

  #ask(upstreamSocket: Socket): void {
    if (this.#client.socket.destroyed) return
    const { head, target } = this.#destination
    const headers = [...head.headers, 'connection', 'Upgrade', 'upgrade', 'websocket']
    const asked = send({ createConnection: () => upstreamSocket, method: 'GET', path: target, headers, setHost: false })
    this.#client.socket.once('close', () => upstreamSocket.destroy())
    asked.setTimeout(this.#limitMs, () => {
      this.#fail(504)
      asked.destroy()
    })
    asked.on('error', () => {
      // A client that has gone took the upstream's connection with it, which is no failure of the upstream.
      if (this.#client.socket.destroyed) return
      this.#upstream?.fail(performance.now())
      this.#fail(502)
    })
    asked.on('upgrade', (answer, _socket, first) => this.#join(answer, upstreamSocket, first))
    asked.on('response', (answer) => this.#passOn(answer))
    asked.end()
  }

  #join(answer: IncomingMessage, upstreamSocket: Socket, first: Buffer): void {
    const { socket, traffic } = this.#client
    this.#status = 101
    const lines = [`HTTP/1.1 101 ${STATUS_CODES[101]}`, ...headerLines(answer.rawHeaders)]
    socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
    if (first.length > 0) socket.write(first)
    if (this.#early.length > 0) upstreamSocket.write(this.#early)
    upstreamSocket.setTimeout(0)
    join(socket, upstreamSocket, traffic.limits.tunnelTimeoutMs, () => undefined)
  }

  #passOn(answer: IncomingMessage): void {
    const { socket } = this.#client
    this.#status = answer.statusCode ?? 502
    const raw = answer.rawHeaders.map((text) => Buffer.from(text, 'latin1'))
    const lines = [`HTTP/1.1 ${this.#status} ${answer.statusMessage}`, ...headerLines(answerHeaders(raw)), 'connection: close']
    socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
    answer.on('error', () => socket.destroy())
    socket.setTimeout(this.#limitMs, () => socket.destroy())
    socket.once('finish', () => this.#client.linger())
    answer.pipe(socket)
  }

  #fail(status: number): void {
    if (this.#status !== 0) {
      this.#client.socket.destroy()
      return
    }
    this.#status = status
    this.#client.socket.end(rawAnswer(status))
    this.#client.linger()
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    const { pool, head, target } = this.#destination
    const { traffic, origin, entrance } = this.#client
    const durationMs = performance.now() - this.#startedAt
    const { bytesIn, bytesOut } = this.#client.countBytes()
    pool.tally.active -= 1
    pool.tally.answered(this.#status)
    pool.tally.bytesIn += bytesIn
    pool.tally.bytesOut += bytesOut
    if (this.#status >= 500) pool.tally.failed += 1
    if (!traffic.log.isOn) return
    const host = entrance.router.match(head.host ?? '').name ?? ''
    const about = { method: this.#request.method ?? '', host, target, status: this.#status }
    traffic.log.add({ address: origin.address, request: about, bytesOut, durationMs, upstream: this.#upstream?.spec.id ?? null })
  }
}

function headerLines(flat: readonly string[]): string[] {
  return Array.from({ length: flat.length / 2 }, (_, index) => `${flat[2 * index]}: ${flat[2 * index + 1]}`)
}
