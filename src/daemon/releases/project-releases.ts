/**
 * A project's view of the releases on this host: what its revisions and instances run from, and so must be there. A release is needed
 * as long as a kept revision names it or an instance was started from it, whichever is longer.
 */

import type { Manifests } from '../../core/plan/difference.ts'
import type { Manifest } from '../../core/release/manifest.ts'
import type { ServiceName } from '../../core/model/id.ts'
import { canonicalJson } from '../../core/model/service.ts'
import type { Project, Service, SourceFolder } from '../../core/model/service.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Releases, TreeRequest } from '../../ports/releases.ts'
import type { ProcessOrder } from '../../ports/runtime.ts'
import type { Store } from '../../ports/store.ts'
import { listRecords } from '../records.ts'
import type { World } from '../world.ts'
import type { Builder } from './builder.ts'

export interface ProjectReleasesOptions {
  readonly releases: Releases
  readonly builder: Builder
  readonly store: Store
  readonly world: World
}

export class ProjectReleases {
  readonly #options: ProjectReleasesOptions

  constructor(options: ProjectReleasesOptions) {
    this.#options = options
  }

  /** What a plan needs to name the files that change, as far as it is here. */
  async manifestsFor(desired: Project): Promise<Manifests> {
    const before = new Map(this.#options.world.project?.services.map((service) => [service.name, digestOf(service)]))
    const changed = desired.services.flatMap((service) => {
      const [from, to] = [before.get(service.name) ?? null, digestOf(service)]
      return from === null || to === null || from === to ? [] : [from, to]
    })
    const found = new Map<string, Manifest>()
    for (const digest of new Set(changed)) {
      const manifest = await this.#options.releases.manifest(digest).catch(() => null)
      if (manifest !== null) found.set(digest, manifest)
    }
    return found
  }

  /** Rejects with `E_RELEASE_MISSING` where files of the project have not been brought here. */
  async requireAll({ services }: Project): Promise<void> {
    const wanted = services.filter((service) => sourceOf(service) !== null)
    if (wanted.length === 0) return
    const unread = wanted.find((service) => digestOf(service) === null)
    const digests = [...new Set(wanted.flatMap((service) => digestOf(service) ?? []))]
    const [unknown] = await this.#options.releases.unknown(digests)
    const service = unread ?? wanted.find((candidate) => digestOf(candidate) === unknown)
    if (service !== undefined) throw missing(service)
  }

  /** Whether trees have to be made before the services can start. */
  async isPending(services: readonly Service[]): Promise<boolean> {
    for (const service of services) {
      const request = requestOf(service)
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
      const request = requestOf(service)
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

  /** For a start: the tree is there, unless somebody has removed it. What needs no build is then made anew. */
  async treeFor(service: Service): Promise<Pick<ProcessOrder, 'tree'>> {
    const request = requestOf(service)
    if (request === null) return {}
    const found = await this.#options.releases.find(request)
    if (found !== null) return { tree: { path: found, isWritable: false } }
    if (request.build !== null) {
      throw new DarumaError('E_RELEASE_MISSING', `What was built for ${service.name} is not on this host any more.`, {
        hint: '`daruma rollback` to its revision builds it again.',
      })
    }
    return { tree: { path: await this.#options.releases.makeTree(request), isWritable: false } }
  }

  /** What must stay: of kept revisions, and of what runs. Null where that is not known. */
  async needed(): Promise<readonly TreeRequest[] | null> {
    const { builder, store, world } = this.#options
    const records = await listRecords<readonly TreeRequest[]>(store, 'releases/')
    const used = new Map<string, TreeRequest>()
    const keep = (request: TreeRequest | null): void => void (request !== null && used.set(canonicalJson(request), request))
    for (const { record } of records) for (const request of record) keep(request)
    for (const service of [...(world.project?.services ?? []), ...(world.target?.project.services ?? [])])
      keep(requestOf(service))
    for (const { slot } of world.shells.values()) {
      const { goal, occupancy } = slot
      if (goal.kind === 'run') keep(requestOf(goal.spec.service))
      if (occupancy.kind === 'vacant') continue
      if (occupancy.spec === null) return null
      keep(requestOf(occupancy.spec.service))
    }
    // A build that has begun meanwhile is in none of these.
    return builder.isBusy ? null : [...used.values()]
  }
}

export function sourceOf({ runs }: Service): SourceFolder | null {
  return runs.kind === 'process' ? runs.source : null
}

const digestOf = (service: Service): string | null => sourceOf(service)?.digest ?? null

/** What the service runs from; null where that is this host's files. */
export function requestOf(service: Service): TreeRequest | null {
  const source = sourceOf(service)
  return source === null || source.digest === null ? null : { digest: source.digest, build: source.build?.command ?? null }
}

/** Of all services, each once: recorded with the revision. */
export function requestsOf({ services }: Project): readonly TreeRequest[] {
  const found = new Map<string, TreeRequest>()
  for (const service of services) {
    const request = requestOf(service)
    if (request !== null) found.set(canonicalJson(request), request)
  }
  return [...found.values()]
}

function missing(service: Service): DarumaError {
  return new DarumaError('E_RELEASE_MISSING', `The files of ${service.name} are not on this host.`, {
    hint: '`daruma up` from where they are brings them.',
  })
}
