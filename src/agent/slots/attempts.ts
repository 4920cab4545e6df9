/**
 * What an agent knows of the attempts of runs beyond their slots: how long each has lived by the monotonic clock, also before this agent came,
 * and how one ended that ended while nobody was there. It is told to the server, which keeps the ledger.
 */

import type { AttemptReport } from '../../core/instance/report.ts'
import type { InstanceSpec, Slot } from '../../core/instance/slot.ts'
import type { Epoch, SlotId } from '../../core/model/id.ts'
import type { Exit } from '../../core/model/status.ts'
import type { Occupant } from '../../ports/runtime/runtime.ts'
import { readNote } from './start-note.ts'

interface Watch {
  readonly number: number
  readonly revision: number
  /** Of its life, before this agent began to watch it. */
  readonly ageMs: number
  /** Whether this agent saw all of its life, or knows how long it was. */
  readonly isWhole: boolean
  epoch: Epoch
  began: AttemptReport['began']
  startedAt: string | null
  liveSinceMs: number | null
  endedMs: number | null
  exit: Exit | null
}

export class Attempts {
  readonly #watches = new Map<SlotId, Watch>()

  /** Takes in what was found of a run, whatever state it is in. */
  find(occupant: Occupant): void {
    const { slot, epoch, startedAt, state, exit, ageMs, isOfThisBoot } = occupant
    const note = readNote(occupant.note)
    this.#watches.set(slot, {
      number: note?.generation ?? 0,
      revision: note?.revision ?? 0,
      ageMs: ageMs ?? 0,
      isWhole: state === 'running' && ageMs !== undefined,
      epoch,
      began: state === 'running' || startedAt !== null ? 'yes' : isOfThisBoot === true ? 'no' : 'unknown',
      startedAt,
      liveSinceMs: null,
      endedMs: null,
      exit: state === 'running' || startedAt === null ? null : (exit ?? { kind: 'unknown' }),
    })
  }

  /** A start was committed, and nothing else is known of it. */
  findCommitted(slot: SlotId, epoch: Epoch): void {
    if ((this.#watches.get(slot)?.epoch ?? 0) >= epoch) return
    const nothing = { ageMs: 0, isWhole: false, startedAt: null, liveSinceMs: null, endedMs: null, exit: null }
    this.#watches.set(slot, { number: 0, revision: 0, epoch, began: 'unknown', ...nothing })
  }

  /** The slot has changed: a start was ordered, its command lives, or it is over. */
  note(slot: SlotId, now: Slot, nowMs: number): void {
    const at = now.occupancy
    if (at.kind === 'vacant') return this.#end(slot, now, nowMs)
    const watch = this.#watches.get(slot)
    const known = watch?.epoch === at.epoch ? watch : this.#begin(slot, at.epoch, at.spec)
    if (at.kind !== 'live') return
    known.began = 'yes'
    known.liveSinceMs ??= at.sinceMs
    known.startedAt = at.startedAt
  }

  report(slot: SlotId, nowMs: number): AttemptReport | null {
    const watch = this.#watches.get(slot)
    if (watch === undefined) return null
    const { epoch, number, revision, began, startedAt, liveSinceMs, endedMs, exit, isWhole, ageMs } = watch
    const lived = liveSinceMs === null ? null : Math.round((endedMs ?? nowMs) - liveSinceMs + ageMs)
    const isOver = endedMs !== null || exit !== null
    return {
      epoch,
      number,
      revision,
      began,
      startedAt,
      livedMs: isOver ? null : lived,
      durationMs: isOver && isWhole ? lived : null,
      exit,
    }
  }

  forget(slot: SlotId): void {
    this.#watches.delete(slot)
  }

  #begin(slot: SlotId, epoch: Epoch, spec: InstanceSpec | null): Watch {
    const watch: Watch = {
      number: spec?.generation ?? 0,
      revision: spec?.revision ?? 0,
      ageMs: 0,
      isWhole: true,
      epoch,
      began: 'no',
      startedAt: null,
      liveSinceMs: null,
      endedMs: null,
      exit: null,
    }
    this.#watches.set(slot, watch)
    return watch
  }

  /** A start that was refused leaves no exit: nothing of it ran. */
  #end(slot: SlotId, now: Slot, nowMs: number): void {
    const watch = this.#watches.get(slot)
    if (watch === undefined || watch.exit !== null || watch.began === 'no') return
    watch.endedMs = nowMs
    watch.exit = now.lastExit ?? now.outcome?.exit ?? { kind: 'unknown' }
  }
}
