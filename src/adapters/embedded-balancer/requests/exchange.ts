/**
 * One request and its answer: where it goes, what is tried again, how its bytes flow, and how it is counted. The rule of it all: what may
 * have been executed is sent again only where HTTP or the config says that it may be, and never after a byte of an answer was passed on.
 */

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import { shortBody, type ClientConnection, type Occupant } from '../clients/client.ts'
import { findDestination, type Destination } from './destination.ts'
import { answerHeaders } from '../clients/head.ts'
import type { Holder } from '../clients/memory-budget.ts'
import type { PoolState } from '../upstreams/pool.ts'
import { renderProxyHeader } from '../clients/proxy-protocol.ts'
import { keptBodyBytes, RequestBody } from './request-body.ts'
import { close, wasNotSent, type Connection, type UpstreamState } from '../upstreams/upstream.ts'

/** RFC 9110, 9.2.2. */
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])
const mostTries = 3
/** Before the same upstream is tried again: it may be starting. */
const samePauseMs = 100
const onePieceBytes = 16 * 1024

type Controller = Dispatcher.DispatchController & { readonly rawHeaders?: unknown; readonly rawTrailers?: unknown }

export class Exchange implements Dispatcher.DispatchHandler, Occupant, Holder {
  readonly request: IncomingMessage
  readonly #response: ServerResponse
  readonly #client: ClientConnection
  readonly #startedAt = performance.now()
  #destination: Extract<Destination, { readonly kind: 'pool' }> | null = null
  #body: RequestBody | Buffer | null = null
  /** What the body came as, whatever became of it. */
  #incoming: RequestBody | null = null
  /** Bytes of the answer that the client does not take. */
  #unreadBytes = 0
  #tried: UpstreamState[] = []
  #upstream: UpstreamState | null = null
  #connection: Connection | null = null
  /** The connection is for this request only. */
  #isAlone = false
  /** A connection was found closed that had been idle. */
  #wasStale = false
  #controller: Controller | null = null
  #status = 0
  /** Bytes of the answer's body, as they were announced; -1 when not, or when some have come. */
  #missing = -1
  #isOver = false
  /** The upstream broke in the middle of its answer. */
  #isCut = false

  constructor(client: ClientConnection, request: IncomingMessage, response: ServerResponse) {
    this.#client = client
    this.request = request
    this.#response = response
  }

  start(): void {
    this.#response.on('close', () => this.#end())
    const destination = findDestination(this.#client, this.request)
    if (destination.kind === 'refusal') this.#refuse(destination.status)
    else if (destination.kind === 'answer') this.#answer(destination)
    else this.#forward(destination)
  }

  fail(status: number): void {
    this.#abort()
    if (this.#response.headersSent) this.#client.socket.destroy()
    else this.#refuse(status)
  }

  idle(): void {
    if (!this.request.complete) this.fail(408)
    else if (this.#response.headersSent && this.#response.writableLength + this.#client.socket.writableLength > 0)
      this.#client.socket.destroy()
    // Else it is the upstream that is silent, and undici's clock that runs.
  }

  shed(): void {
    this.#client.traffic.refused += 1
    this.#stopWaiting()
    this.#client.socket.destroy()
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller
    if (this.#isOver) controller.abort(new Error('the client is gone'))
  }

  onResponseStart(controller: Controller, status: number, headers: IncomingHttpHeaders, text?: string): void {
    if (status < 200 || this.#isOver) return
    this.#status = status
    this.#missing = Number(headers['content-length'] ?? -1)
    this.#upstream?.answered(status, performance.now())
    if (this.#client.isLeaving) this.#response.shouldKeepAlive = false
    this.#response.writeHead(status, text ?? '', answerHeaders(controller.rawHeaders as Buffer[]))
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    // An answer that came in one piece leaves in one piece, with its head: as text of the same bytes, Node writes both at once.
    if (chunk.length === this.#missing && chunk.length <= onePieceBytes) {
      this.#response.end(chunk.toString('latin1'), 'latin1')
      return
    }
    this.#missing = -1
    if (this.#response.write(chunk)) return
    controller.pause()
    this.#waitForReader()
    this.#response.once('drain', () => {
      this.#stopWaiting()
      controller.resume()
    })
  }

  onResponseEnd(controller: Controller): void {
    const trailers = controller.rawTrailers as Buffer[] | undefined
    if (trailers !== undefined && trailers.length > 0) this.#response.addTrailers(pairs(answerHeaders(trailers)))
    this.#release(true)
    if (!this.#response.writableEnded) this.#response.end()
    if (this.#body instanceof RequestBody && !this.request.complete) this.#body.discard()
  }

  onResponseError(_controller: Controller, error: Error): void {
    const upstream = this.#upstream
    const isReused = this.#connection?.isReused === true
    this.#release(false)
    if (this.#isOver || upstream === null) return
    const { code } = error as NodeJS.ErrnoException
    // A target or header that undici does not send at all: the client's fault, whatever it is.
    if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') return this.#refuse(400)
    const isStale = isReused && this.#status === 0 && code !== 'UND_ERR_HEADERS_TIMEOUT'
    if (isStale && this.#mayRepeat()) return this.#meetStale()
    upstream.fail(performance.now())
    if (this.#response.headersSent) {
      this.#isCut = true
      this.#client.socket.destroy()
      return
    }
    if (code === 'UND_ERR_HEADERS_TIMEOUT') return this.#giveUp(504)
    const isUnsent = wasNotSent(error)
    if (this.#tried.length < mostTries && (isUnsent || this.#mayRepeat())) return this.#sendAgain()
    this.#giveUp(isUnsent ? 503 : 502)
  }

  #waitForReader(): void {
    const { memory } = this.#client.traffic
    this.#unreadBytes = this.#response.writableLength + this.#client.socket.writableLength
    memory.stall(this)
    memory.hold(this.#unreadBytes, this)
  }

  #stopWaiting(): void {
    if (this.#unreadBytes === 0) return
    const { memory } = this.#client.traffic
    memory.goOn(this)
    memory.release(this.#unreadBytes)
    this.#unreadBytes = 0
  }

  /** An answer of our own. */
  #answer({ status, head, headers, body }: Extract<Destination, { readonly kind: 'answer' }>): void {
    // A body that nobody wants is read and thrown away only while it is short.
    if (head.length === 'chunked' || (head.length ?? 0) > keptBodyBytes) return this.#refuse(status)
    this.#status = status
    this.request.resume()
    const text = body ?? (status === 204 ? '' : shortBody(status))
    const length = status === 204 ? [] : ['content-length', String(Buffer.byteLength(text))]
    this.#response.writeHead(status, [...headers, 'content-type', 'text/plain', ...length]).end(text)
  }

  #refuse(status: number): void {
    this.#status = status
    if (this.#body instanceof RequestBody) this.#body.discard()
    this.#client.refuse(status)
  }

  #forward(destination: Extract<Destination, { readonly kind: 'pool' }>): void {
    const { pool, head } = destination
    this.#destination = destination
    pool.tally.requests += 1
    pool.tally.active += 1
    if (head.length === null || head.length === 0) return this.#send()
    if (head.expectsContinue) this.#response.writeContinue()
    const body = new RequestBody(this.request, this.#client.traffic, (status) => this.fail(status))
    this.#body = body
    this.#incoming = body
    if (head.length === 'chunked' || head.length > keptBodyBytes || !body.reserve(head.length)) this.#send()
    else
      body.collect((whole) => {
        this.#body = whole
        this.#send()
      })
  }

  #send(): void {
    const destination = this.#destination
    if (destination === null || this.#isOver) return
    const { pool, head, target } = destination
    const now = performance.now()
    const upstream = pool.pick(this.#tried, now, Math.random())
    if (upstream === null) return this.#giveUp(503)
    const body = this.#body instanceof RequestBody ? this.#body.open() : this.#body
    if (body === null && this.#body !== null) return this.#giveUp(502)
    this.#upstream = upstream
    upstream.active += 1
    upstream.requests += 1
    const connection = this.#connect(upstream, pool)
    this.#connection = connection
    const { idleTimeoutMs } = this.#client.traffic.limits
    const method = this.request.method as Dispatcher.HttpMethod
    const times = { headersTimeout: idleTimeoutMs, bodyTimeout: idleTimeoutMs }
    connection.client.dispatch({ path: target, method, headers: head.headers, body, ...times }, this)
  }

  /**
   * An upstream may close an idle connection at the very moment at which a request is sent over it, and nobody can tell whether that was
   * carried out. So only what can be sent again is sent over one, and only at first.
   */
  #connect(upstream: UpstreamState, { spec: { sendProxy } }: PoolState): Connection {
    const open = (): Connection => upstream.open(sendProxy ? renderProxyHeader(this.#client.endpoints) : null)
    this.#isAlone = this.#wasStale || this.#tried.length > 0 || !this.#mayRepeat() || this.#body instanceof RequestBody
    if (this.#isAlone) return open()
    return sendProxy ? this.#client.dedicated(upstream, open) : upstream.take()
  }

  /** Whether what may have been executed may be sent again. Whether it can be, its body decides. */
  #mayRepeat(): boolean {
    return this.#destination?.pool.spec.retry === 'all' || idempotent.has(this.request.method ?? '')
  }

  /** No failure of the upstream's, and no reason to ask another one. */
  #meetStale(): void {
    this.#wasStale = true
    this.#tried.pop()
    if (this.#destination !== null) this.#destination.pool.tally.retried += 1
    this.#send()
  }

  #sendAgain(): void {
    const pool = this.#destination?.pool
    if (pool === undefined) return
    pool.tally.retried += 1
    const next = pool.pick(this.#tried, performance.now(), Math.random())
    if (next !== null && this.#tried.includes(next)) setTimeout(() => this.#send(), samePauseMs * this.#tried.length)
    else this.#send()
  }

  #giveUp(status: number): void {
    const head = this.#destination?.head
    if (head !== undefined) this.#answer({ kind: 'answer', status, head, headers: [], body: null })
  }

  /** The upstream has no more to do with it. */
  #release(isWell: boolean): void {
    const [upstream, connection] = [this.#upstream, this.#connection]
    if (upstream === null || connection === null) return
    this.#upstream = null
    this.#connection = null
    this.#controller = null
    this.#tried.push(upstream)
    upstream.active -= 1
    if (this.#body instanceof RequestBody) this.#body.detach()
    if (!isWell) {
      this.#client.forget(upstream)
      close(connection)
    } else if (this.#isAlone) close(connection)
    else if (this.#destination?.pool.spec.sendProxy === true) connection.isReused = true
    else upstream.give(connection)
  }

  #abort(): void {
    this.#isOver = true
    this.#controller?.abort(new Error('the client is gone'))
  }

  /** The answer has been sent, or the connection is closed: once for each exchange. */
  #end(): void {
    if (!this.#isOver && !this.#response.writableFinished) this.#abort()
    this.#isOver = true
    this.#incoming?.close()
    this.#stopWaiting()
    this.#count()
    this.#client.next()
  }

  #count(): void {
    const { traffic, origin } = this.#client
    const durationMs = performance.now() - this.#startedAt
    const { bytesIn, bytesOut } = this.#client.countBytes()
    const tally = this.#destination?.pool.tally
    if (tally !== undefined) {
      tally.active -= 1
      tally.bytesIn += bytesIn
      tally.bytesOut += bytesOut
      tally.answered(this.#status)
      tally.took(durationMs)
      if (this.#status >= 500 || this.#isCut) tally.failed += 1
    }
    if (!traffic.log.isOn) return
    const { method = '', url = '', headers } = this.request
    const host = this.#client.entrance.router.match(headers.host ?? '').name ?? ''
    const about = { method, host, target: url, status: this.#status }
    traffic.log.add({
      address: origin.address,
      request: about,
      bytesOut,
      durationMs,
      upstream: this.#tried.at(-1)?.spec.id ?? null,
    })
  }
}

function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, index) => [flat[2 * index] ?? '', flat[2 * index + 1] ?? ''])
}
