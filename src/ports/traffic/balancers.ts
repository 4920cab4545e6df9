/**
 * Which balancer there is, before any is wanted: a config without routes loads none of it. `choose` looks at the machine each time it is
 * asked; `open` touches nothing that runs.
 */

import type { BalancerSettings } from '../../core/model/service.ts'
import type { Balancer } from './balancer.ts'

export type BalancerKind = Balancer['kind']

export interface Balancers {
  /** What the setting means on this machine. Throws `E_BALANCER_MISSING` when the program that is asked for is not installed. */
  choose(program: BalancerSettings['program']): BalancerKind
  open(kind: BalancerKind): Promise<Balancer>
}
