/** Sends requests at their moments over plain sockets, and keeps the account of what became of each. See `load.ts` for the words. */

import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AnswerReader, type Answer } from './answer.ts'
import { Histogram } from './histogram.ts'
import type { FailurePhase, LoadFailure, LoadOptions, LoadResult } from './load.ts'

const listedFailures = 1000
const tickMs = 1
const sweepMs = 50

interface Request {
  readonly id: string
  readonly method: 'GET' | 'POST'
  readonly dueAt: number
  readonly phase: Phase
}

interface Phase {
  readonly name: string
  readonly latency: Histogram
  failed: number
}

interface Connection {
  readonly socket: Socket
  readonly reader: AnswerReader
  isOpen: boolean
  uses: number
  request: Request | null
}

export class Generator {
  readonly done: Promise<LoadResult>
  readonly #options: Required<Omit<LoadOptions, 'serverName'>> & Pick<LoadOptions, 'serverName'>
  readonly #run = randomBytes(4).toString('hex')
  readonly #startedAt = performance.now()
  readonly #latency = new Histogram()
  readonly #lag = new Histogram()
  readonly #phases: Phase[] = []
  readonly #failures: LoadFailure[] = []
  readonly #byPhase: Partial<Record<FailurePhase, number>> = {}
  readonly #answeredBy: Record<string, number> = {}
  readonly #idle: Connection[] = []
  readonly #all = new Set<Connection>()
  readonly #queue: Request[] = []
  readonly #body: string
  readonly #tick: NodeJS.Timeout
  readonly #sweep: NodeJS.Timeout
  readonly #onFirst: () => void
  #isStopped = false
  #due = 0
  #posts = 0
  #answered = 0
  #failed = 0
  #opened = 0
  #closedIdle = 0
  #finish: (result: LoadResult) => void = () => {}

  constructor(options: LoadOptions, onFirst: () => void) {
    const defaults = { address: '127.0.0.1', host: 'localhost', path: '/', connections: 64, postShare: 0.2, bodyBytes: 100 }
    this.#options = { ...defaults, timeoutMs: 10_000, ...options }
    this.#body = 'x'.repeat(this.#options.bodyBytes)
    this.#onFirst = onFirst
    this.mark('start')
    this.done = new Promise((resolve) => (this.#finish = resolve))
    this.#tick = setInterval(() => this.#sendDue(), tickMs)
    this.#sweep = setInterval(() => this.#endLate(), sweepMs)
  }

  mark(name: string): void {
    this.#phases.push({ name, latency: new Histogram(), failed: 0 })
  }

  stop(): void {
    this.#isStopped = true
    clearInterval(this.#tick)
    this.#finishIfDone()
  }

  #sendDue(): void {
    const now = performance.now()
    const elapsed = Math.min(now - this.#startedAt, this.#options.seconds * 1000)
    const phase = this.#phases.at(-1)
    while (phase !== undefined && this.#due <= (elapsed / 1000) * this.#options.rate) {
      const dueAt = this.#startedAt + (this.#due / this.#options.rate) * 1000
      this.#lag.add(now - dueAt)
      this.#start(this.#makeRequest(dueAt, phase))
      this.#due += 1
    }
    if (now - this.#startedAt >= this.#options.seconds * 1000) this.stop()
  }

  /** POSTs at even distances, so that the share is exact and the ids have no gap. */
  #makeRequest(dueAt: number, phase: Phase): Request {
    const share = this.#options.postShare
    if (Math.floor((this.#due + 1) * share) === Math.floor(this.#due * share))
      return { id: `${this.#run}-g${this.#due - this.#posts}`, method: 'GET', dueAt, phase }
    this.#posts += 1
    return { id: `${this.#run}-p${this.#posts - 1}`, method: 'POST', dueAt, phase }
  }

  #start(request: Request): void {
    const connection = this.#idle.pop()
    if (connection !== undefined) this.#send(connection, request)
    else if (this.#all.size < this.#options.connections) this.#open(request)
    else this.#queue.push(request)
  }

  #open(request: Request): void {
    const { address, port, serverName } = this.#options
    const socket =
      serverName === undefined
        ? connect({ host: address, port, noDelay: true })
        : connectTls({ host: address, port, servername: serverName, rejectUnauthorized: false }).setNoDelay(true)
    const connection: Connection = { socket, reader: new AnswerReader(), isOpen: false, uses: 0, request }
    this.#all.add(connection)
    socket.once(serverName === undefined ? 'connect' : 'secureConnect', () => {
      this.#opened += 1
      connection.isOpen = true
      if (connection.request !== null) this.#write(connection, connection.request)
    })
    socket.on('data', (bytes: Buffer) => this.#hear(connection, bytes))
    socket.on('error', (error: NodeJS.ErrnoException) => this.#lose(connection, error.code ?? error.message))
    socket.on('end', () => this.#lose(connection, 'closed'))
    socket.on('close', () => this.#lose(connection, 'closed'))
  }

  #send(connection: Connection, request: Request): void {
    connection.request = request
    this.#write(connection, request)
  }

  #write({ socket }: Connection, { id, method }: Request): void {
    const { path, host } = this.#options
    const head = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nx-load-id: ${id}\r\n`
    socket.write(method === 'GET' ? `${head}\r\n` : `${head}Content-Length: ${this.#body.length}\r\n\r\n${this.#body}`)
  }

  #hear(connection: Connection, bytes: Buffer): void {
    if (connection.request === null) return this.#lose(connection, 'bytes without a request')
    let answer: Answer | null
    try {
      answer = connection.reader.read(bytes)
    } catch (error) {
      return this.#break(connection, 'malformed', (error as Error).message)
    }
    if (answer !== null) this.#judge(connection, answer)
  }

  #judge(connection: Connection, answer: Answer): void {
    const { request } = connection
    if (request === null) return
    if (connection.reader.hasSurplus) return this.#break(connection, 'malformed', 'bytes after the answer')
    const echoed = answer.headers.get('x-load-id')
    if (echoed !== undefined && echoed !== request.id) return this.#break(connection, 'foreign', echoed)
    connection.request = null
    if (answer.status >= 200 && answer.status < 300) this.#succeed(request, answer)
    else this.#fail(request, 'status', String(answer.status), connection.uses)
    connection.uses += 1
    if (answer.isLast) this.#drop(connection)
    else this.#release(connection)
    this.#finishIfDone()
  }

  #succeed(request: Request, answer: Answer): void {
    const latency = performance.now() - request.dueAt
    this.#latency.add(latency)
    request.phase.latency.add(latency)
    this.#answered += 1
    const by = answer.headers.get('x-load-upstream')
    if (by !== undefined) this.#answeredBy[by] = (this.#answeredBy[by] ?? 0) + 1
    if (this.#answered + this.#failed === 1) this.#onFirst()
  }

  #fail(request: Request, phase: FailurePhase, what: string, uses: number): void {
    this.#failed += 1
    request.phase.failed += 1
    this.#byPhase[phase] = (this.#byPhase[phase] ?? 0) + 1
    if (this.#answered + this.#failed === 1) this.#onFirst()
    if (this.#failures.length >= listedFailures) return
    const { id, method, dueAt } = request
    const afterMs = Math.round(performance.now() - dueAt)
    this.#failures.push({ phase, id, method, at: new Date().toISOString(), afterMs, what, uses })
  }

  #release(connection: Connection): void {
    const next = this.#queue.shift()
    if (next === undefined) this.#idle.push(connection)
    else this.#send(connection, next)
  }

  /** The other side has closed, or the network broke. */
  #lose(connection: Connection, what: string): void {
    if (!this.#all.has(connection)) return
    const { request, reader } = connection
    if (request === null) {
      this.#closedIdle += 1
      return this.#drop(connection)
    }
    const ended = what === 'closed' ? reader.endsWithConnection() : null
    if (ended !== null) {
      this.#judge(connection, { ...ended, isLast: true })
      return
    }
    const isSent = connection.socket.writableLength === 0
    this.#break(connection, !connection.isOpen ? 'connect' : isSent ? reader.phase : 'send', what)
  }

  #break(connection: Connection, phase: FailurePhase, what: string): void {
    const { request, uses } = connection
    connection.request = null
    if (request !== null) this.#fail(request, phase, what, uses)
    this.#drop(connection)
    this.#finishIfDone()
  }

  #drop(connection: Connection): void {
    this.#all.delete(connection)
    const index = this.#idle.indexOf(connection)
    if (index >= 0) this.#idle.splice(index, 1)
    connection.socket.destroy()
    const next = this.#queue.shift()
    if (next !== undefined) this.#open(next)
  }

  #endLate(): void {
    const limit = performance.now() - this.#options.timeoutMs
    while (this.#queue[0] !== undefined && this.#queue[0].dueAt < limit) {
      const request = this.#queue.shift()
      if (request !== undefined) this.#fail(request, 'queue', 'timeout', 0)
    }
    for (const connection of this.#all) {
      if (connection.request === null || connection.request.dueAt >= limit) continue
      this.#break(connection, connection.isOpen ? connection.reader.phase : 'connect', 'timeout')
    }
    this.#finishIfDone()
  }

  #finishIfDone(): void {
    if (!this.#isStopped || this.#answered + this.#failed < this.#due) return
    clearInterval(this.#sweep)
    for (const { socket } of this.#all) socket.destroy()
    this.#finish({
      run: this.#run,
      sent: this.#due,
      answered: this.#answered,
      failed: this.#failed,
      posts: this.#posts,
      failures: this.#failures,
      failuresByPhase: this.#byPhase,
      latencyMs: this.#latency.summarise(),
      lagMs: this.#lag.summarise(),
      phases: this.#phases.map(({ name, latency, failed }) => ({ name, latencyMs: latency.summarise(), failed })),
      answeredBy: this.#answeredBy,
      connections: { opened: this.#opened, closedIdle: this.#closedIdle },
    })
  }
}
