/**
 * Which servers stand in which backend. Each active upstream stands twice: once watched, so that its failures take it out for a
 * while, and once as a backup that nothing takes out. Backups get requests only when no watched one is left, which is how "never all
 * ejected" is said in HAProxy's own terms; the canary's backend has everybody as backup, so that a dead canary costs nothing.
 */

import type { Pool, Upstream, UpstreamId } from '../../core/balance/table.ts'
import { canaryBackend, mainBackend, serverName, triedVariable } from './names.ts'

export interface Server {
  readonly backend: string
  readonly name: string
  readonly upstream: UpstreamId
  readonly address: string
  /** Keywords that the config file and `add server` share. */
  readonly keywords: string
  readonly isWatched: boolean
}

/** Failures in a row that take an upstream out. One request makes at most four attempts: the last of them finds another place. */
const failuresToEject = 3
/** An ejected upstream is tried by connecting to it this often, and two successes bring it back: about a second in all. */
const retryIntervalMs = 500
/**
 * A refused connection that found another place counts for nothing, so who refuses is found by connecting: sooner than a request with
 * nobody else to go to has made its last attempt. Programs that speak raw TCP may write a line for each such visit: they get few.
 */
const visits = { http: 'inter 500 fastinter 250', tcp: 'inter 10s fastinter 250' } as const

/**
 * `add server` has other defaults than the config file: without these two it would keep no idle connection to the upstream. The purge
 * halves what is idle each second, so that few are left when the program on the other side closes them (after 5 s in Node).
 */
const reuse = 'pool-max-conn -1 pool-purge-delay 1s'

/**
 * An upstream may close an idle connection while a request is on its way over it, and nobody can tell whether that was carried out. HAProxy
 * uses one again only for a request that would give the same name for TLS (SNI), also where there is no TLS; so the name says who may
 * share. It is worked out for each attempt, from `txn.tried` as the backend's rules have set it: 1 for the first attempt of what can be
 * sent again, and a number by chance, which finds nothing idle, for the next ones, and for what cannot. HAProxy 3 has `pool-conn-name` for
 * this, which is the name for TLS where it is not given.
 */
const byAttempt = `sni rand(1000000000),add(1),mul(${triedVariable}),add(1),set-var(${triedVariable})`

/** The servers that take requests. Draining ones are not here: who has them keeps them, who has not needs them no more. */
export function activeServers(pool: Pool): readonly Server[] {
  const active = pool.upstreams.filter(({ state }) => state === 'active')
  const [main, canary] = [mainBackend(pool.id), canaryBackend(pool.id)]
  const canaries = active.filter(({ isCanary }) => isCanary)
  return [
    ...active.filter(({ isCanary }) => !isCanary).map((upstream) => watched(pool, main, upstream)),
    ...active.map((upstream) => twin(pool, main, upstream)),
    ...canaries.map((upstream) => watched(pool, canary, upstream)),
    ...(canaries.length === 0 ? [] : active.map((upstream) => twin(pool, canary, upstream))),
  ]
}

export const drainingUpstreams = (pools: readonly Pool[]): ReadonlySet<UpstreamId> =>
  new Set(pools.flatMap(({ upstreams }) => upstreams.filter(({ state }) => state === 'draining').map(({ id }) => id)))

/** In ten-thousandths, as the map has it; null where every request goes to the main backend. */
export function canaryShare(pool: Pool): number | null {
  const active = pool.upstreams.filter(({ state }) => state === 'active')
  if (pool.canaryShare === null || !active.some(({ isCanary }) => isCanary)) return null
  // With nobody else to serve there is no share to speak of; the main backend's last resorts are the canaries.
  return active.every(({ isCanary }) => isCanary) ? null : Math.round(pool.canaryShare * 10_000)
}

function watched(pool: Pool, backend: string, upstream: Upstream): Server {
  const observe = pool.protocol === 'http' ? 'layer7' : 'layer4'
  const check = `check observe ${observe} error-limit ${failuresToEject} on-error mark-down`
  const pace = `${visits[pool.protocol]} downinter ${retryIntervalMs} rise 2 fall 2`
  const proxy = pool.sendProxy ? ' send-proxy-v2 check-send-proxy' : ''
  return { ...server(pool, backend, upstream, false), keywords: `${check} ${pace} ${shared(pool)}${proxy}`, isWatched: true }
}

function twin(pool: Pool, backend: string, upstream: Upstream): Server {
  const proxy = pool.sendProxy ? ' send-proxy-v2' : ''
  return { ...server(pool, backend, upstream, true), keywords: `backup ${shared(pool)}${proxy}`, isWatched: false }
}

const shared = ({ protocol }: Pool): string => (protocol === 'http' ? `${reuse} ${byAttempt}` : reuse)

function server(pool: Pool, backend: string, upstream: Upstream, isTwin: boolean): Omit<Server, 'keywords' | 'isWatched'> {
  const name = serverName(upstream, { sendProxy: pool.sendProxy, isTwin })
  return { backend, name, upstream: upstream.id, address: address(upstream.host, upstream.port) }
}

export const address = (host: string, port: number): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
