/**
 * How long nobody was there while an instance was replaced in place: measured, where the plan can only estimate. With a route it is the
 * time without an instance in force, else the time without a process until the next one is ready. Crashes are no changes and not counted.
 */

import type { ServiceName, SlotId } from '../core/model/id.ts'
import { parseSlotId } from '../core/model/id.ts'
import type { GapStatus } from '../core/model/status.ts'
import type { Clock } from '../ports/clock.ts'
import type { SlotShell } from './slot-shell.ts'
import type { World } from './world.ts'

interface Leave {
  readonly cause: string
  /** Null while its old process is still of use. */
  readonly sinceMs: number | null
}

export interface GapsOptions {
  readonly world: World
  readonly clock: Clock
  readonly onGap: (gap: { readonly shell: SlotShell; readonly gapMs: number; readonly cause: string }) => void
}

export class Gaps {
  readonly #options: GapsOptions
  readonly #leaves = new Map<SlotId, Leave>()
  readonly #gaps = new Map<ServiceName, GapStatus>()

  constructor(options: GapsOptions) {
    this.#options = options
  }

  /** Since this daemon began; null where nothing was replaced in place. */
  of(name: ServiceName): GapStatus | null {
    return this.#gaps.get(name) ?? null
  }

  /** Something about the slot, or about what is in force, has changed. */
  note(slot: SlotId): void {
    const { world, clock } = this.#options
    const shell = world.shells.get(slot)
    if (shell === undefined) return void this.#leaves.delete(slot)
    const { goal, occupancy: at } = shell.slot
    const leave = this.#leaves.get(shell.id)
    if (goal.kind === 'rest') this.#leaves.delete(shell.id)
    else if (leave === undefined) {
      if (at.kind !== 'ending' || at.atFault || at.spec === null) return
      const hasRoutes = at.spec.service.routes.length > 0
      this.#leaves.set(shell.id, { cause: at.cause, sinceMs: hasRoutes ? clock.now() : null })
    } else if (at.kind === 'ending') return
    else if (leave.sinceMs === null) this.#leaves.set(shell.id, { ...leave, sinceMs: clock.now() })
    else if (world.isInUse(shell)) this.#close(shell, leave.cause, Math.round(clock.now() - leave.sinceMs))
  }

  #close(shell: SlotShell, cause: string, gapMs: number): void {
    const { service } = parseSlotId(shell.id)
    this.#leaves.delete(shell.id)
    this.#gaps.set(service, { lastMs: gapMs, worstMs: Math.max(gapMs, this.#gaps.get(service)?.worstMs ?? 0) })
    this.#options.onGap({ shell, gapMs, cause })
  }

  /** What has come into force since: nobody else says so of a slot that has not changed itself. */
  noteAll(): void {
    for (const slot of this.#leaves.keys()) this.note(slot)
  }
}
