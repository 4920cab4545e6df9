/**
 * A balancer as its contract test sees it: a state directory of its own, the program started as a child by the words of `prepare`,
 * real upstreams on loopback, and clients that retry nothing. Everything that it started ends with it.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { defaultBalancer as defaults } from '../../src/core/keys/balancer.ts'
import {
  upstreamId,
  type Listener,
  type Pool,
  type PoolId,
  type RoutingTable,
  type Rule,
  type Upstream,
} from '../../src/core/balance/table.ts'
import { asEpoch, asServiceName, slotId } from '../../src/core/model/id.ts'
import type { Balancer } from '../../src/ports/traffic/balancer.ts'
import { makeWorkshop } from '../clean-up.ts'
import { freePort } from '../free-ports.ts'
import { until } from '../processes.ts'

export type MakeBalancer = (stateDirectory: string) => Balancer

export interface Bed extends AsyncDisposable {
  readonly state: string
  readonly balancer: Balancer
  /** What the program has written to its standard output and error. */
  log(): string
  /** Starts the program on the table, and waits until it serves. */
  start(table: RoutingTable): Promise<void>
  /** A free port, given out once. */
  freePort(): Promise<number>
  serve(handler?: Handler, onUpgrade?: OnUpgrade): Promise<TestUpstream>
  /** A process of its own, for what is done to processes. */
  program(index?: number): Promise<ProgramUpstream>
  /** With `isHalfOpen` it may still speak when the other side has said all. */
  tcp(onConnection: (socket: Socket) => void, isHalfOpen?: boolean): Promise<TcpUpstream>
  /** Kills the program as `kill -9` does, and waits until it is gone. */
  kill(): Promise<void>
  /** Of the program's first process. */
  pid(): number
  /** The file below the bed's folder, for anything that needs one. */
  file(name: string): string
}

export type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void

export type OnUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

export interface TestUpstream {
  readonly port: number
  readonly upstream: Upstream
  /** What has been executed: each request's `x-request-id`, or its URL. */
  readonly executed: string[]
  readonly requests: IncomingMessage[]
  close(): Promise<void>
}

export interface ProgramUpstream {
  readonly upstream: Upstream
  readonly child: ChildProcess
  executed(): readonly string[]
}

export interface TcpUpstream {
  readonly upstream: Upstream
}

export function openBed(make: MakeBalancer): Bed {
  const workshop = makeWorkshop()
  const state = join(workshop, 'state')
  mkdirSync(state, { mode: 0o700 })
  const balancer = make(state)
  const logFile = join(workshop, 'balancer.log')
  const closers: (() => Promise<void>)[] = []
  let [slots, child] = [0, null as ChildProcess | null]
  const nextUpstream = (port: number): Upstream => makeUpstream((slots += 1), port)

  async function end(): Promise<void> {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    // The whole group: HAProxy's workers would outlive their master for a while.
    process.kill(-(child.pid ?? 0), 'SIGKILL')
    await gone
  }

  return {
    state,
    balancer,
    log: () => readFileSync(logFile, 'utf8'),
    file: (name) => join(workshop, name),
    async start(table) {
      const { command, directory, environment } = await balancer.prepare(table)
      const [program = '', ...args] = command
      const log = openSync(logFile, 'a')
      child = spawn(program, args, { cwd: directory, env: environment, stdio: ['ignore', log, log], detached: true })
      closeSync(log)
      await once(child, 'spawn')
      await until('the balancer answers', 10_000, async () => balancer.observe().catch(() => null))
      for (const { port } of table.listeners) await until(`port ${port} is open`, 5000, () => isOpen(port))
    },
    kill: end,
    pid: () => child?.pid ?? 0,
    freePort,
    async serve(handler = answerPlainly, onUpgrade) {
      const executed: string[] = []
      const requests: IncomingMessage[] = []
      const server = createServer((request, response) => {
        const chunks: Buffer[] = []
        request.on('data', (chunk: Buffer) => chunks.push(chunk))
        request.on('error', () => undefined)
        request.on('end', () => {
          executed.push((request.headers['x-request-id'] as string | undefined) ?? request.url ?? '')
          requests.push(request)
          handler(request, response, Buffer.concat(chunks).toString('utf8'))
        })
      })
      server.keepAliveTimeout = 60_000
      const tunnels = new Set<Duplex>()
      if (onUpgrade !== undefined)
        server.on('upgrade', (request, socket, head) => {
          tunnels.add(socket)
          onUpgrade(request, socket, head)
        })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const close = async (): Promise<void> => {
        if (!server.listening) return
        const closed = once(server, 'close')
        server.close()
        server.closeAllConnections()
        for (const tunnel of tunnels) tunnel.destroy()
        await closed
      }
      closers.push(close)
      return { port, upstream: nextUpstream(port), executed, requests, close }
    },
    async program(index) {
      const record = join(workshop, `executed-${closers.length}`)
      const script = join(import.meta.dirname, '../fixtures/upstream.mjs')
      const upstream = spawn(process.execPath, [script, record], { stdio: ['ignore', 'pipe', 'inherit'] })
      closers.push(async () => {
        if (upstream.exitCode !== null || upstream.signalCode !== null) return
        const gone = once(upstream, 'exit')
        upstream.kill('SIGKILL')
        await gone
      })
      const [line] = (await once(upstream.stdout, 'data')) as [Buffer]
      const port = Number(line.toString('utf8'))
      return {
        upstream: index === undefined ? nextUpstream(port) : makeUpstream(index, port),
        child: upstream,
        executed: () => readFileSync(record, 'utf8').split('\n').filter(Boolean),
      }
    },
    async tcp(onConnection, isHalfOpen = false) {
      const sockets = new Set<Socket>()
      const server: TcpServer = createTcpServer({ allowHalfOpen: isHalfOpen }, (socket) => {
        sockets.add(socket)
        socket.on('error', () => undefined)
        socket.on('close', () => sockets.delete(socket))
        onConnection(socket)
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      closers.push(async () => {
        const closed = once(server, 'close')
        server.close()
        for (const socket of sockets) socket.destroy()
        await closed
      })
      return { upstream: nextUpstream((server.address() as AddressInfo).port) }
    },
    async [Symbol.asyncDispose]() {
      await end()
      for (const close of closers) await close()
      rmSync(workshop, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Answers with 200 and who it is, whatever the request. */
const answerPlainly: Handler = (request, response) => {
  const port = request.socket.localPort ?? 0
  response.writeHead(200, { 'content-type': 'text/plain', 'x-served-by': String(port) }).end(`served by ${port}`)
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

export const web: PoolId = asServiceName('web')

export function makeUpstream(index: number, port: number): Upstream {
  const slot = slotId(web, index)
  const epoch = asEpoch(2 ** 20 + index)
  return { id: upstreamId(slot, epoch), slot, epoch, host: '127.0.0.1', port, state: 'active', isCanary: false }
}

export const draining = (upstream: Upstream): Upstream => ({ ...upstream, state: 'draining' })
export const asCanary = (upstream: Upstream): Upstream => ({ ...upstream, isCanary: true })

export const toPool = (pool: PoolId): Rule['action'] => ({ kind: 'pool', pool })

export function pool(upstreams: readonly Upstream[], more: Partial<Pool> = {}): Pool {
  const sorted = upstreams.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  return { id: web, protocol: 'http', sendProxy: false, retry: 'safe', upstreams: sorted, canaryShare: null, ...more }
}

export function listener(port: number, more: Partial<Listener> = {}): Listener {
  const rules: readonly Rule[] = [{ domain: null, path: '/', action: toPool(web) }]
  return { port, protocol: 'http', tls: false, acceptProxy: false, rules, ...more }
}

export type Limits = RoutingTable['settings']['limits']

export function table(
  listeners: readonly Listener[],
  pools: readonly Pool[],
  more: Partial<Omit<RoutingTable, 'settings'>> & { readonly accessLog?: boolean; readonly limits?: Partial<Limits> } = {},
): RoutingTable {
  const { accessLog = false, limits, ...rest } = more
  return {
    settings: { address: '127.0.0.1', accessLog, limits: { ...defaults.limits, connections: 1000, ...limits } },
    listeners,
    pools,
    certificates: [],
    challenges: {},
    ...rest,
  }
}

/** One port, one pool. */
export const simple = (port: number, upstreams: readonly Upstream[], more: Parameters<typeof table>[2] = {}): RoutingTable =>
  table([listener(port)], [pool(upstreams)], more)

/** Sends the bytes as they are and collects what comes, until the other side closes, `isEnough` says so, or the limit. */
export async function rawExchange(
  port: number,
  bytes: string,
  options: { readonly limitMs?: number; readonly isEnough?: (text: string) => boolean } = {},
): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.setEncoding('latin1')
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => resolve())
    socket.on('error', () => resolve())
    socket.on('data', (chunk: string) => {
      text += chunk
      if (options.isEnough?.(text) === true) socket.destroy()
    })
  })
  const timer = setTimeout(() => socket.destroy(), options.limitMs ?? 5000)
  socket.write(bytes, 'latin1')
  await closed
  clearTimeout(timer)
  return text
}

export const statusOf = (answer: string): number => Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1] ?? 0)

export function assertRefused(answer: string, allowed: readonly number[], what: string): void {
  assert.ok(
    allowed.includes(statusOf(answer)),
    `${what}: wanted ${allowed.join(' or ')}, got ${JSON.stringify(answer.slice(0, 200))}`,
  )
}
