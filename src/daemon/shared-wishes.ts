/** What all projects together ask of the one balancer: its settings, and the routes that may need certificates. */

import { shareSettings } from '../core/balance/shared-settings.ts'
import type { BalancerSettings, Route } from '../core/model/service.ts'
import type { RevisionRecord } from './records.ts'
import type { ServedProject } from './routing-view.ts'

export interface SharedSettings {
  readonly settings: BalancerSettings
  readonly routes: readonly Route[]
}

export class SharedWishes {
  readonly #served: () => Iterable<ServedProject>
  #last: { readonly targets: readonly (RevisionRecord | null)[]; readonly shared: SharedSettings } | null = null

  constructor(served: () => Iterable<ServedProject>) {
    this.#served = served
  }

  /** The same object until one of the projects has another revision. */
  read(): SharedSettings {
    const projects = [...this.#served()]
    const targets = projects.map(({ world }) => world.target)
    const last = this.#last
    if (last?.targets.length === targets.length && last.targets.every((target, index) => target === targets[index]))
      return last.shared
    const wanted = projects.flatMap(({ id, world: { project } }) => (project === null ? [] : [{ id, project }]))
    const shared = {
      settings: shareSettings(wanted.map(({ id, project }) => ({ project: id, settings: project.balancer }))).settings,
      routes: wanted.flatMap(({ project }) => project.services.flatMap(({ routes }) => routes)),
    }
    this.#last = { targets, shared }
    return shared
  }
}
