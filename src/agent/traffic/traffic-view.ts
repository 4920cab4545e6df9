/** What an agent asks about the balancer of its host, which all projects share. */

import type { Slot } from '../../core/instance/slot.ts'
import type { Epoch, SlotId } from '../../core/model/id.ts'
import type { BalancerObservation } from '../../ports/traffic/balancer.ts'
import type { BalancerReport, RoutingWish } from '../../ports/exchange.ts'

export interface TrafficView {
  isServing(slot: SlotId, epoch: Epoch): boolean
  isPresumed(slot: Slot): boolean
  /** What is to be reported of a wish. */
  report(wish: RoutingWish | null): Omit<BalancerReport, 'kind'>
  /** Something about the slots or about the wish has changed. */
  note(): void
  /** What the balancer counts of the project; null while none answers. */
  observe(): Promise<BalancerObservation | null>
}
