/** Which tree of files a service runs from: its release, and what was built from it. */

import type { ProjectId } from '../model/project-id.ts'
import { canonicalJson } from '../model/service.ts'
import type { Project, Service, SourceFolder } from '../model/service.ts'

/** What a tree is made of: a release, and what was built from it. */
export interface TreeRequest {
  /** Of the manifest. */
  readonly digest: string
  /** The command that was, or is to be, run in it; null: none. */
  readonly build: readonly string[] | null
  /** The project that builds it; absent where nothing is built: files as they are may be anybody's. */
  readonly place?: ProjectId
}

/** Two projects that build the same at once must not write into one tree. */
export const builtIn = (place: ProjectId, request: TreeRequest): TreeRequest =>
  request.build === null ? request : { ...request, place }

export function sourceOf({ runs }: Service): SourceFolder | null {
  return runs.kind === 'process' ? runs.source : null
}

/** What the service runs from; null where that is this host's files. */
export function requestOf(service: Service): TreeRequest | null {
  const source = sourceOf(service)
  return source === null || source.digest === null ? null : { digest: source.digest, build: source.build?.command ?? null }
}

/** Of all services, each once: recorded with the revision. */
export function requestsOf({ services }: Pick<Project, 'services'>): readonly TreeRequest[] {
  const found = new Map<string, TreeRequest>()
  for (const service of services) {
    const request = requestOf(service)
    if (request !== null) found.set(canonicalJson(request), request)
  }
  return [...found.values()]
}
