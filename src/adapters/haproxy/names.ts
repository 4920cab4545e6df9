/**
 * Our words for things, and HAProxy's. A server's name says everything that would need another server if it were different, so that
 * what is applied can be read from the names alone: `shop:web:0.1048577` is upstream `shop/web/0#1048577`, `.p` behind it says that we speak
 * the PROXY protocol to it, and `.b` that it is its twin, the last resort.
 */

import type { PoolId, Upstream, UpstreamId } from '../../core/balance/table.ts'
import { upstreamId } from '../../core/balance/table.ts'
import type { Epoch, SlotId } from '../../core/model/id.ts'

/** Requests go to a pool's main backend; the canary's share to the other. */
export const mainBackend = (pool: PoolId): string => `pool:${withColons(pool)}`
export const canaryBackend = (pool: PoolId): string => `canary:${withColons(pool)}`
/** In the place of `pool:` in a map: each request is sent to one of the two by chance. */
export const splitPrefix: string = 'split:'
export const splitName = (pool: PoolId): string => `${splitPrefix}${withColons(pool)}`
/** HAProxy has no slash in the names of its sections. */
const withColons = (name: string): string => name.replaceAll('/', ':')
export const redirectBackend = (httpsPort: number): string => `redirect:${httpsPort}`
/** To the worker that has replaced this one. */
export const relayBackend = (port: number): string => `relay:${port}`
export const challengeBackend: string = 'answer:challenge'
export const nowhereBackend: string = 'answer:nowhere'
/** What a map may name and is a backend; the rest is `split:`. */
export const backendPrefixes: readonly string[] = ['pool:', 'redirect:', 'relay:', 'answer:']

export function poolOfBackend(backend: string): PoolId | null {
  const pool = /^(?:pool|canary):(.+)$/.exec(backend)?.[1]
  return pool === undefined ? null : (pool.replaceAll(':', '/') as PoolId)
}

export function serverName(upstream: Upstream, kind: { readonly sendProxy: boolean; readonly isTwin: boolean }): string {
  return `${withColons(upstream.slot)}.${upstream.epoch}${kind.sendProxy ? '.p' : ''}${kind.isTwin ? '.b' : ''}`
}

/** Zero before the first attempt of a request that may share idle connections, else another number. */
export const triedVariable: string = 'txn.tried'

/** Null for a name that we did not give. */
export function upstreamOfServer(name: string): UpstreamId | null {
  const [, slot, epoch] = /^([^.]+:[^:.]+)\.(\d+)(?:\.p)?(?:\.b)?$/.exec(name) ?? []
  return slot === undefined ? null : upstreamId(slot.replaceAll(':', '/') as SlotId, Number(epoch) as Epoch)
}

export const isTwin = (name: string): boolean => name.endsWith('.b')

/** Paths in the balancer's directory, which is HAProxy's working directory too: both know a file by the same name. */
export const files = {
  config: 'haproxy.cfg',
  masterSocket: 'master.sock',
  table: 'table.json',
  crtList: 'certificates.list',
  certificates: 'certificates',
  maps: 'maps',
  relay: (port: number): string => `relay-${port}.sock`,
  challenges: 'maps/challenges.map',
  canaries: 'maps/canaries.map',
  tcp: 'maps/tcp.map',
  digests: 'maps/digests.map',
  routes: (port: number): string => `maps/routes-${port}.map`,
  wildcards: (port: number): string => `maps/wildcards-${port}.map`,
  domains: (port: number): string => `maps/domains-${port}.map`,
} as const
