/**
 * The embedded store: SQLite in a worker thread. This half queues; whatever is waiting when the worker has finished a batch
 * becomes the next batch, so the busier the store is, the more callers share one commit. Nothing waits on purpose.
 */

import { Worker } from 'node:worker_threads'
import { DarumaError } from '../../ports/error.ts'
import type { Log } from '../../ports/log.ts'
import { checkKey, checkTransaction } from '../../ports/storage/store.ts'
import type { Change, Entry, ListOptions, Listing, Store, Transaction, TransactionResult } from '../../ports/storage/store.ts'
import { toDarumaError } from './errors.ts'
import type { Answers, FromWorker, Outcome, Request, ToWorker } from './messages.ts'
import { WatchList } from './watch-list.ts'

/** Requests that may wait. A daemon of 10,000 services has some 100; more means that the disk has stopped. */
const maxWaiting = 16_384
/** A batch is closed after so many characters of values, which bounds the memory of both threads. */
const batchCharacters = 8 * 2 ** 20
const closeLimitMs = 10_000

/**
 * Opens or creates the database. Throws `E_STORE_CORRUPT`, `E_STORE_NEWER`, `E_STORE_NOT_WRITABLE`, `E_STORE_LOCKED` or
 * `E_STORE_FULL`; nothing was changed then. Beyond the port's errors, any call may throw `E_STORE_BUSY` (too many wait),
 * `E_STORE_IO` (the disk failed) and `E_STORE_CRASHED` (the worker ended; whether the call was carried out is not known).
 */
export async function openSqliteStore({ file, log }: { readonly file: string; readonly log?: Log }): Promise<Store> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./worker.${extension}`, import.meta.url), {
    name: 'store',
    workerData: { file },
    // Not the parent's flags: `--eval`'s cannot be used with a file, and an inspector's port is taken.
    execArgv: [],
    // The young generation is what a worker's resident memory mostly is; the old one is only a fuse.
    resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 512 },
  })
  const opened = await new Promise<FromWorker>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  if (opened.kind === 'not-opened') throw toDarumaError(opened.failure)
  return new SqliteStore(worker, log ?? null)
}

interface Waiting {
  readonly request: Request
  readonly settle: (outcome: Outcome | DarumaError) => void
}

class SqliteStore implements Store {
  readonly #worker: Worker
  readonly #log: Log | null
  readonly #watches = new WatchList()
  #waiting: Waiting[] = []
  #underWay: readonly Waiting[] = []
  #isSendPlanned = false
  /** Why no request is accepted any more. */
  #ended: DarumaError | null = null
  #closing: Promise<void> | null = null
  readonly #exited: Promise<unknown>

  constructor(worker: Worker, log: Log | null) {
    this.#worker = worker
    this.#log = log
    worker.on('message', (message: FromWorker) => this.#receive(message))
    this.#exited = new Promise((resolve) => {
      worker.once('exit', resolve)
    })
    worker.removeAllListeners('error')
    worker.once('error', (error) => this.#crash(error as Error))
    worker.once('exit', () => this.#crash(null))
  }

  async get(key: string): Promise<Entry | null> {
    checkKey(key)
    return await this.#ask({ kind: 'get', key })
  }

  async list(prefix: string, options: ListOptions = {}): Promise<Listing> {
    return await this.#ask({ kind: 'list', prefix, limit: options.limit ?? null, descending: options.descending ?? false })
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    checkTransaction(transaction)
    return await this.#ask({ kind: 'transact', transaction })
  }

  async *watch(prefix: string, fromRevision: number, signal: AbortSignal): AsyncGenerator<Change> {
    using bell = this.#watches.join(prefix, signal)
    for (let after = fromRevision; ;) {
      if (signal.aborted) return
      bell.reset()
      const page = await this.#ask({ kind: 'changes', prefix, after })
      for (const change of page.changes) {
        if (signal.aborted) return
        yield change
      }
      after = page.through
      if (page.isComplete) await bell.rung
    }
  }

  async compact(revision: number): Promise<void> {
    let from: number | null = 0
    while (from !== null) {
      const slice: Answers['compact'] = await this.#ask({ kind: 'compact', revision, from })
      from = slice.next
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  /** What was accepted is still carried out. */
  async #close(): Promise<void> {
    this.#ended ??= new DarumaError('E_STORE_CLOSED', 'the store is closed')
    this.#watches.ringAll()
    if (this.#waiting.length === 0 && this.#underWay.length === 0) this.#post({ kind: 'close' })
    const limit = setTimeout(() => void this.#worker.terminate(), closeLimitMs)
    await this.#exited
    clearTimeout(limit)
  }

  #ask<Kind extends Request['kind']>(request: Extract<Request, { readonly kind: Kind }>): Promise<Answers[Kind]> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) return reject(this.#ended)
      if (this.#waiting.length >= maxWaiting) return reject(busy())
      const settle = (outcome: Outcome | DarumaError): void => {
        if (outcome instanceof DarumaError) reject(outcome)
        else if (outcome.ok) resolve(outcome.value as Answers[Kind])
        else reject(toDarumaError(outcome.failure))
      }
      this.#waiting.push({ request, settle })
      this.#planSend()
    })
  }

  /** At the end of the present turn, so that calls made together travel together. */
  #planSend(): void {
    if (this.#isSendPlanned || this.#underWay.length > 0) return
    this.#isSendPlanned = true
    queueMicrotask(() => {
      this.#isSendPlanned = false
      this.#send()
    })
  }

  #send(): void {
    if (this.#waiting.length === 0) {
      if (this.#closing !== null) this.#post({ kind: 'close' })
      return
    }
    const count = batchLength(this.#waiting)
    this.#underWay = this.#waiting.slice(0, count)
    this.#waiting = this.#waiting.slice(count)
    this.#post({ kind: 'batch', requests: this.#underWay.map((waiting) => waiting.request) })
  }

  #receive(message: FromWorker): void {
    if (message.kind === 'warning') this.#log?.write('warn', message.message)
    if (message.kind !== 'answers') return
    const answered = this.#underWay
    this.#underWay = []
    for (const [index, { request, settle }] of answered.entries()) {
      const outcome = message.outcomes[index]!
      if (outcome.ok && request.kind === 'transact') this.#ringFor(request.transaction, outcome.value as TransactionResult)
      settle(outcome)
    }
    this.#send()
  }

  #ringFor(transaction: Transaction, result: TransactionResult): void {
    for (const operation of (result.succeeded ? transaction.then : transaction.otherwise) ?? []) this.#watches.ring(operation.key)
  }

  /** Also the ordinary end: then nobody is waiting any more. */
  #crash(error: Error | null): void {
    this.#ended ??= new DarumaError('E_STORE_CRASHED', `the store's worker ended: ${error?.message ?? 'no reason given'}`, {
      cause: error,
    })
    for (const { settle } of [...this.#underWay, ...this.#waiting]) settle(this.#ended)
    this.#underWay = []
    this.#waiting = []
    this.#watches.ringAll()
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message)
  }
}

/** How many of those waiting go together: at least one. */
function batchLength(waiting: readonly Waiting[]): number {
  let characters = 0
  for (const [index, { request }] of waiting.entries()) {
    characters += request.kind === 'transact' ? sizeOf(request.transaction) : 0
    if (index > 0 && characters > batchCharacters) return index
  }
  return waiting.length
}

function sizeOf(transaction: Transaction): number {
  const size = (operations: Transaction['then']): number =>
    operations.reduce((sum, operation) => sum + (operation.kind === 'put' ? operation.value.length : 0), 0)
  return size(transaction.then) + size(transaction.otherwise ?? [])
}

const busy = (): DarumaError =>
  new DarumaError('E_STORE_BUSY', `${maxWaiting} requests are waiting for the store`, {
    hint: 'The disk does not keep up; check its load.',
  })
