/** What every connection of the process looks at: the table's settings, pools and challenges, and the counters of the clients' side. */

import type { PoolId, RoutingTable, UpstreamId } from '../../../core/balance/table.ts'
import type { BalancerObservation, PoolCounters, UpstreamCounters } from '../../../ports/traffic/balancer.ts'
import { AccessLog } from './access-log.ts'
import { MemoryBudget } from '../clients/memory-budget.ts'
import { PoolState } from '../upstreams/pool.ts'

/** {@link BalancerObservation} as it goes over the control socket. */
export interface Counters {
  readonly pools: readonly (readonly [PoolId, PoolCounters])[]
  readonly upstreams: readonly (readonly [UpstreamId, UpstreamCounters])[]
  readonly connections: BalancerObservation['connections']
  readonly refused: BalancerObservation['refused']
}

export class Traffic {
  settings: RoutingTable['settings']
  challenges: ReadonlyMap<string, string> = new Map()
  connections = 0
  refused = 0
  readonly log: AccessLog
  readonly memory: MemoryBudget
  readonly #pools = new Map<PoolId, PoolState>()
  /** Of services that are routed no more, until what they have under way has ended. */
  #leaving: PoolState[] = []

  constructor(settings: RoutingTable['settings'], write: (text: string) => void, memory: MemoryBudget = new MemoryBudget()) {
    this.settings = settings
    this.memory = memory
    this.log = new AccessLog(write)
  }

  get limits(): RoutingTable['settings']['limits'] {
    return this.settings.limits
  }

  apply(table: RoutingTable): void {
    this.settings = table.settings
    this.log.isOn = table.settings.accessLog
    this.challenges = new Map(Object.entries(table.challenges))
    const wanted = new Set(table.pools.map(({ id }) => id))
    for (const [id, pool] of this.#pools) {
      if (wanted.has(id)) continue
      this.#pools.delete(id)
      pool.leave()
      this.#leaving.push(pool)
    }
    for (const spec of table.pools) {
      const known = this.#pools.get(spec.id)
      if (known === undefined) this.#pools.set(spec.id, new PoolState(spec))
      else known.apply(spec)
    }
  }

  pool(id: PoolId): PoolState | undefined {
    return this.#pools.get(id)
  }

  look(now: number): Counters {
    const pools = [...this.#pools.values(), ...this.#leaving]
    const upstreams = pools.flatMap((pool) => [...pool.upstreams()].map(([id, state]) => [id, state.look(now)] as const))
    this.#leaving = this.#leaving.filter((pool) => pool.tally.active > 0)
    return {
      pools: [...this.#pools].map(([id, { tally }]) => [id, tally.look()]),
      upstreams,
      connections: this.connections,
      refused: this.refused,
    }
  }
}
