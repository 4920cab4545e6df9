/**
 * The slots of runs, as the server knows them: each run that is under way is an ordinary slot, whose goal is set here and never by the rollout.
 * An assignment is for one attempt. How the attempt ended is read from the host's report, whichever side saw it first.
 */

import type { AttemptEnd } from '../../core/cron/settle.ts'
import type { Run } from '../../core/cron/ledger.ts'
import type { SlotReport } from '../../core/instance/report.ts'
import type { InstanceSpec } from '../../core/instance/slot.ts'
import type { RevisionNumber, ServiceName, SlotId } from '../../core/model/id.ts'
import type { Service } from '../../core/model/service.ts'
import { processIdentity } from '../../core/model/service.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Assignments } from '../rollout/assignments.ts'
import { specOf } from '../rollout/reconciler.ts'
import type { World } from '../world/world.ts'

export interface RunSlotsOptions {
  readonly world: World
  readonly assignments: Assignments
  readonly clock: Clock
}

/** Epochs of a run are its attempts under one claim: the ledger's record is the claim, and there is one for each tick forever. */
const claimOfRuns = 1

/** An attempt is a generation of its own, so that the slot takes it for something else than the one before. */
export function specOfAttempt(service: Service, attempt: number, revision: RevisionNumber): InstanceSpec {
  const once: Service = { ...service, restart: { ...service.restart, policy: 'no' } }
  return specOf({ service: once, generation: attempt, revision, identity: processIdentity(once, attempt) })
}

export class RunSlots {
  readonly #options: RunSlotsOptions
  readonly #specs = new Map<SlotId, InstanceSpec>()
  /** When the host's last word about a slot came: its attempt has lived so much longer since. */
  readonly #heardMs = new Map<SlotId, number>()

  constructor(options: RunSlotsOptions) {
    this.#options = options
  }

  has(slot: SlotId): boolean {
    return this.#specs.has(slot)
  }

  /** The host has reported something of the slot. */
  note(slot: SlotId): void {
    this.#heardMs.set(slot, this.#options.clock.now())
  }

  /** Whether any attempt is between its order and its first sign of life. */
  isStarting(): boolean {
    for (const slot of this.#specs.keys()) if (this.#options.world.reports.get(slot)?.occupant?.phase === 'starting') return true
    return false
  }

  /** Whether no start of this attempt can have happened: no host was told that it may begin. */
  isUntouched(slot: SlotId, run: Run): boolean {
    const { world } = this.#options
    const isOpen = world.assignments.get(slot)?.gate.open === true
    return !isOpen && !isAttemptOf(world.reports.get(slot), run) && !world.reports.get(slot)?.occupant
  }

  specOf(slot: SlotId): InstanceSpec | null {
    return this.#specs.get(slot) ?? null
  }

  startedAt(slot: SlotId): string | null {
    return this.#options.world.reports.get(slot)?.attempt?.startedAt ?? null
  }

  /** Orders the start. Whether nothing holds it back: it needs not wait for any look. The others' gates are opened by the reconciler. */
  begin(slot: SlotId, service: ServiceName, spec: InstanceSpec): boolean {
    const { world, assignments } = this.#options
    this.#specs.set(slot, spec)
    assignments.assign(slot, { kind: 'run', spec, claim: claimOfRuns })
    if (spec.service.after.length > 0 || world.isFormerThere(service)) return false
    assignments.setGate(slot, { open: true, because: null })
    return true
  }

  /** Takes over what another server had begun: the host has it, and is told that it is still wanted. */
  adopt(slot: SlotId, spec: InstanceSpec): void {
    this.#specs.set(slot, spec)
    this.note(slot)
    this.#options.assignments.assign(slot, { kind: 'run', spec, claim: claimOfRuns })
  }

  /** How the attempt that is under way ended; null while it has not. */
  endOf(slot: SlotId, run: Run): AttemptEnd | null {
    const { world } = this.#options
    const report = world.reports.get(slot)
    if (report === undefined || report.occupant !== null) return null
    const { attempt, outcome, obstacle, lastEpoch, lastFailure } = report
    if (attempt !== null && isAttemptOf(report, run)) {
      const { epoch, exit, durationMs } = attempt
      if (exit !== null) return { kind: 'exit', exit, epoch, durationMs }
      if (attempt.began !== 'no') return { kind: 'lost', epoch }
    }
    const assignment = world.assignments.get(slot)
    const identity = assignment?.goal.kind === 'run' ? assignment.goal.spec.identity : null
    if (outcome !== null && outcome.identity === identity)
      return { kind: 'exit', exit: outcome.exit, epoch: lastEpoch, durationMs: null }
    if (assignment === undefined || report.order !== assignment.order) return null
    if (assignment.goal.kind === 'stopped') return { kind: 'not-begun', message: assignment.goal.because }
    return obstacle?.kind === 'not-startable' ? { kind: 'not-begun', message: lastFailure ?? obstacle.message } : null
  }

  /** How long the attempt has lived; null while it does not live. */
  livedMs(slot: SlotId, nowMs: number): number | null {
    const report = this.#options.world.reports.get(slot)
    const livedMs = report?.occupant?.phase === 'live' ? (report.attempt?.livedMs ?? null) : null
    return livedMs === null ? null : livedMs + nowMs - (this.#heardMs.get(slot) ?? nowMs)
  }

  /** Asks it to end: its signal, its grace period, the kill. */
  askToEnd(slot: SlotId, because: string): void {
    const { world, assignments } = this.#options
    if (world.assignments.get(slot)?.goal.kind === 'run') assignments.assign(slot, { kind: 'stopped', because })
  }

  /** The attempt is over and taken in. */
  drop(slot: SlotId): void {
    if (!this.#specs.delete(slot)) return
    this.#heardMs.delete(slot)
    this.#options.assignments.drop(slot)
  }
}

/** Whether the last attempt that the host knows of is the one that is under way, and not one before it. */
function isAttemptOf(report: SlotReport | undefined, run: Run): boolean {
  return report?.attempt !== undefined && report.attempt !== null && report.attempt.epoch > (run.afterEpoch ?? 0)
}
