/** Which slots have something with routes in them: what changes in such a slot, or empties it, is the balancer's business. */

import type { Slot } from '../../core/instance/slot.ts'
import type { SlotId } from '../../core/model/id.ts'

export class RoutedSlots {
  readonly #slots = new Set<SlotId>()

  /** Whether it has routes now, or had before this change. */
  note({ id, occupancy: at }: Slot): boolean {
    const had = this.#slots.has(id)
    const has = at.kind !== 'vacant' && (at.spec?.service.routes.length ?? 0) > 0
    this.#slots[has ? 'add' : 'delete'](id)
    return had || has
  }
}
