/** What the daemon asks of the network: is a port free, and does a probe succeed. */
import type { Check } from '../core/model/service.ts'

export interface ProbeResult {
  readonly ok: boolean
  /** For people: `GET http://127.0.0.1:20001/healthz → 503 "starting"`, at most some 300 characters. */
  readonly detail: string
}

export interface Net {
  /** Whether a TCP listener could be opened on the port now, on any address. */
  isPortFree(port: number): Promise<boolean>
  /** Who listens on it, for people: `nginx (pid 812)`; null where nobody can be found. Costs a look through all processes. */
  holderOf(port: number): string | null
  /**
   * http and tcp checks against 127.0.0.1 (or the check's host). Never rejects; a time-out is a failure. `isBehindProxy`: an accepted
   * connection proves nothing yet, as with a container's published port.
   */
  probe(
    check: Exclude<Check, { readonly kind: 'exec' }>,
    port: number,
    timeoutMs: number,
    isBehindProxy?: boolean,
  ): Promise<ProbeResult>
}
