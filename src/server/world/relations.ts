/** What runs, by what it has to do with others: the volumes that it holds, the routes that it serves, the services that it comes after. */

import type { InstanceSpec } from '../../core/instance/slot.ts'
import type { ServiceName, SlotId } from '../../core/model/id.ts'
import { parseSlotId } from '../../core/model/id.ts'
import type { Service } from '../../core/model/service.ts'
import { nameOfRoute } from '../../core/keys/service/route.ts'

export class Relations {
  readonly #services = new Map<SlotId, Service>()
  readonly #volumes = new Map<string, Set<SlotId>>()
  readonly #routes = new Map<string, Set<SlotId>>()
  readonly #dependencies = new Map<ServiceName, Set<SlotId>>()

  /** Takes in what is in the slot now. Returns what was in it, where that is not in it any more. */
  note(slot: SlotId, spec: InstanceSpec | null): Service | null {
    const before = this.#services.get(slot) ?? null
    if (before === (spec?.service ?? null)) return null
    if (before !== null) this.#each(before, (map, key) => drop(map, key, slot))
    if (spec === null) this.#services.delete(slot)
    else {
      this.#services.set(slot, spec.service)
      this.#each(spec.service, (map, key) => add(map, key, slot))
    }
    return before
  }

  holdersOf(volume: string): readonly SlotId[] {
    return [...(this.#volumes.get(volume) ?? [])]
  }

  serversOf(route: string): readonly SlotId[] {
    return [...(this.#routes.get(route) ?? [])]
  }

  dependentsOf(name: ServiceName): readonly ServiceName[] {
    return [...(this.#dependencies.get(name) ?? [])].map((slot) => parseSlotId(slot).service)
  }

  #each(service: Service, apply: (map: Map<string, Set<SlotId>>, key: string) => void): void {
    for (const { name } of service.volumes) apply(this.#volumes, name)
    for (const route of service.routes) apply(this.#routes, nameOfRoute(route))
    for (const dependency of service.after) apply(this.#dependencies, dependency.service)
  }
}

function add(map: Map<string, Set<SlotId>>, key: string, slot: SlotId): void {
  const slots = map.get(key)
  if (slots === undefined) map.set(key, new Set([slot]))
  else slots.add(slot)
}

function drop(map: Map<string, Set<SlotId>>, key: string, slot: SlotId): void {
  const slots = map.get(key)
  if (slots?.delete(slot) === true && slots.size === 0) map.delete(key)
}
