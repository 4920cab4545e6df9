/** What an operation must know of the host's routes to say how far it is. */

import type { Service } from '../../core/model/service.ts'
import type { BalancerObservation } from '../../ports/traffic/balancer.ts'

export interface RoutingFacts {
  /** Why a service cannot be reached, where waiting does not help: a port of a route is taken. */
  readonly troubleOf: (service: Service) => string | null
  /** Whether the balancer serves the routes as they are wanted, for the instances that there are now. */
  readonly isApplied: () => boolean
  /** What the balancer counts; null while none answers. */
  readonly observe: () => Promise<BalancerObservation | null>
}
