/**
 * What a project needs of releases: what its revisions and instances run from, and so must be there. A release is needed
 * as long as a kept revision names it or an instance was started from it, whichever is longer.
 */

import type { Manifests } from '../../core/plan/difference.ts'
import type { Manifest } from '../../core/release/manifest.ts'
import { canonicalJson } from '../../core/model/service.ts'
import type { Project, Service } from '../../core/model/service.ts'
import { DarumaError } from '../../ports/error.ts'
import { requestOf, sourceOf } from '../../core/release/tree-request.ts'
import type { TreeRequest } from '../../core/release/tree-request.ts'
import type { Releases } from '../../ports/runtime/releases.ts'
import type { Store } from '../../ports/storage/store.ts'
import { listRecords } from '../../ports/storage/json-records.ts'
import type { World } from '../world/world.ts'

export interface ProjectReleasesOptions {
  readonly releases: Releases
  readonly isBuilding: () => boolean
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

  /** What must stay: of kept revisions, and of what runs. Null where that is not known. */
  async needed(): Promise<readonly TreeRequest[] | null> {
    const { isBuilding, store, world } = this.#options
    const records = await listRecords<readonly TreeRequest[]>(store, 'releases/')
    const used = new Map<string, TreeRequest>()
    const keep = (request: TreeRequest | null): void => void (request !== null && used.set(canonicalJson(request), request))
    for (const { record } of records) for (const request of record) keep(request)
    for (const service of [...(world.project?.services ?? []), ...(world.target?.project.services ?? [])])
      keep(requestOf(service))
    for (const { goal } of world.assignments.values()) if (goal.kind === 'run') keep(requestOf(goal.spec.service))
    for (const { occupant } of world.reports.values()) {
      if (occupant === null) continue
      if (occupant.spec === null) return null
      keep(requestOf(occupant.spec.service))
    }
    // A build that has begun meanwhile is in none of these.
    return isBuilding() ? null : [...used.values()]
  }
}

const digestOf = (service: Service): string | null => sourceOf(service)?.digest ?? null

function missing(service: Service): DarumaError {
  return new DarumaError('E_RELEASE_MISSING', `The files of ${service.name} are not on this host.`, {
    hint: '`daruma up` from where they are brings them.',
  })
}
