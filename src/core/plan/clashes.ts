/**
 * What two projects of one machine cannot both have: a domain with a path, a listening port, or different settings of the balancer that they
 * share. Found when a change is planned, so that neither project's running services meet it.
 */

import { shareSettings } from '../balance/shared-settings.ts'
import { projectIdOf } from '../model/project-id.ts'
import type { Problem } from '../values/problem.ts'
import type { BalancerSettings, Project } from '../model/service.ts'

/** The first clash of the project with one of the others; null where there is none. */
export function findClash(desired: Project, others: readonly Project[]): Problem | null {
  for (const other of others) {
    const problem = clashOf(desired, other)
    if (problem !== null) return problem
  }
  return null
}

function clashOf(desired: Project, other: Project): Problem | null {
  const id = projectIdOf(other)
  const { settings, disagreements } = shareSettings([
    { project: projectIdOf(desired), settings: desired.balancer },
    { project: id, settings: other.balancer },
  ])
  const [disagreement] = disagreements
  if (disagreement !== undefined) {
    const { field, one, other: said } = disagreement
    return refuse(
      ['balancer', ...field.split('.')],
      `balancer.${field} is ${one.value} here and ${said.value} in the project ${id}, and one balancer serves both`,
      'say the same in both, or leave it away in one of them',
    )
  }
  const ours = claimsOf(desired, settings)
  const theirs = Map.groupBy(claimsOf(other, settings), ({ place }) => place)
  for (const { place, service, key, isShared } of ours) {
    const taken = theirs.get(place)?.find((claim) => !(isShared && claim.isShared))
    if (taken === undefined) continue
    return refuse(
      ['services', service, key],
      `${service} wants ${place}, which ${id}/${taken.service} has`,
      'take it out of one of the two projects',
    )
  }
  return null
}

/** Something that one project can have, and where it is wanted. */
interface Claim {
  /** In words: `shop.example.com/api`, `port 6379`. */
  readonly place: string
  readonly service: string
  readonly key: 'port' | 'route'
  /** The listeners of domains are every project's. */
  readonly isShared: boolean
}

function claimsOf({ services }: Project, settings: BalancerSettings): readonly Claim[] {
  return services.flatMap((service): readonly Claim[] => {
    const own = { service: service.name, isShared: false }
    const routes = service.routes.flatMap(({ to, path, tls }): readonly Claim[] => {
      if (to.kind === 'port') return [{ ...own, key: 'route', place: `port ${to.port}` }]
      const ports = tls.kind === 'none' ? [settings.httpPort] : [settings.httpPort, settings.httpsPort]
      const listeners = ports.map((port): Claim => ({ ...own, key: 'route', place: `port ${port}`, isShared: true }))
      return [{ ...own, key: 'route', place: `${to.domain}${path}` }, ...listeners]
    })
    return service.port.kind === 'fixed' ? [{ ...own, key: 'port', place: `port ${service.port.port}` }, ...routes] : routes
  })
}

const refuse = (path: Problem['path'], message: string, allowed: string): Problem => ({
  code: 'E_PROJECT_CLASH',
  path,
  message,
  allowed,
  suggestion: null,
})
