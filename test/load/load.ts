/**
 * Open-loop load from a second process: requests are sent at fixed moments, whatever has become of those before, and a latency counts
 * from the moment at which its request was due. So a service that stands still for a second shows it in every request of that second,
 * where a generator that waits for answers would show a single slow one. It never sends anything twice.
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { LatencySummary } from './histogram.ts'

export interface LoadOptions {
  readonly port: number
  /** 127.0.0.1 when nothing is said. */
  readonly address?: string
  /** TLS, with this name asked for (SNI); the certificate is not looked at. */
  readonly serverName?: string
  /** The `Host` of the requests. */
  readonly host?: string
  readonly path?: string
  /** Requests a second, evenly spread. */
  readonly rate: number
  /** The longest that it sends; {@link Load.stop} ends it earlier. */
  readonly seconds: number
  /** How many keep-alive connections at most. A request that finds none idle waits, and its latency with it. */
  readonly connections?: number
  /** The share of POSTs, each with an id that no other has; 0.2 when nothing is said. */
  readonly postShare?: number
  /** Of a POST's body. */
  readonly bodyBytes?: number
  /** From the moment at which the request was due. */
  readonly timeoutMs?: number
}

/**
 * Where a request failed: `queue`: no connection became free in time; `connect`; `send`: broken before all of it was sent; `wait`: before
 * the first byte of the answer; `head`, `body`: in the middle of it; `malformed`: no HTTP; `foreign`: an answer to another's
 * request; `status`: not 2xx.
 */
export type FailurePhase = 'queue' | 'connect' | 'send' | 'wait' | 'head' | 'body' | 'malformed' | 'foreign' | 'status'

export interface LoadFailure {
  readonly phase: FailurePhase
  readonly id: string
  readonly method: 'GET' | 'POST'
  /** Of the wall clock, when it failed. */
  readonly at: string
  /** Since the request was due. */
  readonly afterMs: number
  /** The status, the system's code, `timeout`, or what was wrong. */
  readonly what: string
  /** How many requests the connection had carried before. */
  readonly uses: number
}

export interface LoadPhase {
  readonly name: string
  readonly latencyMs: LatencySummary
  readonly failed: number
}

export interface LoadResult {
  /** Ids of POSTs are `<run>-p<number>`, numbered from 0 without a gap. */
  readonly run: string
  readonly sent: number
  readonly answered: number
  readonly failed: number
  readonly posts: number
  /** Every failure is counted; the first 1,000 are listed. */
  readonly failures: readonly LoadFailure[]
  readonly failuresByPhase: Readonly<Partial<Record<FailurePhase, number>>>
  /** Of the answered requests. */
  readonly latencyMs: LatencySummary
  /** How late the generator itself was: latencies can be trusted to this. */
  readonly lagMs: LatencySummary
  /** By {@link Load.mark}: a request belongs to the phase in which it was due. */
  readonly phases: readonly LoadPhase[]
  /** How many answers came from whom, by the header `x-load-upstream`. */
  readonly answeredBy: Readonly<Record<string, number>>
  /** Connections that were opened, and idle ones that the other side closed: no failure, but a balancer should do so rarely. */
  readonly connections: { readonly opened: number; readonly closedIdle: number }
}

export interface Load extends AsyncDisposable {
  readonly pid: number
  /** Begins a phase of that name. */
  mark(name: string): void
  /** Sends nothing more, waits for what is under way. */
  stop(): Promise<LoadResult>
  /** Rejects when the process ended without a result. */
  readonly result: Promise<LoadResult>
}

/** Resolves when the first request has been answered or has failed. */
export async function startLoad(options: LoadOptions): Promise<Load> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'run.ts'), JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  const result = readResult(child, lines)
  // A failure is told to anything that waits for the result, and that may be later.
  result.catch(() => {})
  await Promise.race([once(lines, 'line'), result])
  const send = (word: string): void => {
    if (child.exitCode === null) child.stdin.write(`${word}\n`)
  }
  return {
    pid: child.pid ?? 0,
    result,
    mark: (name) => send(`mark ${name}`),
    stop: () => {
      send('stop')
      return result
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}

async function readResult(child: ChildProcess, lines: NodeJS.EventEmitter): Promise<LoadResult> {
  let last = ''
  lines.on('line', (line: string) => (last = line))
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  if (code !== 0) throw new Error(`the load generator ended with ${code ?? signal}; its last line: ${last}`)
  return JSON.parse(last) as LoadResult
}
