/**
 * How long nobody was there while an instance was replaced in place: measured, where the plan can only estimate. With a route it is the
 * time without an instance that is routed to, else the time without a process until the next one is ready. Crashes are no changes and not counted.
 */

import type { Slot } from '../../core/instance/slot.ts'
import type { Epoch, SlotId } from '../../core/model/id.ts'

interface Leave {
  readonly cause: string
  /** Null while its old process is still of use. */
  readonly sinceMs: number | null
}

export interface Gap {
  /** Of the instance that ended it. */
  readonly epoch: Epoch
  readonly gapMs: number
  readonly cause: string
}

export class Gaps {
  readonly #leaves = new Map<SlotId, Leave>()
  readonly #last = new Map<SlotId, Gap>()

  /** The last one of the slot since this agent began. */
  lastOf(slot: SlotId): Gap | null {
    return this.#last.get(slot) ?? null
  }

  /** Slots whose gap ends when they are routed to, of which no change of their own tells. */
  open(): Iterable<SlotId> {
    return this.#leaves.keys()
  }

  /** Takes in how the slot is now; the gap that has ended with that, or null. */
  note({ id, goal, occupancy: at }: Slot, isInUse: boolean, nowMs: number): Gap | null {
    const leave = this.#leaves.get(id)
    if (goal.kind !== 'run') this.#leaves.delete(id)
    else if (leave === undefined) {
      if (at.kind !== 'ending' || at.atFault || at.spec === null) return null
      const hasRoutes = at.spec.service.routes.length > 0
      this.#leaves.set(id, { cause: at.cause, sinceMs: hasRoutes ? nowMs : null })
    } else if (at.kind === 'ending') return null
    else if (leave.sinceMs === null) this.#leaves.set(id, { ...leave, sinceMs: nowMs })
    else if (isInUse && at.kind === 'live') return this.#close(id, at.epoch, leave.cause, nowMs - leave.sinceMs)
    return null
  }

  forget(slot: SlotId): void {
    this.#leaves.delete(slot)
    this.#last.delete(slot)
  }

  #close(slot: SlotId, epoch: Epoch, cause: string, gapMs: number): Gap {
    const gap = { epoch, gapMs: Math.round(gapMs), cause }
    this.#leaves.delete(slot)
    this.#last.set(slot, gap)
    return gap
  }
}
