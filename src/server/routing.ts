/** What the host's balancer should serve of a project, made from what should be alone: the same world gives the same wish, and is said once. */

import type { ServiceName } from '../core/model/id.ts'
import type { RoutingWish } from '../ports/exchange.ts'
import { defaultBalancer as defaultSettings } from '../core/keys/balancer.ts'
import type { World } from './world/world.ts'

export type RoutingContent = Omit<RoutingWish, 'kind' | 'order'>

export function routingOf(world: World): RoutingContent {
  const routed = (world.project?.services ?? []).filter(({ routes }) => routes.length > 0)
  const canaries: Record<ServiceName, string> = {}
  for (const { name } of routed) {
    const wanted = world.isOnTrial(name) ? world.wantedOf(name) : null
    if (wanted !== null) canaries[name] = wanted.identity
  }
  return {
    settings: world.project?.balancer ?? defaultSettings,
    services: routed.map((service) => ({ service, isWanted: true })),
    canaries,
  }
}

export interface RoutingOptions {
  readonly world: World
  readonly life: () => number
  readonly publish: (key: string, entry: RoutingWish) => void
}

/** Says the wish, under a new name whenever it is another one. */
export class Routing {
  readonly #options: RoutingOptions
  #count = 0
  #said: RoutingWish | null = null
  #madeFor: { readonly target: unknown; readonly operation: unknown } | null = null

  constructor(options: RoutingOptions) {
    this.#options = options
  }

  /** Whether the host's balancer serves what is wished, for the instances that there are. */
  get isApplied(): boolean {
    return this.#said !== null && this.#options.world.balancer.appliedOrder === this.#said.order
  }

  /** Why a route of the service cannot be served, as far as the host has looked at what is wished now. */
  troubleOf(name: ServiceName): string | null {
    this.say()
    const { order, troubles } = this.#options.world.balancer
    return order === this.#said?.order ? (troubles[name] ?? null) : null
  }

  /** To be called whenever what should be may be another. */
  say(): void {
    const { world, life, publish } = this.#options
    const { target, operation } = world
    if (this.#madeFor !== null && this.#madeFor.target === target && this.#madeFor.operation === operation) return
    this.#madeFor = { target, operation }
    const content = routingOf(world)
    if (this.#said !== null && isSame(this.#said, content)) return
    this.#count += 1
    this.#said = { kind: 'routing', order: `${life()}.${this.#count}`, ...content }
    publish('routing', this.#said)
  }
}

function isSame({ settings, services, canaries }: RoutingWish, other: RoutingContent): boolean {
  return JSON.stringify([settings, services, canaries]) === JSON.stringify([other.settings, other.services, other.canaries])
}
