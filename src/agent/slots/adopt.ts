/**
 * What a new agent makes of what it finds. It believes the kernel about what runs, the slots' files about the last epochs, and its own memory
 * about the ends that it has taken in. A second live epoch in one slot should not exist; if some fault has made one, it does not go on.
 */

import type { Goal, InstanceSpec, SlotEvent } from '../../core/instance/slot.ts'
import { isErrand } from '../../core/model/errand-slots.ts'
import { claimOfEpoch, isRunSlot } from '../../core/model/id.ts'
import type { Epoch, SlotId } from '../../core/model/id.ts'
import type { Exit } from '../../core/model/status.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Log } from '../../ports/log.ts'
import type { Discovery, Occupant, Runtime } from '../../ports/runtime/runtime.ts'
import type { SlotMemory } from './slot-memory.ts'
import { readNote, specOfNote } from './start-note.ts'

/** Found ended, and nobody has taken its end in: its agent was away. */
export interface EndFound {
  readonly slot: SlotId
  readonly epoch: Epoch
  readonly startedAt: string | null
  readonly spec: InstanceSpec
  readonly exit: Exit
  /** The machine went down under it: it did not come to an end of its own. */
  readonly isCutOff: boolean
}

export interface Found {
  /** `spec` is null where nothing says what it is; `port` as its note has it. */
  readonly running: readonly { readonly occupant: Occupant; readonly spec: InstanceSpec | null; readonly port: number | null }[]
  readonly ended: readonly EndFound[]
  /** Of epochs before a slot's latest, ascending: their agent died around the end, and the next start was under way. */
  readonly endedBefore: readonly EndFound[]
  /** Everything that was found of runs, whatever became of it. */
  readonly runs: readonly Occupant[]
  /** Runs whose start was committed. */
  readonly committedRuns: readonly { readonly slot: SlotId; readonly epoch: Epoch }[]
  readonly lastEpochs: ReadonlyMap<SlotId, Epoch>
}

export interface AdoptTools {
  readonly runtime: Runtime
  readonly log: Log
  readonly memory: SlotMemory
  readonly clock: Clock
}

/** What cannot be ended keeps its own slot from starting anything; the other slots are none of its business. */
const killLimitMs = 5000

export async function adoptSlots(tools: AdoptTools, discovery: Discovery): Promise<Found> {
  const latest = latestBySlot(discovery)
  for (const occupant of discovery.occupants) {
    if (occupant.state !== 'running' || isErrand(occupant.slot) || latest.get(occupant.slot) === occupant) continue
    await tools.runtime.kill(occupant, killLimitMs).catch((error: unknown) => tools.log.write('error', String(error)))
  }
  const running: Found['running'][number][] = []
  const ended: EndFound[] = []
  for (const occupant of latest.values()) {
    if (occupant.state === 'running') {
      running.push({ occupant, spec: specOf(tools.memory, occupant), port: readNote(occupant.note)?.port ?? null })
    } else ended.push(...untaken(tools.memory, occupant))
  }
  const committed = [...(discovery.committed ?? discovery.lastEpochs)].filter(([slot]) => isRunSlot(slot))
  return {
    running,
    ended,
    endedBefore: (discovery.endedBefore ?? [])
      .filter(({ slot, epoch }) => !isErrand(slot) && epoch < (latest.get(slot)?.epoch ?? 0))
      .flatMap((occupant) => untaken(tools.memory, occupant)),
    runs: [...latest.values()].filter(({ slot }) => isRunSlot(slot)),
    committedRuns: committed.map(([slot, epoch]) => ({ slot, epoch })),
    lastEpochs: discovery.lastEpochs,
  }
}

function specOf(memory: SlotMemory, { slot, note: text }: Occupant): InstanceSpec | null {
  const note = readNote(text)
  return note === null ? null : memory.withToldPolicies(slot, specOfNote(note))
}

function untaken(memory: SlotMemory, occupant: Occupant): readonly EndFound[] {
  const spec = specOf(memory, occupant)
  return spec !== null && isUntaken(memory, occupant) ? [endOf(occupant, spec)] : []
}

/** A keeper that never came as far as its command has run nothing: the next start is the first, for a job too. */
function isUntaken(memory: SlotMemory, { slot, epoch, startedAt }: Occupant): boolean {
  const { settledEpoch } = memory.get(slot)
  return startedAt !== null && (settledEpoch === null || settledEpoch < epoch)
}

function endOf({ slot, epoch, startedAt, exit, isOfThisBoot }: Occupant, spec: InstanceSpec): EndFound {
  const isCutOff = isOfThisBoot !== true && (exit ?? null)?.kind === 'unknown'
  return { slot, epoch, startedAt, spec, exit: exit ?? { kind: 'unknown' }, isCutOff }
}

/** Of each slot what counts most: what runs, whatever its epoch, since that is what must not be doubled; else the newest that has ended. */
function latestBySlot(discovery: Discovery): ReadonlyMap<SlotId, Occupant> {
  const latest = new Map<SlotId, Occupant>()
  for (const occupant of discovery.occupants) {
    // Anything that runs errands looks after it.
    if (isErrand(occupant.slot)) continue
    const other = latest.get(occupant.slot)
    const isBetter =
      other === undefined || rank(occupant) > rank(other) || (rank(occupant) === rank(other) && occupant.epoch > other.epoch)
    if (isBetter) latest.set(occupant.slot, occupant)
  }
  return latest
}

const rank = (occupant: Occupant): number => (occupant.state === 'running' ? 1 : 0)

/** Until the server says otherwise. What was being stopped for no fault of its own is not started again. */
export function foundGoal({ epoch, stop }: Occupant, spec: InstanceSpec | null): Goal {
  if (spec === null) return { kind: 'stopped', because: 'there is no record of what it is' }
  return stop?.isAtFault === false ? { kind: 'stopped', because: 'it was being stopped' } : keptGoal(spec, epoch)
}

export function foundEvent({ epoch, pid, startedAt, stop }: Occupant, spec: InstanceSpec | null, wallTime: string): SlotEvent {
  const found = { kind: 'found', epoch, pid: pid ?? 0, startedAt: startedAt ?? wallTime, spec } as const
  return stop === undefined ? found : { ...found, stop }
}

/** It goes on as it was found. */
export const keptGoal = (spec: InstanceSpec, epoch: Epoch): Goal => ({ kind: 'run', spec, claim: claimOfEpoch(epoch) })
