/**
 * The daemon as the commands see it: one typed method for each path of `protocol/api.ts`, over the unix socket. A refusal of the
 * daemon arrives as the coded error it sent; a socket that nobody answers is an error of its own, never a hang: every answer has a
 * limit, and a stream has its caller's signal.
 */

import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'

import { request } from '../../system/node-http.ts'
import type {
  ContentAnswer,
  DoctorAnswer,
  ErrorAnswer,
  ExecAnswer,
  ExecRequest,
  JobView,
  LogLine,
  LogNote,
  OperationAnswer,
  OperationLine,
  OperationRequest,
  OperationView,
  PageAnswer,
  PageRequest,
  PlanAnswer,
  PlanRequest,
  PromoteAnswer,
  PromoteRequest,
  RecordedEvent,
  ReleaseBegun,
  ReleasesAnswer,
  RevisionSummary,
  RevisionView,
  RunsAnswer,
  RunView,
  StatusAnswer,
  VersionAnswer,
} from '../../protocol/api.ts'
import type { NoticesAnswer, NoticeTestAnswer } from '../../protocol/notices.ts'
import type { HandOverRequest, KeptVolumes, ProjectView } from '../../protocol/projects.ts'
import type { RemoveProjectAnswer, RemoveProjectRequest } from '../../protocol/projects.ts'
import { socketAddress } from '../../protocol/socket.ts'
import { DarumaError } from '../../ports/error.ts'

/** Reading an answer that is already known. Twice what a daemon on a busy, swapping machine was seen to need. */
const quickLimitMs = 10_000
/** Planning and accepting 10,000 services. */
const slowLimitMs = 60_000
/** A disk that is slow and has much to write. */
const sealLimitMs = 600_000
/** Ten targets, two minutes each, one after the other. */
const noticesLimitMs = 1_260_000
/** An answer of one message; 10,000 instances take about 5 MB. */
const answerLimitBytes = 256 * 1024 * 1024

export interface EventQuery {
  readonly since?: number
  readonly limit?: number
  readonly follow?: boolean
}

export interface LogQuery {
  readonly services: readonly string[]
  /** Of all together; the daemon's default is 100, or all with `sinceMs`. */
  readonly lines?: number
  /** Milliseconds since 1970. */
  readonly sinceMs?: number
  readonly untilMs?: number
  readonly follow?: boolean
}

export class Client {
  readonly state: string
  /** The project that every question is about; null for the only one, or for all where only something is looked at. */
  project: string | null = null

  constructor(state: string) {
    this.state = state
  }

  version(limitMs: number = quickLimitMs): Promise<VersionAnswer> {
    return this.#call('GET', '/v1/version', undefined, limitMs)
  }

  projects(limitMs: number = quickLimitMs): Promise<readonly ProjectView[]> {
    return this.#call('GET', '/v1/projects', undefined, limitMs)
  }

  keptVolumes(): Promise<readonly KeptVolumes[]> {
    return this.#call('GET', '/v1/projects/kept', undefined, quickLimitMs)
  }

  /** Takes as long as the disk needs for its files. */
  removeProject(id: string, body: RemoveProjectRequest): Promise<RemoveProjectAnswer> {
    return this.#call('POST', `/v1/projects/${encodeURIComponent(id)}/remove`, body, sealLimitMs)
  }

  handOver(id: string, body: HandOverRequest): Promise<ProjectView> {
    return this.#call('POST', `/v1/projects/${encodeURIComponent(id)}/hand-over`, body, quickLimitMs)
  }

  status(limitMs: number = quickLimitMs): Promise<StatusAnswer> {
    return this.#call('GET', '/v1/status', undefined, limitMs)
  }

  plan(body: PlanRequest): Promise<PlanAnswer> {
    return this.#call('POST', '/v1/plan', body, slowLimitMs)
  }

  operate(body: OperationRequest): Promise<OperationAnswer> {
    return this.#call('POST', '/v1/operations', body, slowLimitMs)
  }

  promote(body: PromoteRequest): Promise<PromoteAnswer> {
    return this.#call('POST', '/v1/operations/current/promote', body, quickLimitMs)
  }

  currentOperation(): Promise<OperationView | null> {
    return this.#call('GET', '/v1/operations/current', undefined, quickLimitMs)
  }

  operation(id: string, signal: AbortSignal): AsyncGenerator<OperationLine> {
    return this.#stream(`/v1/operations/${encodeURIComponent(id)}/stream`, signal)
  }

  revisions(): Promise<readonly RevisionSummary[]> {
    return this.#call('GET', '/v1/revisions', undefined, quickLimitMs)
  }

  revision(number: number): Promise<RevisionView> {
    return this.#call('GET', `/v1/revisions/${number}`, undefined, slowLimitMs)
  }

  events(query: EventQuery, signal: AbortSignal): AsyncGenerator<RecordedEvent> {
    return this.#stream(`/v1/events${queryText({ since: query.since, limit: query.limit, follow: query.follow })}`, signal)
  }

  logs(query: LogQuery, signal: AbortSignal): AsyncGenerator<LogLine | LogNote> {
    const { services, lines, sinceMs, untilMs, follow } = query
    const text = queryText({ service: services, lines, since: sinceMs, until: untilMs, follow })
    return this.#stream(`/v1/logs${text}`, signal)
  }

  jobs(): Promise<readonly JobView[]> {
    return this.#call('GET', '/v1/jobs', undefined, quickLimitMs)
  }

  runs(job: string): Promise<RunsAnswer> {
    return this.#call('GET', `/v1/jobs/${encodeURIComponent(job)}/runs`, undefined, quickLimitMs)
  }

  runJob(job: string): Promise<RunView> {
    return this.#call('POST', `/v1/jobs/${encodeURIComponent(job)}/run`, {}, slowLimitMs)
  }

  followRun(job: string, tick: string, signal: AbortSignal): AsyncGenerator<RunView> {
    return this.#stream(`/v1/jobs/${encodeURIComponent(job)}/runs/${encodeURIComponent(tick)}/stream`, signal)
  }

  notices(): Promise<NoticesAnswer> {
    return this.#call('GET', '/v1/notices', undefined, quickLimitMs)
  }

  testNotices(): Promise<NoticeTestAnswer> {
    return this.#call('POST', '/v1/notices/test', {}, noticesLimitMs)
  }

  exec(body: ExecRequest): Promise<ExecAnswer> {
    return this.#call('POST', '/v1/exec', body, quickLimitMs)
  }

  doctor(): Promise<DoctorAnswer> {
    return this.#call('GET', '/v1/doctor', undefined, slowLimitMs)
  }

  async unknownReleases(digests: readonly string[]): Promise<readonly string[]> {
    const { unknown } = await this.#call<ReleasesAnswer>('POST', '/v1/releases/unknown', { digests }, quickLimitMs)
    return unknown
  }

  beginRelease(manifest: string): Promise<ReleaseBegun> {
    return this.#upload('/v1/releases', [Buffer.from(manifest)])
  }

  /** As the route says: a line and then the bytes of each content. Takes as long as the disk needs. */
  sendContents(contents: AsyncIterable<Uint8Array>): Promise<object> {
    return this.#upload('/v1/contents', contents)
  }

  sealRelease(digest: string): Promise<object> {
    return this.#call('POST', `/v1/releases/${digest}/seal`, {}, sealLimitMs)
  }

  async releaseManifest(digest: string): Promise<string> {
    return readText(await this.#open('GET', `/v1/releases/${digest}`, undefined, AbortSignal.timeout(slowLimitMs)))
  }

  content(sha256: string): Promise<ContentAnswer> {
    return this.#call('GET', `/v1/contents/${sha256}`, undefined, quickLimitMs)
  }

  async metrics(): Promise<string> {
    const response = await this.#open('GET', '/v1/metrics', undefined, AbortSignal.timeout(quickLimitMs))
    return readText(response)
  }

  page(body: PageRequest): Promise<PageAnswer> {
    return this.#call('POST', '/v1/page', body, quickLimitMs)
  }

  stopDaemon(): Promise<object> {
    return this.#call('POST', '/v1/daemon/stop', {}, slowLimitMs)
  }

  async #call<Answer>(method: string, path: string, body: unknown, limitMs: number): Promise<Answer> {
    const limit = AbortSignal.timeout(limitMs)
    try {
      const response = await this.#open(method, path, body, limit)
      return (await readJson(response)) as Answer
    } catch (error) {
      if (!limit.aborted) throw error
      throw new DarumaError('E_DAEMON_SILENT', `The daemon did not answer ${method} ${path} within ${limitMs / 1000} s.`, {
        hint: 'It may be stopped (SIGSTOP) or the machine overloaded: see `daruma daemon status`, and daemon.log in the state directory.',
        cause: error,
      })
    }
  }

  async #upload<Answer>(path: string, body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Answer> {
    const response = await send(
      this.state,
      'POST',
      path,
      Readable.from(body, { objectMode: false }),
      new AbortController().signal,
    )
    if ((response.statusCode ?? 500) >= 400) throw await readRefusal(response, `POST ${path}`)
    return (await readJson(response)) as Answer
  }

  async *#stream<Line>(path: string, signal: AbortSignal): AsyncGenerator<Line> {
    let response: IncomingMessage | undefined
    try {
      response = await this.#open('GET', path, undefined, signal)
      yield* readLines<Line>(response)
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof DarumaError) throw error
      throw new DarumaError('E_DAEMON_LOST', `The daemon went away while it was answering ${path}.`, { cause: error })
    } finally {
      response?.destroy()
    }
  }

  /** Resolves with the head of a good answer; a refusal is read whole and thrown as the error it is. */
  async #open(method: string, path: string, body: unknown, signal: AbortSignal): Promise<IncomingMessage> {
    const response = await send(this.state, method, withProject(path, this.project), body, signal)
    if ((response.statusCode ?? 500) < 400) return response
    throw await readRefusal(response, `${method} ${path}`)
  }
}

function send(state: string, method: string, path: string, body: unknown, signal: AbortSignal): Promise<IncomingMessage> {
  const stream = body instanceof Readable ? body : null
  const text = body === undefined || stream !== null ? undefined : JSON.stringify(body)
  const headers = text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
  return new Promise((resolve, reject) => {
    let address
    try {
      address = socketAddress(state)
    } catch (error) {
      reject(explainConnection(state, error))
      return
    }
    const { path: socketPath } = address
    const release = (): void => address[Symbol.dispose]()
    const outgoing = request({ socketPath, method, path, headers, agent: false, signal })
    let isConnected = false
    outgoing.once('socket', (socket) => socket.once('connect', () => (isConnected = true)))
    outgoing.once('response', resolve)
    outgoing.once('error', (error) =>
      reject(signal.aborted || isConnected ? explainLoss(signal, error) : explainConnection(state, error)),
    )
    outgoing.once('close', release)
    if (stream === null) outgoing.end(text)
    else {
      // What the stream fails by is what the caller should see; the socket is closed with it.
      stream.once('error', (error) => {
        reject(error)
        outgoing.destroy()
      })
      stream.pipe(outgoing)
    }
  })
}

function explainLoss(signal: AbortSignal, error: unknown): unknown {
  if (signal.aborted) return error
  return new DarumaError('E_DAEMON_LOST', 'The daemon went away before it answered.', {
    hint: 'It restarts automatically within seconds; then run `daruma status`.',
    cause: error,
  })
}

function explainConnection(state: string, error: unknown): unknown {
  if (error instanceof DarumaError) return error
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'EACCES' || code === 'EPERM') {
    return new DarumaError('E_DAEMON_DENIED', `You have no access to the daemon of ${state}.`, {
      hint: 'The socket belongs to the user who runs the daemon: run the command as that user (sudo).',
      cause: error,
    })
  }
  // Reset before it was a connection: anyone who listened has just closed the socket.
  if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === 'ENOTDIR') {
    return new DarumaError('E_DAEMON_NOT_RUNNING', `No daemon is running for ${state}.`, {
      hint: '`daruma up` starts it; so does `daruma daemon restart`.',
      cause: error,
    })
  }
  return new DarumaError('E_DAEMON_UNREACHABLE', `The daemon of ${state} cannot be reached: ${(error as Error).message}`, {
    cause: error,
  })
}

async function readJson(response: IncomingMessage): Promise<unknown> {
  return parseLine(await readText(response))
}

async function readText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    size += part.length
    if (size > answerLimitBytes)
      throw new DarumaError('E_DAEMON_ANSWER', `The daemon's answer is larger than ${answerLimitBytes} bytes.`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

async function readRefusal(response: IncomingMessage, what: string): Promise<DarumaError> {
  const answer = (await readJson(response).catch(() => null)) as Partial<ErrorAnswer> | null
  const error = answer?.error
  if (error === undefined)
    return new DarumaError('E_DAEMON_ANSWER', `The daemon answered ${what} with status ${response.statusCode}.`)
  return new DarumaError(error.code, error.message, error.hint === null ? {} : { hint: error.hint })
}

async function* readLines<Line>(response: IncomingMessage): AsyncGenerator<Line> {
  response.setEncoding('utf8')
  let rest = ''
  for await (const part of response as AsyncIterable<string>) {
    const lines = (rest + part).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > answerLimitBytes)
      throw new DarumaError('E_DAEMON_ANSWER', `A line of the daemon is larger than ${answerLimitBytes} bytes.`)
    for (const line of lines) {
      if (line === '') continue
      const value = parseLine(line)
      if (isErrorAnswer(value))
        throw new DarumaError(value.error.code, value.error.message, value.error.hint === null ? {} : { hint: value.error.hint })
      yield value as Line
    }
  }
  if (rest !== '') yield parseLine(rest) as Line
}

function parseLine(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new DarumaError('E_DAEMON_ANSWER', `The daemon sent something that is not JSON: ${text.slice(0, 80)}`, { cause: error })
  }
}

function isErrorAnswer(value: unknown): value is ErrorAnswer {
  return typeof value === 'object' && value !== null && 'error' in value && typeof (value as ErrorAnswer).error?.code === 'string'
}

type QueryValue = string | number | boolean | readonly string[] | undefined

function queryText(query: Readonly<Record<string, QueryValue>>): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === false) continue
    const values = typeof value === 'object' ? value : [value === true ? '1' : String(value)]
    for (const item of values) parameters.append(name, item)
  }
  const text = parameters.toString()
  return text === '' ? '' : `?${text}`
}

function withProject(path: string, project: string | null): string {
  if (project === null) return path
  return `${path}${path.includes('?') ? '&' : '?'}project=${encodeURIComponent(project)}`
}
