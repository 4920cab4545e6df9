/** What all projects together ask of the one balancer: its settings, and the routes that may need certificates. */

import { shareSettings } from '../../core/balance/shared-settings.ts'
import type { BalancerSettings, Route } from '../../core/model/service.ts'
import type { RoutingWish } from '../../ports/exchange.ts'
import type { ServedProject } from './served-project.ts'

export interface SharedSettings {
  readonly settings: BalancerSettings
  readonly routes: readonly Route[]
}

export class SharedWishes {
  readonly #served: () => Iterable<ServedProject>
  #last: { readonly wishes: readonly (RoutingWish | null)[]; readonly shared: SharedSettings } | null = null

  constructor(served: () => Iterable<ServedProject>) {
    this.#served = served
  }

  /** The same object until one of the projects wishes otherwise. */
  read(): SharedSettings {
    const projects = [...this.#served()]
    const wishes = projects.map(({ routing }) => routing)
    const last = this.#last
    if (last?.wishes.length === wishes.length && last.wishes.every((wish, index) => wish === wishes[index])) return last.shared
    const wanted = projects.flatMap(({ id, routing }) => (routing === null ? [] : [{ id, routing }]))
    const shared = {
      settings: shareSettings(wanted.map(({ id, routing }) => ({ project: id, settings: routing.settings }))).settings,
      routes: wanted.flatMap(({ routing }) => routing.services.flatMap(({ service }) => service.routes)),
    }
    this.#last = { wishes, shared }
    return shared
  }
}
