/**
 * One upstream as the process knows it: how much it has under way, whether its failures have put it aside, and its connections. A
 * connection carries one request at a time, and is an undici client of its own, so that we decide which one is used.
 */

import { createRequire } from 'node:module'
import { connect, type Socket } from 'node:net'
import type { buildConnector, Client as UndiciClient } from 'undici'
import type { Upstream } from '../../../core/balance/table.ts'
import type { UpstreamCounters } from '../../../ports/traffic/balancer.ts'

/** Failures in a row that put an upstream aside: a connection that breaks once may be bad luck, three are not. */
const failuresToEject = 3
/** An answer 5xx may be the fault of the one URL that is asked again and again, so more of them are needed. */
const answerWeight = 0.3
/** Doubled with each further failure: long enough to matter, short enough that one that is well again is soon used. */
const ejectionMs = 1000
const longestEjectionMs = 16_000
/** A loopback or a neighbour: who has not accepted by then will not. */
const connectTimeoutMs = 3000
/** Idle connections that are kept for an upstream which does not say how long it keeps them. */
const keptIdleMs = 3000
/** An upstream's own word on it counts up to this. */
const longestIdleMs = 30_000
/** The one class of undici that we need, from its own file: the whole package is 8 MB of memory more, in a process that promises less than 100. */
const Client = createRequire(import.meta.url)('undici/lib/dispatcher/client.js') as typeof UndiciClient

export interface Connection {
  readonly client: UndiciClient
  /** It has carried a request before: its upstream may have closed it by now. */
  isReused: boolean
}

/** What broke before a byte was sent carries this mark: it may always be tried elsewhere. */
const notSent = Symbol('nothing was sent')
export const wasNotSent = (error: unknown): boolean => (error as { [notSent]?: true })[notSent] === true

export class UpstreamState {
  spec: Upstream
  requests = 0
  failed = 0
  active = 0
  readonly #idle: Connection[] = []
  #failuresInRow = 0
  #ejectedUntil = 0
  #isLeaving = false

  constructor(spec: Upstream) {
    this.spec = spec
  }

  /** What went well makes it as good as new. */
  succeed(): void {
    this.#failuresInRow = 0
    this.#ejectedUntil = 0
  }

  answered(status: number, now: number): void {
    if (status < 500) this.succeed()
    else this.#count(answerWeight, now)
  }

  fail(now: number): void {
    this.#count(1, now)
  }

  isEjected(now: number): boolean {
    return this.#ejectedUntil > now
  }

  /** The most lately used one that is idle, so that the others can be given up; a new one where there is none. */
  take(): Connection {
    return this.#idle.pop() ?? this.open(null)
  }

  /** `header` is what goes in front of everything else. */
  open(header: Buffer | null): Connection {
    const { host, port } = this.spec
    const client = new Client(`http://${host.includes(':') ? `[${host}]` : host}:${port}`, {
      connect: connector(header),
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: keptIdleMs,
      keepAliveMaxTimeout: longestIdleMs,
      keepAliveTimeoutThreshold: 1000,
      maxHeaderSize: 64 * 1024,
    })
    const connection = { client, isReused: false }
    client.on('disconnect', () => this.#forget(connection))
    return connection
  }

  give(connection: Connection): void {
    if (this.#isLeaving) return close(connection)
    connection.isReused = true
    this.#idle.push(connection)
  }

  /** Whether it is wanted no more: what it has under way may end, and nothing is kept for later. */
  leave(isLeaving: boolean): void {
    this.#isLeaving = isLeaving
    if (isLeaving) for (const connection of this.#idle.splice(0)) close(connection)
  }

  look(now: number): UpstreamCounters {
    return { requests: this.requests, failed: this.failed, active: this.active, isEjected: this.isEjected(now) }
  }

  #count(weight: number, now: number): void {
    this.failed += 1
    this.#failuresInRow += weight
    const beyond = this.#failuresInRow - failuresToEject
    if (beyond >= 0) this.#ejectedUntil = now + Math.min(longestEjectionMs, ejectionMs * 2 ** beyond)
  }

  #forget(connection: Connection): void {
    const index = this.#idle.indexOf(connection)
    if (index < 0) return
    this.#idle.splice(index, 1)
    close(connection)
  }
}

export function close({ client }: Connection): void {
  client.destroy().catch(() => undefined)
}

/** undici's own way to connect reads URLs and knows TLS; ours knows an address. */
function connector(header: Buffer | null): buildConnector.connector {
  return (target, done) => {
    openSocket({ host: target.hostname.replace(/^\[|\]$/g, ''), port: Number(target.port || 80) }, (error, socket) => {
      if (socket === null) return done(error ?? new Error('no connection'), null)
      if (header !== null) socket.write(header)
      return done(null, socket)
    })
  }
}

/** Calls back once, with a socket that is connected, or with an error that {@link wasNotSent}. */
export function openSocket(
  address: { readonly host: string; readonly port: number; readonly allowHalfOpen?: boolean },
  done: (error: Error | null, socket: Socket | null) => void,
): void {
  const socket = connect({ ...address, noDelay: true, autoSelectFamily: false })
  const timer = setTimeout(() => socket.destroy(new Error('no connection in time')), connectTimeoutMs)
  const fail = (error: Error): void => {
    clearTimeout(timer)
    done(Object.assign(error, { [notSent]: true }), null)
  }
  socket.once('error', fail)
  socket.once('connect', () => {
    clearTimeout(timer)
    socket.off('error', fail)
    // Whoever gets it listens for itself; between the two nothing may be thrown.
    socket.on('error', () => undefined)
    done(null, socket)
  })
}
