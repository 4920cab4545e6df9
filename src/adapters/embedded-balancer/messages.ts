/**
 * What the two processes of the balancer say to each other under root, over Node's channel: the parent holds the privileges and the
 * daemon's ear, the worker reads strangers' bytes. The parent believes the worker nothing: it opens only ports of the table that
 * it was given by the daemon.
 */

import type { RoutingTable } from '../../core/balance/table.ts'
import type { Shortfall } from './control.ts'
import type { Counters } from './requests/traffic.ts'

export type ToWorker =
  /** `pems` by file: what was not sent before under that digest. */
  | {
      readonly kind: 'apply'
      readonly id: number
      readonly table: RoutingTable
      readonly pems: Readonly<Record<string, string>>
    }
  | { readonly kind: 'look'; readonly id: number }
  /** With the listening socket, or with why there is none. */
  | { readonly kind: 'port'; readonly id: number; readonly code: string | null }
  /** With a socket that came in while the listening one was handed over. */
  | { readonly kind: 'connection'; readonly port: number }
  | { readonly kind: 'end' }

export type FromWorker =
  /** It has given its privileges up and takes tables. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'applied'; readonly id: number; readonly shortfall: Shortfall }
  | { readonly kind: 'counters'; readonly id: number; readonly counters: Counters }
  | { readonly kind: 'failed'; readonly id: number; readonly problem: string }
  | { readonly kind: 'listen'; readonly id: number; readonly port: number; readonly address: string }
