/**
 * The clients' side: listening sockets in front of one HTTP server, to which they hand their connections. So a listener can come, go and
 * change while connections live, and the same limits hold for all of them.
 */

import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Listener, RoutingTable } from '../../../core/balance/table.ts'
import { createServer as createHttpServer } from '../../../system/node-http.ts'
import type { Certificates } from './certificates.ts'
import { ClientConnection } from './client.ts'
import { mostHeaders } from '../requests/destination.ts'
import { Exchange } from '../requests/exchange.ts'
import type { Listen } from './listen.ts'
import { parseProxyHeader, type Endpoints } from './proxy-protocol.ts'
import { Router } from '../requests/route.ts'
import type { Traffic } from '../requests/traffic.ts'
import { tunnel } from '../requests/tunnel.ts'
import { isWebSocket, upgrade } from '../requests/upgrade.ts'

/** How often connections are looked through for those whose header has not come in time. */
const checkHeadersMs = 500
/** Connections beyond the limit that wait unread, as they would in the kernel for a program that does not accept them. */
const mostWaiting = 4096

/** A port that could not be had. */
export interface TakenPort {
  readonly port: number
  readonly code: string
}

interface Door {
  readonly server: Server
  address: string
  spec: Listener
  router: Router
  readonly clients: Set<ClientConnection>
}

const ownClient = Symbol('the client connection of a socket')
type ClientSocket = Socket & { [ownClient]?: ClientConnection }
/** What Node documents and its types do not know. */
type LooseHttpServer = HttpServer & { maxHeaderSize: number; httpAllowHalfOpen: boolean }

export class Front {
  readonly #traffic: Traffic
  readonly #certificates: Certificates
  readonly #doors = new Map<number, Door>()
  #waiting: { readonly door: Door; readonly socket: Socket }[] = []
  readonly #http: LooseHttpServer
  readonly #listen: Listen

  constructor(traffic: Traffic, certificates: Certificates, listen: Listen) {
    this.#traffic = traffic
    this.#listen = listen
    this.#certificates = certificates
    this.#http = this.#makeHttp()
  }

  /** Binds what is new, changes what is there, closes what is gone. Each port stands for itself. */
  async apply(table: RoutingTable): Promise<readonly TakenPort[]> {
    const { limits, address } = table.settings
    this.#setLimits(limits)
    this.#admitWaiting()
    const wanted = new Map(table.listeners.map((listener) => [listener.port, listener]))
    for (const [port, door] of this.#doors) if (!wanted.has(port) || door.address !== address) this.#close(port, door)
    const taken = await Promise.all(table.listeners.map((listener) => this.#open(listener, address)))
    return taken.filter((each) => each !== null)
  }

  /** One that was accepted elsewhere, with nothing read of it. */
  meet(port: number, socket: Socket): void {
    const door = this.#doors.get(port)
    if (door === undefined) return void socket.destroy()
    socket.allowHalfOpen = true
    this.#meet(door, socket.setNoDelay(true).setKeepAlive(true))
  }

  /** Accepts nothing more; resolves when the last connection has ended, or the limit has passed. */
  async end(limitMs: number): Promise<void> {
    for (const [port, door] of this.#doors) this.#close(port, door)
    const end = performance.now() + limitMs
    while (this.#traffic.connections > 0 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 20))
  }

  async #open(spec: Listener, address: string): Promise<TakenPort | null> {
    const known = this.#doors.get(spec.port)
    if (known !== undefined) {
      known.spec = spec
      known.router = new Router(spec)
      return null
    }
    const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true, pauseOnConnect: true })
    const door: Door = { server, address, spec, router: new Router(spec), clients: new Set() }
    server.on('connection', (socket) => this.#meet(door, socket))
    this.#doors.set(spec.port, door)
    const code = await this.#listen(server, spec.port, address)
    if (code === null) return null
    if (this.#doors.get(spec.port) === door) this.#doors.delete(spec.port)
    return { port: spec.port, code }
  }

  #close(port: number, door: Door): void {
    this.#doors.delete(port)
    door.server.close()
    for (const { socket } of this.#waiting.filter((each) => each.door === door)) socket.destroy()
    this.#waiting = this.#waiting.filter((each) => each.door !== door)
    for (const client of door.clients) if (door.spec.protocol === 'http') client.leave()
  }

  #meet(door: Door, socket: Socket): void {
    const traffic = this.#traffic
    socket.on('error', () => undefined)
    if (traffic.connections < traffic.limits.connections) this.#admit(door, socket)
    else if (this.#waiting.length < mostWaiting) this.#waiting.push({ door, socket })
    else {
      traffic.refused += 1
      socket.destroy()
    }
  }

  /** One that has gone away meanwhile is found out when it is read. */
  #admitWaiting(): void {
    while (this.#traffic.connections < this.#traffic.limits.connections) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      if (!next.socket.destroyed) this.#admit(next.door, next.socket)
    }
  }

  #admit(door: Door, socket: Socket): void {
    const traffic = this.#traffic
    traffic.connections += 1
    socket.once('close', () => {
      traffic.connections -= 1
      this.#admitWaiting()
    })
    begin(socket)
    const endpoints: Endpoints = {
      sourceAddress: plainAddress(socket.remoteAddress),
      sourcePort: socket.remotePort ?? 0,
      destinationAddress: plainAddress(socket.localAddress),
      destinationPort: socket.localPort ?? door.spec.port,
    }
    if (door.spec.acceptProxy) this.#readProxyHeader(door, socket, endpoints)
    else this.#greet(door, socket, endpoints)
  }

  #readProxyHeader(door: Door, socket: Socket, own: Endpoints): void {
    let bytes = Buffer.alloc(0)
    const refuse = (): void => {
      this.#traffic.refused += 1
      socket.destroy()
    }
    const breakOff = (): void => void socket.destroy()
    const timer = setTimeout(refuse, this.#traffic.limits.headerTimeoutMs)
    socket.once('close', () => clearTimeout(timer))
    const hear = (): void => {
      const chunk = socket.read() as Buffer | null
      if (chunk === null) return
      bytes = Buffer.concat([bytes, chunk])
      const found = parseProxyHeader(bytes)
      if (found.kind === 'more') return
      clearTimeout(timer)
      socket.off('readable', hear).off('end', breakOff)
      if (found.kind === 'bad') return refuse()
      if (found.bytes < bytes.length) socket.unshift(bytes.subarray(found.bytes))
      this.#greet(door, socket, found.endpoints ?? own)
    }
    socket.on('readable', hear)
    // Only while the header is missing: behind it, who has said all may still listen.
    socket.once('end', breakOff)
  }

  #greet(door: Door, socket: Socket, endpoints: Endpoints): void {
    if (door.spec.tls) this.#encrypt(door, socket, endpoints)
    else this.#serve(door, socket, endpoints)
  }

  /** HTTP/2 is not offered. Half-open connections stay possible: it inherits that from the socket below. */
  #encrypt(door: Door, socket: Socket, endpoints: Endpoints): void {
    const certificates = this.#certificates
    const first = certificates.find('')
    const refuse = (): void => {
      this.#traffic.refused += 1
      socket.destroy()
    }
    if (first === null) return refuse()
    const tls = new TLSSocket(socket, {
      isServer: true,
      secureContext: first,
      SNICallback: (name, done) => done(null, certificates.find(name) ?? first),
      ALPNProtocols: ['http/1.1'],
    })
    const timer = setTimeout(refuse, this.#traffic.limits.headerTimeoutMs)
    tls.once('close', () => clearTimeout(timer))
    tls.once('error', refuse)
    tls.once('secure', () => {
      clearTimeout(timer)
      tls.off('error', refuse)
      tls.on('error', () => undefined)
      this.#serve(door, tls, endpoints)
    })
  }

  #serve(door: Door, socket: Socket, endpoints: Endpoints): void {
    const client = new ClientConnection(socket, { spec: door.spec, router: door.router }, this.#traffic, endpoints)
    door.clients.add(client)
    socket.once('close', () => {
      door.clients.delete(client)
      client.closed()
    })
    if (door.spec.protocol === 'tcp') {
      const action = door.spec.rules[0]?.action
      tunnel(client, action?.kind === 'pool' ? this.#traffic.pool(action.pool) : undefined)
      return
    }
    const known: ClientSocket = socket
    known[ownClient] = client
    this.#http.emit('connection', socket)
    client.parse()
  }

  #makeHttp(): LooseHttpServer {
    const http = createHttpServer({
      connectionsCheckingInterval: checkHeadersMs,
      requestTimeout: 0,
      keepAliveTimeoutBuffer: 0,
      noDelay: true,
      requireHostHeader: true,
      shouldUpgradeCallback: isWebSocket,
    }) as LooseHttpServer
    http.httpAllowHalfOpen = true
    // One more than are taken, and no silence about the others: anything that has so many is refused.
    http.maxHeadersCount = mostHeaders + 1
    const hear = (request: IncomingMessage, response: ServerResponse): void => {
      const client = (request.socket as ClientSocket)[ownClient]
      client?.submit(new Exchange(client, request, response))
    }
    http.on('request', hear)
    http.on('checkContinue', hear)
    http.on('checkExpectation', (request) => (request.socket as ClientSocket)[ownClient]?.misunderstand(417))
    http.on('connect', (_request, socket: ClientSocket) => {
      socket.on('error', () => undefined)
      socket[ownClient]?.leaveHttp()
      if (socket[ownClient]?.isBusy === false) socket[ownClient].refuse(405)
      else socket.destroy()
    })
    http.on('upgrade', (request, socket: ClientSocket, head) => {
      const client = socket[ownClient]
      if (client === undefined || client.isBusy) socket.destroy()
      else upgrade(client, request, Buffer.concat([head, client.leaveHttp()]))
    })
    http.on('timeout', (socket: ClientSocket) => socket[ownClient]?.idle())
    http.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const client = (socket as ClientSocket)[ownClient]
      const status = statusOf(error.code)
      if (client === undefined || status === null) socket.destroy()
      else client.misunderstand(status)
    })
    // Its connections come from elsewhere: this is what makes it look after their header time-out.
    http.emit('listening')
    return http
  }

  #setLimits(limits: RoutingTable['settings']['limits']): void {
    this.#http.timeout = limits.idleTimeoutMs
    this.#http.keepAliveTimeout = limits.idleTimeoutMs
    this.#http.headersTimeout = limits.headerTimeoutMs
    this.#http.maxHeaderSize = limits.headerBytes
  }
}

function statusOf(code: string | undefined): number | null {
  if (code === 'HPE_HEADER_OVERFLOW') return 431
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 408
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return 413
  return code?.startsWith('HPE_') === true ? 400 : null
}

/** As if it had never been paused: it reads ahead, and anything that wants its bytes may come later. `resume` would throw them away until then. */
function begin(socket: Socket): void {
  const unheard: { readableFlowing: boolean | null } = socket
  unheard.readableFlowing = null
  socket.read(0)
}

const plainAddress = (address: string | undefined): string => (address ?? '').replace(/^::ffff:(?=\d+\.)/, '')
