/**
 * The routing table: everything that a balancer needs to know, in the words of no proxy. `make-table.ts` makes it from services and
 * the state of their slots; an adapter makes it true. It is plain JSON, and the same world gives the same table, in the same order.
 */

import type { Epoch, ServiceName, SlotId } from '../model/id.ts'
import type { BalancerSettings } from '../model/service.ts'

export interface RoutingTable {
  readonly settings: Pick<BalancerSettings, 'address' | 'accessLog' | 'limits'>
  /** Sorted by port. */
  readonly listeners: readonly Listener[]
  /** Sorted by id. */
  readonly pools: readonly Pool[]
  /** What a listener with TLS may show, chosen by the name that the client asks for (SNI); the first is shown to who names none. */
  readonly certificates: readonly Certificate[]
  /** Answers to `/.well-known/acme-challenge/<token>` on every listener that speaks HTTP without TLS. */
  readonly challenges: Readonly<Record<string, string>>
}

export interface Listener {
  readonly port: number
  readonly protocol: 'http' | 'tcp'
  readonly tls: boolean
  /** Whether every connection begins with a PROXY protocol header, version 1 or 2. */
  readonly acceptProxy: boolean
  /** The most specific first: the first that matches is taken. A `tcp` listener has exactly one, with neither domain nor path. */
  readonly rules: readonly Rule[]
}

export interface Rule {
  /** In lower case; `*.example.com` matches one label or more in front; null matches every host. */
  readonly domain: string | null
  /** Matches whole segments from the beginning: `/api` is `/api` and `/api/x`, not `/apix`. */
  readonly path: string
  /** Where the request goes; or to the same URL with `https` at this port (301 for GET and HEAD, else 308). */
  readonly action: { readonly kind: 'pool'; readonly pool: PoolId } | { readonly kind: 'redirect'; readonly httpsPort: number }
}

/** The service's name. */
export type PoolId = ServiceName

export interface Pool {
  readonly id: PoolId
  readonly protocol: 'http' | 'tcp'
  /** Whether we speak the PROXY protocol, version 2, to its upstreams. */
  readonly sendProxy: boolean
  /**
   * What may be sent again to another upstream when one fails before it has answered: `safe`, what HTTP calls idempotent (GET, HEAD,
   * OPTIONS, PUT, DELETE, TRACE), and whatever never reached it (a refused connection); `all`, everything whose body is still in memory.
   */
  readonly retry: 'safe' | 'all'
  /** Sorted by id. Requests go to the `active` ones by least connections; to a `draining` one no new request goes. */
  readonly upstreams: readonly Upstream[]
  /** The share of requests that goes to upstreams with `isCanary`, by chance; null where there are none. */
  readonly canaryShare: number | null
}

/** One epoch of one slot: a successor in the same slot, at the same port, is another upstream. */
export interface Upstream {
  readonly id: UpstreamId
  readonly slot: SlotId
  readonly epoch: Epoch
  readonly host: string
  readonly port: number
  readonly state: 'active' | 'draining'
  readonly isCanary: boolean
}

/** `web/0#1048577`. */
export type UpstreamId = string

export const upstreamId = (slot: SlotId, epoch: Epoch): UpstreamId => `${slot}#${epoch}`

/** A PEM file of the whole chain and the private key, mode 0600. `digest` changes with its content. */
export interface Certificate {
  readonly file: string
  readonly digest: string
  /** The names that it is for, in lower case; wildcards as they stand in it. */
  readonly names: readonly string[]
}
