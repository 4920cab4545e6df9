/** The balancer as one project sees it: its own services and slots by their own names, and nothing of the others'. */

import { upstreamId } from '../../core/balance/table.ts'
import type { UpstreamId } from '../../core/balance/table.ts'
import type { Epoch, SlotId } from '../../core/model/id.ts'
import { ownPart } from '../../core/model/project-id.ts'
import type { ProjectId } from '../../core/model/project-id.ts'
import type { Slot } from '../../core/instance/slot.ts'
import type { BalancerReport, RoutingWish } from '../../ports/exchange.ts'
import type { BalancerObservation } from '../../ports/traffic/balancer.ts'
import { isPresumed } from './endpoints.ts'
import { ownRecord } from './routing-reader.ts'
import type { TrafficRecord } from './applied-table.ts'
import type { TrafficView } from './traffic-view.ts'
import type { Traffic } from './traffic.ts'

export class ProjectTraffic implements TrafficView {
  readonly #traffic: Traffic
  readonly #id: ProjectId

  constructor(traffic: Traffic, id: ProjectId) {
    this.#traffic = traffic
    this.#id = id
  }

  note(): void {
    this.#traffic.noteProject(this.#id)
  }

  /** Whether new requests go to this epoch of the slot. */
  isServing(slot: SlotId, epoch: Epoch): boolean {
    return this.#record().active.has(upstreamId(slot, epoch))
  }

  isPresumed(slot: Slot): boolean {
    return isPresumed(slot, this.#record().own)
  }

  /** The balancer itself is the machine's: of a project it is only said how far its wish is. */
  report(wish: RoutingWish | null): Omit<BalancerReport, 'kind'> {
    const troubles = Object.fromEntries(
      (wish?.services ?? []).flatMap(({ service }) => {
        const trouble = this.#traffic.troubleOf(service)
        return trouble === null ? [] : [[service.name, trouble]]
      }),
    )
    const appliedOrder = wish !== null && this.#traffic.isInForce() ? wish.order : null
    return { service: null, isNeeded: false, isPrepared: true, appliedOrder, order: wish?.order ?? null, troubles }
  }

  async observe(): Promise<BalancerObservation | null> {
    const observation = await this.#traffic.observe()
    if (observation === null) return null
    return { ...observation, pools: this.#own(observation.pools), upstreams: this.#own(observation.upstreams) }
  }

  #kept: { readonly of: TrafficRecord; readonly own: TrafficRecord; readonly active: ReadonlySet<UpstreamId> } | null = null

  #record(): { readonly own: TrafficRecord; readonly active: ReadonlySet<UpstreamId> } {
    const of = this.#traffic.record
    if (this.#kept?.of === of) return this.#kept
    const own = ownRecord(this.#id, of)
    this.#kept = { of, own, active: new Set(own.active) }
    return this.#kept
  }

  #own<Key extends string, Value>(counters: ReadonlyMap<Key, Value>): ReadonlyMap<Key, Value> {
    const own = new Map<Key, Value>()
    for (const [key, value] of counters) {
      const part = ownPart(this.#id, key)
      if (part !== null) own.set(part, value)
    }
    return own
  }
}

/** For the machine's own part: nothing in it has a route, and the balancer is what it runs. */
export function machineTraffic(traffic: () => Traffic): TrafficView {
  return {
    note: () => traffic().note(),
    isServing: () => false,
    isPresumed: () => false,
    report: () => {
      const { service, isNeeded, isPrepared } = traffic()
      return { service, isNeeded, isPrepared, appliedOrder: null, order: null, troubles: {} }
    },
    observe: async () => null,
  }
}
