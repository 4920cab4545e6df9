/**
 * The part that stays root: it opens ports and reads certificates for the worker, and hears the daemon. It never reads a stranger's byte;
 * its only strangers are the worker's messages, of which it does what the daemon's table allows. When the worker ends it ends too, and
 * the slot restarts: decision 23.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import type { RoutingTable } from '../../core/balance/table.ts'
import type { Controlled, Shortfall } from './control.ts'
import { listenHere } from './clients/listen.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import type { Counters } from './requests/traffic.ts'

/** It loads its program, on a busy machine. */
const readyMs = 60_000
/** Three times what the usual limit of connections needs. */
const mostFiles = 65_536
/** Its threads; it starts no process. */
const mostTasks = 256

/** They hold for what the shell becomes; none of them is worth not beginning at all. */
const limits = `{ ulimit -c 0; ulimit -p ${mostTasks}; ulimit -n ${mostFiles}; } 2>/dev/null; exec "$@"`

/** Resolves when the worker has given its privileges up. */
export async function startWorker(directory: string, entry: string = process.argv[1] ?? ''): Promise<Controlled> {
  const worker = spawnWorker(directory, entry)
  const parent = new Parent(worker)
  await parent.whenReady(AbortSignal.timeout(readyMs))
  return parent
}

function spawnWorker(directory: string, entry: string): ChildProcess {
  const program = [process.execPath, ...process.execArgv, entry, directory, 'worker']
  const words = ['-c', limits, 'sh', ...withoutNewPrivileges(), ...program]
  return spawn('/bin/sh', words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
}

/** `no_new_privs` (prctl(2)): no program that it might run gives it any. */
function withoutNewPrivileges(): readonly string[] {
  for (const path of ['/usr/bin/setpriv', '/bin/setpriv']) {
    try {
      accessSync(path, constants.X_OK)
      return [path, '--no-new-privs', '--']
    } catch {
      continue
    }
  }
  return []
}

class Parent implements Controlled {
  readonly lost: Promise<never>
  readonly #worker: ChildProcess
  readonly #waiting = new Map<
    number,
    { readonly resolve: (answer: FromWorker) => void; readonly reject: (error: Error) => void }
  >()
  readonly #ready = Promise.withResolvers<void>()
  /** By file: the digest under which the worker has it. */
  readonly #sent = new Map<string, string>()
  #asked = 0
  #table: RoutingTable | null = null
  readonly #lost = Promise.withResolvers<never>()

  constructor(worker: ChildProcess) {
    this.#worker = worker
    this.lost = this.#lost.promise
    this.lost.catch(() => undefined)
    worker.on('message', (message: FromWorker) => this.#hear(message))
    worker.on('error', (error) => this.#lose(error))
    worker.on('exit', (code, signal) => {
      this.#lose(new Error(`the worker has ended (${signal ?? code})`))
    })
  }

  async whenReady(limit: AbortSignal): Promise<void> {
    limit.addEventListener('abort', () => this.#ready.reject(new Error('the worker does not start')))
    await this.#ready.promise
  }

  async apply(table: RoutingTable): Promise<Shortfall> {
    this.#table = table
    const pems: Record<string, string> = {}
    for (const { file, digest } of table.certificates) {
      if (this.#sent.get(file) === digest) continue
      try {
        pems[file] = readFileSync(file, 'utf8')
        this.#sent.set(file, digest)
      } catch {
        // The worker goes on with what it had, and says that this one did not come.
      }
    }
    for (const file of this.#sent.keys()) if (!table.certificates.some((each) => each.file === file)) this.#sent.delete(file)
    const answer = await this.#ask((id) => ({ kind: 'apply', id, table, pems }))
    if (answer.kind !== 'applied') throw new Error('the worker answered something else')
    return answer.shortfall
  }

  async look(): Promise<Counters> {
    const answer = await this.#ask((id) => ({ kind: 'look', id }))
    if (answer.kind !== 'counters') throw new Error('the worker answered something else')
    return answer.counters
  }

  async end(limitMs: number): Promise<void> {
    const gone = once(this.#worker, 'exit')
    this.#send({ kind: 'end' })
    const timer = setTimeout(() => this.#worker.kill('SIGKILL'), limitMs + 1000)
    if (this.#worker.exitCode === null && this.#worker.signalCode === null) await gone
    clearTimeout(timer)
  }

  /** Nothing that was asked of it will be answered. */
  #lose(error: Error): void {
    this.#ready.reject(error)
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
    this.#lost.reject(error)
  }

  #ask(question: (id: number) => ToWorker): Promise<FromWorker> {
    const id = (this.#asked += 1)
    const { promise, resolve, reject } = Promise.withResolvers<FromWorker>()
    this.#waiting.set(id, { resolve, reject })
    this.#send(question(id))
    return promise
  }

  #hear(message: FromWorker): void {
    if (message.kind === 'ready') return this.#ready.resolve()
    if (message.kind === 'listen') return void this.#open(message)
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.kind === 'failed') waiting?.reject(new Error(message.problem))
    else waiting?.resolve(message)
  }

  /** Whoever connects while the socket changes hands is handed over behind it. */
  async #open({ id, port, address }: Extract<FromWorker, { readonly kind: 'listen' }>): Promise<void> {
    const table = this.#table
    const isAllowed = table?.settings.address === address && table.listeners.some((listener) => listener.port === port)
    if (!isAllowed) return this.#send({ kind: 'port', id, code: 'EPERM' })
    const early: Socket[] = []
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      socket.on('error', () => undefined)
      early.push(socket)
    })
    const code = await listenHere(server, port, address)
    if (code !== null) return this.#send({ kind: 'port', id, code })
    this.#worker.send({ kind: 'port', id, code: null } satisfies ToWorker, server, () => {
      server.close()
      for (const socket of early) this.#worker.send({ kind: 'connection', port } satisfies ToWorker, socket)
    })
  }

  #send(message: ToWorker): void {
    if (this.#worker.connected) this.#worker.send(message)
  }
}
