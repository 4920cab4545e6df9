/** The balancer as one project sees it: its own services and slots by their own names, and nothing of the others'. */

import { upstreamId } from '../core/balance/table.ts'
import type { UpstreamId } from '../core/balance/table.ts'
import type { Epoch, SlotId } from '../core/model/id.ts'
import { ownPart } from '../core/model/project-id.ts'
import type { ProjectId } from '../core/model/project-id.ts'
import type { Project, Service } from '../core/model/service.ts'
import type { BalancerObservation } from '../ports/balancer.ts'
import { isPresumed } from './carriers.ts'
import { ownRecord } from './routing-view.ts'
import type { TrafficRecord } from './records.ts'
import type { SlotShell } from './slot-shell.ts'
import type { BalancerForPlan, Traffic } from './traffic.ts'
import type { TrafficView } from './world.ts'

/** What a project, or the machine with the balancer's own slot, asks about the balancer and tells it. */
export interface TrafficPart extends TrafficView {
  /** Something about the slots or about what should be has changed. */
  note(): void
  isInForce(): boolean
  /** Why a route of the service cannot be served, where that is not going to change by itself. */
  troubleOf(service: Service): string | null
  /** Which program the routes of the config would have. */
  kindFor(project: Project): BalancerForPlan
  /** Null while no balancer answers. */
  observe(): Promise<BalancerObservation | null>
}

export class ProjectTraffic implements TrafficPart {
  readonly #traffic: Traffic
  readonly #id: ProjectId
  /** The balancer itself is the machine's. */
  readonly wanted: null = null
  readonly isPrepared: boolean = true

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

  /** An adopted instance that was in force and has not been probed since: nothing has shown that it is not ready any more. */
  isPresumed(shell: SlotShell): boolean {
    return isPresumed(shell, this.#record().own)
  }

  isInForce(): boolean {
    return this.#traffic.isInForce()
  }

  troubleOf(service: Service): string | null {
    return this.#traffic.troubleOf(service)
  }

  kindFor(project: Project): BalancerForPlan {
    return this.#traffic.kindFor(project, this.#id)
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
export function machineTraffic(traffic: () => Traffic): TrafficPart {
  return {
    get wanted() {
      return traffic().wanted
    },
    get isPrepared() {
      return traffic().isPrepared
    },
    note: () => traffic().note(),
    isServing: () => false,
    isPresumed: () => false,
    isInForce: () => true,
    troubleOf: () => null,
    kindFor: () => ({}),
    observe: async () => null,
  }
}
