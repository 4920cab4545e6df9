/**
 * The shells of runs: each run that is under way is an ordinary slot with an ordinary shell, whose goal is set here and never by the
 * rollout. A shell lives for one attempt. What it knows at its end is read from it, so that an end is seen whoever noticed it first.
 */

import { newSlot } from '../core/instance/slot.ts'
import type { InstanceSpec } from '../core/instance/slot.ts'
import type { AttemptEnd } from '../core/clockwork/settle.ts'
import type { Epoch, ServiceName, SlotId } from '../core/model/id.ts'
import type { Service } from '../core/model/service.ts'
import { processIdentity } from '../core/model/service.ts'
import type { RevisionNumber } from '../core/model/id.ts'
import type { Exit } from '../core/model/status.ts'
import { SlotShell } from './slot-shell.ts'
import type { SlotTools } from './slot-shell.ts'
import type { World } from './world.ts'

export interface RunShellsOptions {
  readonly world: World
  readonly tools: Omit<SlotTools, 'settled' | 'changed'>
  /** Something about the attempt has changed. */
  readonly changed: (service: ServiceName) => void
}

interface Kept {
  readonly service: ServiceName
  readonly shell: SlotShell
  readonly spec: InstanceSpec
  /** Of its life, before this daemon began to watch it. */
  readonly ageMs: number
  /** Whether this daemon saw all of its life, or knows how long it was. */
  readonly isWhole: boolean
  liveSinceMs: number | null
  startedAt: string | null
  hasBegun: boolean
}

/** Epochs of a run are its attempts under one claim: the ledger's record is the claim, and there is one for each tick for ever. */
const claimOfRuns = 1

/** An attempt is a generation of its own, so that the slot takes it for something else than the one before. */
export function specOfAttempt(service: Service, attempt: number, revision: RevisionNumber): InstanceSpec {
  const once: Service = { ...service, restart: { ...service.restart, policy: 'no' } }
  return { service: once, generation: attempt, revision, identity: processIdentity(once, attempt) }
}

export class RunShells {
  readonly #options: RunShellsOptions
  readonly #kept = new Map<SlotId, Kept>()

  constructor(options: RunShellsOptions) {
    this.#options = options
  }

  has(slot: SlotId): boolean {
    return this.#kept.has(slot)
  }

  /** Whether any attempt is between its order and its first sign of life. */
  isStarting(): boolean {
    return [...this.#kept.values()].some(({ shell }) => shell.slot.occupancy.kind === 'starting')
  }

  /** Whether no start was ever ordered for it. */
  isUntouched(slot: SlotId): boolean {
    const now = this.#kept.get(slot)?.shell.slot
    if (now === undefined) return true
    return now.goal.kind === 'run' && now.occupancy.kind === 'vacant' && now.ranIdentity === null && now.outcome === null
  }

  specOf(slot: SlotId): InstanceSpec | null {
    return this.#kept.get(slot)?.spec ?? null
  }

  startedAt(slot: SlotId): string | null {
    return this.#kept.get(slot)?.startedAt ?? null
  }

  /** Orders the start. Whether nothing holds it back: it needs not wait for anybody's look. The others' gates are opened by the reconciler. */
  begin(slot: SlotId, service: ServiceName, spec: InstanceSpec): boolean {
    const { shell } = this.#make(slot, service, spec, { ageMs: 0, isWhole: true })
    if (spec.service.after.length > 0 || this.#options.world.isFormerThere(service)) return false
    shell.dispatch({ kind: 'gate', open: true, because: null })
    return true
  }

  /** Takes over what another daemon started. `ageMs` is null where nothing tells how long it has lived. */
  adopt(
    slot: SlotId,
    service: ServiceName,
    spec: InstanceSpec,
    found: { readonly epoch: Epoch; readonly pid: number; readonly startedAt: string; readonly ageMs: number | null },
  ): void {
    const kept = this.#make(slot, service, spec, { ageMs: found.ageMs ?? 0, isWhole: found.ageMs !== null })
    const { epoch, pid, startedAt } = found
    kept.shell.dispatch({ kind: 'found', epoch, pid, startedAt, spec })
  }

  /** Takes in an end that nobody saw. */
  adoptEnded(
    slot: SlotId,
    service: ServiceName,
    spec: InstanceSpec,
    found: { readonly epoch: Epoch; readonly startedAt: string; readonly exit: Exit },
  ): void {
    const kept = this.#make(slot, service, spec, { ageMs: 0, isWhole: false })
    kept.startedAt = found.startedAt
    kept.hasBegun = true
    kept.shell.dispatch({ kind: 'found-ended', ...found, spec, jitter: 0 })
  }

  /** How the attempt ended; null while it has not. */
  endOf(slot: SlotId, nowMs: number): AttemptEnd | null {
    const kept = this.#kept.get(slot)
    if (kept === undefined) return null
    const { occupancy, outcome, goal, obstacle, lastEpoch, lastExit, lastFailure } = kept.shell.slot
    if (occupancy.kind !== 'vacant') return null
    const exit = outcome?.identity === kept.spec.identity ? outcome.exit : goal.kind === 'rest' ? lastExit : null
    if (exit !== null) {
      const isTimed = kept.isWhole && kept.liveSinceMs !== null
      const durationMs = isTimed ? Math.round(nowMs - (kept.liveSinceMs ?? 0) + kept.ageMs) : null
      return { kind: 'exit', exit, epoch: lastEpoch, durationMs }
    }
    if (goal.kind === 'rest') return { kind: 'not-begun', message: goal.because }
    if (obstacle?.kind === 'not-startable') return { kind: 'not-begun', message: lastFailure ?? obstacle.message }
    return null
  }

  /** How long the attempt has lived; null while it does not live. */
  livedMs(slot: SlotId, nowMs: number): number | null {
    const kept = this.#kept.get(slot)
    if (kept === undefined || kept.liveSinceMs === null || kept.shell.slot.occupancy.kind !== 'live') return null
    return nowMs - kept.liveSinceMs + kept.ageMs
  }

  /** Asks it to end: its signal, its grace period, the kill. */
  askToEnd(slot: SlotId, because: string): void {
    const shell = this.#kept.get(slot)?.shell
    if (shell !== undefined && shell.slot.goal.kind === 'run') shell.dispatch({ kind: 'goal', goal: { kind: 'rest', because } })
  }

  /** The attempt is over and taken in. */
  drop(slot: SlotId): void {
    const kept = this.#kept.get(slot)
    if (kept === undefined) return
    kept.shell.close()
    this.#kept.delete(slot)
    const { world } = this.#options
    if (kept.shell.slot.lastEpoch !== null) world.lastEpochs.set(slot, kept.shell.slot.lastEpoch)
    world.shells.delete(slot)
  }

  #make(slot: SlotId, service: ServiceName, spec: InstanceSpec, age: Pick<Kept, 'ageMs' | 'isWhole'>): Kept {
    const { world, tools, changed } = this.#options
    const take = (): void => {
      const { occupancy } = kept.shell.slot
      if (occupancy.kind === 'live') {
        kept.liveSinceMs ??= occupancy.sinceMs
        kept.startedAt = occupancy.startedAt
        kept.hasBegun = true
      }
      changed(service)
    }
    const goal = { kind: 'run', spec, claim: claimOfRuns } as const
    const shell = new SlotShell(
      { ...tools, settled: take, changed: take },
      newSlot(slot, world.lastEpochs.get(slot) ?? null, goal),
    )
    const kept: Kept = { service, shell, spec, ...age, liveSinceMs: null, startedAt: null, hasBegun: false }
    this.#kept.set(slot, kept)
    world.shells.set(slot, shell)
    return kept
  }
}
