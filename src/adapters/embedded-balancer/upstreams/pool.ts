/** The upstreams of one service, and which of them is next. Only what the table names is ever used. */

import type { Pool, Upstream, UpstreamId } from '../../../core/balance/table.ts'
import { Tally } from './tally.ts'
import { UpstreamState } from './upstream.ts'

export class PoolState {
  spec: Pool
  readonly tally: Tally = new Tally()
  /** Those of the table, and those that left it while they have something under way. */
  readonly #upstreams = new Map<UpstreamId, UpstreamState>()
  #active: readonly UpstreamState[] = []
  /** Where the search begins: it moves on, so that equals take turns. */
  #turn = 0

  constructor(spec: Pool) {
    this.spec = spec
    this.apply(spec)
  }

  apply(spec: Pool): void {
    this.spec = spec
    const wanted = new Map(spec.upstreams.map((upstream) => [upstream.id, upstream]))
    for (const [id, state] of this.#upstreams) if (!wanted.has(id)) this.#retire(id, state)
    for (const upstream of spec.upstreams) this.#renew(upstream)
    this.#active = spec.upstreams.filter(({ state }) => state === 'active').flatMap(({ id }) => this.#upstreams.get(id) ?? [])
  }

  /** Least connections, other ones than those that were tried before; null where none is active. `chance` decides about the canary. */
  pick(tried: readonly UpstreamState[], now: number, chance: number): UpstreamState | null {
    const all = this.#active
    if (all.length <= 1) return all[0] ?? null
    const share = this.spec.canaryShare
    const side = share === null ? null : chance < share
    return (
      this.#least(
        (state) => !tried.includes(state) && !state.isEjected(now) && (side === null || state.spec.isCanary === side),
      ) ??
      this.#least((state) => !tried.includes(state) && !state.isEjected(now)) ??
      // Never all of them: where each has failed, each is tried.
      this.#least((state) => !tried.includes(state)) ??
      this.#least(() => true)
    )
  }

  /** Those with something under way too, so that a reader sees them finish. */
  *upstreams(): Iterable<readonly [UpstreamId, UpstreamState]> {
    for (const [id, state] of this.#upstreams) {
      if (state.active === 0 && !this.spec.upstreams.some((upstream) => upstream.id === id)) this.#upstreams.delete(id)
      else yield [id, state]
    }
  }

  /** The service is routed no more. */
  leave(): void {
    this.apply({ ...this.spec, upstreams: [] })
  }

  #renew(upstream: Upstream): void {
    const known = this.#upstreams.get(upstream.id)
    if (known === undefined) {
      this.#upstreams.set(upstream.id, new UpstreamState(upstream))
      return
    }
    known.spec = upstream
    known.leave(upstream.state === 'draining')
  }

  #retire(id: UpstreamId, state: UpstreamState): void {
    state.leave(true)
    if (state.active === 0) this.#upstreams.delete(id)
  }

  #least(isFit: (state: UpstreamState) => boolean): UpstreamState | null {
    const all = this.#active
    this.#turn = (this.#turn + 1) % all.length
    let least: UpstreamState | null = null
    for (let step = 0; step < all.length; step += 1) {
      const state = all[(this.#turn + step) % all.length] as UpstreamState
      if (isFit(state) && (least === null || state.active < least.active)) least = state
    }
    return least
  }
}
