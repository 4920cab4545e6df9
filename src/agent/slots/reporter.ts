/** Puts together what is reported of a slot: its own state, and what agent, balancer and memory know beside it. */

import { reportSlot } from '../../core/instance/report.ts'
import type { SlotReport } from '../../core/instance/report.ts'
import { newSlot } from '../../core/instance/slot.ts'
import type { Slot } from '../../core/instance/slot.ts'
import { isRunSlot } from '../../core/model/id.ts'
import type { Epoch, SlotId } from '../../core/model/id.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Allotment } from '../port-allotment.ts'
import type { Attempts } from './attempts.ts'
import type { Gaps } from './gaps.ts'
import type { SlotMemory } from './slot-memory.ts'

export interface ReporterOptions {
  readonly clock: Clock
  readonly allotment: Pick<Allotment, 'portOf'>
  readonly traffic: { isServing(slot: SlotId, epoch: Epoch): boolean; isPresumed(slot: Slot): boolean }
  readonly memory: SlotMemory
  readonly attempts: Attempts
  readonly gaps: Gaps
}

export class Reporter {
  readonly #options: ReporterOptions
  /** By slot: the epoch that was found running, until its probes have answered. */
  readonly #adopted = new Map<SlotId, Epoch>()

  constructor(options: ReporterOptions) {
    this.#options = options
  }

  /** The epoch was found running, rather than started, by this agent. */
  noteAdopted(slot: SlotId, epoch: Epoch): void {
    this.#adopted.set(slot, epoch)
  }

  isUnproven(slot: SlotId): boolean {
    return this.#adopted.has(slot)
  }

  forget(slot: SlotId): void {
    this.#adopted.delete(slot)
  }

  /** `order` names the assignment that the slot goes by. */
  report(slot: Slot, order: string | null): SlotReport {
    const { clock, allotment, traffic, memory, gaps, attempts } = this.#options
    const { id, occupancy: at } = slot
    const epoch = at.kind === 'vacant' ? null : at.epoch
    if (this.#adopted.get(id) !== epoch) this.#adopted.delete(id)
    const report = reportSlot(slot, {
      nowMs: clock.now(),
      order,
      port: allotment.portOf(id),
      isServing: epoch !== null && traffic.isServing(id, epoch),
      isPresumed: traffic.isPresumed(slot),
      isAdopted: this.#adopted.has(id),
      completed: memory.get(id).completed,
      gap: gaps.lastOf(id),
      attempt: isRunSlot(id) ? attempts.report(id, clock.now()) : null,
    })
    if (!report.isUnproven) this.#adopted.delete(id)
    return report
  }

  /** Of a run that was over before this agent came, or that its server is done with: no slot is kept for it. */
  remains(id: SlotId, lastEpoch: Epoch | null, order: string | null): SlotReport {
    return this.report(newSlot(id, lastEpoch, { kind: 'stopped', because: 'it is over' }), order)
  }
}
