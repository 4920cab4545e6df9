/** What may be written for `balancer`. The sentences are those of `docs/reference/config.md`. */

import type { Duration, Size } from './quantity.ts'

export interface Balancer {
  /**
   * Which balancer runs: HAProxy, or Daruma's own, which needs nothing installed and is slower. `'auto'` is HAProxy where it is
   * installed. Default: `'auto'`.
   */
  readonly program?: 'auto' | 'haproxy' | 'embedded' | undefined
  /** The address that the ports of all routes are opened at. Default: all of this host. */
  readonly address?: string | undefined
  /** The port for plain HTTP requests to domains. Default: `80`. */
  readonly httpPort?: number | undefined
  /** The port for HTTPS requests to domains. Default: `443`. */
  readonly httpsPort?: number | undefined
  /** Whether each request is a line in the log of the balancer (`daruma logs @balancer`). Default: `false`. */
  readonly accessLog?: boolean | undefined
  /** How much one client may ask for. */
  readonly limits?: BalancerLimits | undefined
  /**
   * Certificates by ACME, for every domain whose `tls` says nothing else: `true`, or an object. Port 80 of the domain must lead to
   * `httpPort`. Default: none: no certificate is fetched.
   */
  readonly acme?: true | Acme | undefined
}

export interface BalancerLimits {
  /** The most connections of clients at a time; further ones wait. Default: `10000`. */
  readonly connections?: number | undefined
  /**
   * The most that a request's first line and headers may have together; beyond it the answer is 431 (far beyond it, with HAProxy,
   * 400). Default: `'16KiB'`.
   */
  readonly headerSize?: Size | undefined
  /** The most that the body of a request may have; beyond it the answer is 413. Default: no limit. */
  readonly bodySize?: Size | undefined
  /** How long a client may take to send all headers; beyond it the answer is 408. Default: `'10s'`. */
  readonly headerTimeout?: Duration | undefined
  /** How long a request under way may be silent, in either direction. Default: `'1m'`. */
  readonly idleTimeout?: Duration | undefined
  /** How long a WebSocket or a TCP connection may be silent. Default: `'1h'`. */
  readonly tunnelTimeout?: Duration | undefined
}

export interface Acme {
  /**
   * The ACME server that certificates come from. Default: `'https://acme-v02.api.letsencrypt.org/directory'` (Let's Encrypt).
   */
  readonly directory?: `https://${string}` | `http://${string}` | undefined
  /** Where the ACME server may write to. Default: none. */
  readonly email?: string | undefined
  /**
   * The authority by which the ACME server itself is recognised, where it is one of your own. Default: the authorities that Node
   * trusts.
   */
  readonly caFile?: string | undefined
}
