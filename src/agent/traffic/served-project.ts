/** A project as the balancer of its host sees it. */

import type { SlotId } from '../../core/model/id.ts'
import type { ProjectId } from '../../core/model/project-id.ts'
import type { RoutingWish } from '../../ports/exchange.ts'
import type { SlotShell } from '../slots/slot-shell.ts'

export interface ServedProject {
  readonly id: ProjectId
  readonly shells: ReadonlyMap<SlotId, SlotShell>
  /** What the server said of the project's routes; null before it has. */
  readonly routing: RoutingWish | null
  readonly portOf: (slot: SlotId) => number | null
}
