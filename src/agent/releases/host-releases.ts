/** The trees that this host's services run from: made before anything is given up for them, and found again at each start. */

import type { ServiceName } from '../../core/model/id.ts'
import type { Service } from '../../core/model/service.ts'
import type { ProjectId } from '../../core/model/project-id.ts'
import { builtIn, requestOf, sourceOf } from '../../core/release/tree-request.ts'
import type { TreeRequest } from '../../core/release/tree-request.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Releases } from '../../ports/runtime/releases.ts'
import type { ProcessOrder } from '../../ports/runtime/runtime.ts'
import type { Builder } from './builder.ts'

export interface HostReleasesOptions {
  readonly releases: Releases
  readonly builder: Builder
  readonly place: ProjectId
}

export class HostReleases {
  readonly #options: HostReleasesOptions

  constructor(options: HostReleasesOptions) {
    this.#options = options
  }

  /** Whether trees have to be made before the services can start. */
  async isPending(services: readonly Service[]): Promise<boolean> {
    for (const service of services) {
      const request = this.#requestOf(service)
      if (request !== null && (await this.#options.releases.find(request)) === null) return true
    }
    return false
  }

  /** Makes every tree that is wanted and not there, one after the other; null, or the first that cannot be made. Never rejects. */
  async prepare(
    services: readonly Service[],
    say: (service: ServiceName, message: string) => void,
  ): Promise<{ readonly service: ServiceName; readonly error: unknown } | null> {
    const { releases, builder } = this.#options
    for (const service of services) {
      const request = this.#requestOf(service)
      const build = sourceOf(service)?.build ?? null
      try {
        if (request === null || (await releases.find(request)) !== null) continue
        if (build === null) await releases.makeTree(request)
        else {
          say(service.name, 'building')
          await builder.build(service, request, build)
          say(service.name, 'built')
        }
      } catch (error) {
        return { service: service.name, error }
      }
    }
    return null
  }

  /** For a start: the tree is there, unless somebody has removed it. What needs no build is then made again. */
  async treeFor(service: Service): Promise<Pick<ProcessOrder, 'tree'>> {
    const request = this.#requestOf(service)
    if (request === null) return {}
    const found = await this.#options.releases.find(request)
    if (found !== null) return { tree: { path: found, isWritable: false } }
    if (request.build !== null) {
      throw new DarumaError('E_RELEASE_MISSING', `What was built for ${service.name} is no longer on this host.`, {
        hint: '`daruma rollback` to its revision builds it again.',
      })
    }
    return { tree: { path: await this.#options.releases.makeTree(request), isWritable: false } }
  }
  #requestOf(service: Service): TreeRequest | null {
    const request = requestOf(service)
    return request === null ? null : builtIn(this.#options.place, request)
  }
}
