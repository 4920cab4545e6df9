/** From the rows of `show stat`, of every worker that lives, to what the port promises: old workers' connections count too. */

import type { PoolId, UpstreamId } from '../../core/balance/table.ts'
import type { BalancerObservation, PoolCounters, UpstreamCounters } from '../../ports/traffic/balancer.ts'
import { isTwin, poolOfBackend, upstreamOfServer } from './names.ts'
import type { StatRow } from './parse.ts'

/** The first worker's rows are those of the newest. `known` are the upstreams that a reader may ask for: absent ones have nothing. */
export function observe(workers: readonly (readonly StatRow[])[], known: readonly UpstreamId[]): BalancerObservation {
  const pools = new Map<PoolId, PoolCounters>()
  const upstreams = new Map<UpstreamId, UpstreamCounters>(known.map((id) => [id, nothing]))
  let [connections, refused] = [0, 0]
  for (const row of workers.flat()) {
    if (row.server === 'FRONTEND') {
      connections += row.number('scur')
      refused += row.number('dreq') + row.number('ereq')
      continue
    }
    const pool = poolOfBackend(row.proxy)
    if (pool === null) continue
    if (row.server === 'BACKEND') pools.set(pool, addPool(pools.get(pool), readPool(row)))
    else {
      const id = upstreamOfServer(row.server)
      if (id !== null) upstreams.set(id, addUpstream(upstreams.get(id) ?? nothing, readUpstream(row)))
    }
  }
  return { pools, upstreams, connections, refused }
}

const nothing: UpstreamCounters = { requests: 0, failed: 0, active: 0, isEjected: false }

/** A row of a `tcp` pool counts connections, and its failures are those to connect. */
function readPool(row: StatRow): PoolCounters {
  const isHttp = row.text('mode') === 'http'
  const broken = row.number('srv_abrt')
  return {
    requests: isHttp ? row.number('req_tot') : row.number('stot'),
    failed: isHttp ? row.number('hrsp_5xx') + broken : row.number('econ') + row.number('eresp') + broken,
    retried: row.number('wretr') + row.number('wredis'),
    responses: {
      '1xx': row.number('hrsp_1xx'),
      '2xx': row.number('hrsp_2xx'),
      '3xx': row.number('hrsp_3xx'),
      '4xx': row.number('hrsp_4xx'),
      '5xx': row.number('hrsp_5xx'),
    },
    bytesIn: row.number('bin'),
    bytesOut: row.number('bout'),
    active: row.number('scur'),
    queued: row.number('qcur'),
    latencyMs: row.number('stot') === 0 ? null : { mean: row.number('ttime'), max: row.number('ttime_max') },
  }
}

function addPool(before: PoolCounters | undefined, row: PoolCounters): PoolCounters {
  if (before === undefined) return row
  return {
    requests: before.requests + row.requests,
    failed: before.failed + row.failed,
    retried: before.retried + row.retried,
    responses: {
      '1xx': before.responses['1xx'] + row.responses['1xx'],
      '2xx': before.responses['2xx'] + row.responses['2xx'],
      '3xx': before.responses['3xx'] + row.responses['3xx'],
      '4xx': before.responses['4xx'] + row.responses['4xx'],
      '5xx': before.responses['5xx'] + row.responses['5xx'],
    },
    bytesIn: before.bytesIn + row.bytesIn,
    bytesOut: before.bytesOut + row.bytesOut,
    active: before.active + row.active,
    queued: before.queued + row.queued,
    latencyMs: addLatency(before, row),
  }
}

/** Weighed by their requests; the largest is of all. */
function addLatency(a: PoolCounters, b: PoolCounters): PoolCounters['latencyMs'] {
  if (a.latencyMs === null || b.latencyMs === null) return a.latencyMs ?? b.latencyMs
  const requests = Math.max(1, a.requests + b.requests)
  const mean = (a.latencyMs.mean * a.requests + b.latencyMs.mean * b.requests) / requests
  return { mean, max: Math.max(a.latencyMs.max, b.latencyMs.max) }
}

function readUpstream(row: StatRow): UpstreamCounters {
  return {
    requests: row.number('stot'),
    failed: row.number('hrsp_5xx') + row.number('econ') + row.number('eresp') + row.number('srv_abrt'),
    active: row.number('scur'),
    isEjected: !isTwin(row.server) && row.text('status').startsWith('DOWN'),
  }
}

const addUpstream = (a: UpstreamCounters, b: UpstreamCounters): UpstreamCounters => ({
  requests: a.requests + b.requests,
  failed: a.failed + b.failed,
  active: a.active + b.active,
  isEjected: a.isEjected || b.isEjected,
})
