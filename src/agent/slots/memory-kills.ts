/**
 * A child that the kernel OOM-kills while its parent lives on: the instance runs, and something of it is missing. Nobody
 * ends, so no exit tells it; only a counter of its cgroup has moved. It is told as an event, and stands in status for as long as the instance
 * lives. Ending the rest is the program's own decision, or its probes'.
 */

import type { Event } from '../../core/model/event.ts'
import type { Epoch, SlotId } from '../../core/model/id.ts'
import type { Runtime } from '../../ports/runtime/runtime.ts'
import type { SlotShell } from './slot-shell.ts'

interface Known {
  readonly epoch: Epoch
  readonly told: number
  /** At the last look: what is still there at the next one was not the end of the whole instance. */
  readonly seen: number
}

export interface MemoryKillsOptions {
  readonly shells: ReadonlyMap<SlotId, SlotShell>
  readonly runtime: Pick<Runtime, 'memoryKills'>
  /** It was found running, rather than started, by this agent. */
  readonly isAdopted: (slot: SlotId, epoch: Epoch) => boolean
  readonly emit: (event: Event) => void
}

export class MemoryKills {
  readonly #options: MemoryKillsOptions
  readonly #known = new Map<SlotId, Known>()

  constructor(options: MemoryKillsOptions) {
    this.#options = options
  }

  /** Every few seconds. An instance whose first process was killed is gone by the next look, and its exit says why. */
  look(): void {
    for (const shell of this.#options.shells.values()) {
      const { occupancy } = shell.slot
      if (occupancy.kind !== 'live') this.#known.delete(shell.id)
      else this.#note(shell.id, occupancy.epoch)
    }
    for (const slot of this.#known.keys()) if (!this.#options.shells.has(slot)) this.#known.delete(slot)
  }

  /** For status; null where nothing of the instance was killed. */
  reasonOf(slot: SlotId): string | null {
    const known = this.#known.get(slot)
    const at = this.#options.shells.get(slot)?.slot.occupancy
    const isOfIt = known !== undefined && at?.kind === 'live' && known.epoch === at.epoch && known.seen > 0
    return isOfIt ? sentence(known.seen) : null
  }

  #note(slot: SlotId, epoch: Epoch): void {
    const count = this.#options.runtime.memoryKills({ slot, epoch }) ?? 0
    const known = this.#known.get(slot)
    if (known === undefined || known.epoch !== epoch) {
      // What an adopted one had lost before is in status; its event was emitted by the agent that saw it.
      const told = this.#options.isAdopted(slot, epoch) ? count : 0
      this.#known.set(slot, { epoch, told, seen: count })
      return
    }
    const isCertain = count === known.seen && count > known.told
    if (isCertain)
      this.#options.emit({ kind: 'memory-killed', slot, epoch, message: sentence(count - known.told), cause: 'out of memory' })
    this.#known.set(slot, { epoch, told: isCertain ? count : known.told, seen: count })
  }
}

const sentence = (count: number): string =>
  `${count === 1 ? 'a process' : `${count} processes`} of it ${count === 1 ? 'was' : 'were'} killed: out of memory; the rest keeps running`
