/**
 * What will keep a service from starting, as far as it can be known before: a folder that is missing, a program that is not there. What
 * a job of the same change may still make is no obstacle; the plan mentions it.
 */

import type { ServiceName } from '../model/id.ts'
import type { Project, Service } from '../model/service.ts'
import type { Plan } from './plan.ts'

export interface Obstacle {
  readonly service: ServiceName
  readonly kind: 'directory' | 'user' | 'program' | 'port' | 'ulimit'
  /** After the service's name: "the directory /srv/web does not exist". */
  readonly message: string
}

export interface Obstacles {
  readonly certain: readonly Obstacle[]
  /** May be gone when its turn comes: a job before it may make what is missing. */
  readonly open: readonly (Obstacle & { readonly job: ServiceName })[]
}

/** The services that a plan starts again. What runs already has what it needs; the runs of a schedule are all still to come. */
export function startedBy({ steps }: Plan, { services }: Project): readonly Service[] {
  const kinds = new Map(steps.map(({ service, kind }) => [service, kind]))
  return services.filter(({ name, scale }) => {
    const kind = kinds.get(name)
    if (kind === undefined || kind === 'remove') return false
    return kind !== 'update' || scale.kind === 'schedule'
  })
}

/** A user or a port is nothing that a job makes. */
export function sortObstacles(found: readonly Obstacle[], plan: Plan, project: Project): Obstacles {
  const runs = new Set(plan.steps.filter(({ kind }) => kind === 'run-job').map(({ service }) => service))
  const certain: Obstacle[] = []
  const open: (Obstacle & { readonly job: ServiceName })[] = []
  for (const obstacle of found) {
    const isMade = obstacle.kind === 'directory' || obstacle.kind === 'program'
    const job = isMade ? jobBefore(obstacle.service, runs, project) : null
    if (job === null) certain.push(obstacle)
    else open.push({ ...obstacle, job })
  }
  return { certain, open }
}

/** The nearest one that runs in this change; dependencies have no circle. */
function jobBefore(name: ServiceName, runs: ReadonlySet<ServiceName>, { services }: Project): ServiceName | null {
  const after = new Map(services.map((service) => [service.name, service.after.map((dependency) => dependency.service)]))
  const seen = new Set<ServiceName>()
  const queue = [...(after.get(name) ?? [])]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (seen.has(next)) continue
    seen.add(next)
    if (runs.has(next)) return next
    queue.push(...(after.get(next) ?? []))
  }
  return null
}
