/**
 * Spreads requests over upstreams, by a routing table and nothing else. The balancer itself is a process in a slot of its own,
 * supervised and adopted like any instance: a daemon that dies or is upgraded drops no connection. The contract:
 *
 * - After `apply` has resolved, new requests are routed by that table; while it works, each is routed by the old or by the new one.
 *   No request fails because of the change: connections stay open, a draining upstream finishes what it has.
 * - `apply` is idempotent, also after the process or the daemon has restarted: it compares with what is really applied.
 * - Upstreams fail alike everywhere: a request is sent at most four times. A connection that is refused may always be tried again;
 *   one that breaks before an answer only where the pool's `retry` allows it, and while its whole body is in memory. What could not
 *   be sent again has a connection of its own: an upstream may close an idle one just as a request comes over it. Three failures in a
 *   row (no connection, no or a broken answer, a 5xx) take an upstream out for about a second; never the last ones of a pool.
 * - Where there is an upstream the client is told: 502 it broke off, 503 none can be reached, 504 silence. Else 404 no route. Of the
 *   client's own making: 400 malformed or ambiguous, 405 CONNECT, 408 too slow, 411 a body of unknown length where bodies have a
 *   limit (or 413 once it is passed), 413, 431 (also for more than 256 headers; 414 for the URL alone, 400 far beyond), 505. Trailers behind a body are passed on, or are 501.
 * - A connection beyond the limit waits until another ends.
 * - `X-Forwarded-For`, `-Proto`, `-Host` and `-Port` say what we saw, in the place of what the client says; `Forwarded` and what
 *   belongs to one connection (`Connection`, `Keep-Alive`, `TE`, `Upgrade` to anything but a WebSocket) goes no further.
 * - TLS listeners offer HTTP/2 where the adapter can; with no certificate at all they show one that it has signed itself.
 * - With `accessLog` a line for each request goes to standard output, the slot's log: time of its end in UTC, client, "method",
 *   "host", "target", status, bytes to the client, milliseconds, upstream (`-`: none); of TCP: time, client, four times `-`, bytes,
 *   milliseconds, upstream. In quotes a backslash stands before quotes and backslashes. Lines of another shape are the program's own.
 * - What it was last told is in its files before the process is told, so that a process that restarts serves it at once.
 */

import type { RoutingTable, UpstreamId, PoolId } from '../../core/balance/table.ts'

/** What the balancer's slot runs. The same words as long as the program is the same, so that what runs can be adopted. */
export interface BalancerProgram {
  readonly command: readonly string[]
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
}

/** Counters since the process (or its pool, or its upstream) began: they may fall back to zero, and a reader must expect it. */
export interface PoolCounters {
  readonly requests: number
  /** Answers 5xx from upstreams, broken connections and time-outs of theirs. */
  readonly failed: number
  readonly retried: number
  readonly responses: {
    readonly '1xx': number
    readonly '2xx': number
    readonly '3xx': number
    readonly '4xx': number
    readonly '5xx': number
  }
  readonly bytesIn: number
  readonly bytesOut: number
  /** Requests and connections under way. */
  readonly active: number
  /** Waiting for an upstream. */
  readonly queued: number
  /** Mean and largest time from request to the end of its answer over the last 1,024 (HAProxy) or since the last look; ms. */
  readonly latencyMs: { readonly mean: number; readonly max: number } | null
}

export interface UpstreamCounters {
  readonly requests: number
  readonly failed: number
  /** Connections with a request (or a tunnel) under way. A draining upstream with 0 has finished. */
  readonly active: number
  /** Whether it was taken out by its failures for a while. */
  readonly isEjected: boolean
}

export interface BalancerObservation {
  readonly pools: ReadonlyMap<PoolId, PoolCounters>
  readonly upstreams: ReadonlyMap<UpstreamId, UpstreamCounters>
  readonly connections: number
  /** Of the clients' side: refused for malformed or too large headers, time-outs, no route. */
  readonly refused: number
}

export interface Balancer {
  readonly kind: 'haproxy' | 'embedded'
  /**
   * Writes the files for the table, so that a process that is started next serves it, and says what to run. Touches nothing that runs.
   * Rejects with `E_BALANCER_CONFIG` where a certificate cannot be used.
   */
  prepare(table: RoutingTable): Promise<BalancerProgram>
  /**
   * Makes the running process serve exactly the table. Rejects with `E_BALANCER_AWAY` when no process answers (then `prepare` and a
   * start will do), with `E_BALANCER_PORT` when a listener's port is taken (by whom, where it can be known; the rest of the table is applied).
   */
  apply(table: RoutingTable): Promise<void>
  /** Rejects with `E_BALANCER_AWAY`. */
  observe(): Promise<BalancerObservation>
}
