/**
 * What the server asks a host when a person looks: words and measurements of this moment, which no decision rests on. What decisions rest on
 * comes by itself, through the exchange.
 */

import type { Epoch, SlotId } from '../core/model/id.ts'
import type { HealthState, SlotState } from '../core/model/status.ts'
import type { BalancerObservation } from './traffic/balancer.ts'
import type { Runtime, Usage } from './runtime/runtime.ts'

export interface SlotInspection {
  readonly state: SlotState
  readonly health: HealthState
  readonly reason: string | null
  /** When its probes last succeeded, ISO 8601 UTC; null where they have not, or there are none. */
  readonly provenAt: string | null
  /** The last probe's answer, good or bad. */
  readonly lastProbe: string | null
}

export interface HostInspection {
  /** Null where the host has nothing of the slot. */
  inspect(slot: SlotId): SlotInspection | null
  usage(instance: { readonly slot: SlotId; readonly epoch: Epoch }): Usage | null
  readonly readLog: Runtime['readLog']
  /** What the balancer counts; null while none answers. */
  observeBalancer(): Promise<BalancerObservation | null>
}
