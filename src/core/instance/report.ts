/**
 * A slot as its agent reports it to the server: everything that may be decided by from afar, in words and durations and never in moments of
 * the host's own clock. It is made again whenever something changes that matters outside the slot.
 */

import type { Epoch, SlotId } from '../model/id.ts'
import type { Exit, HealthState, SlotState } from '../model/status.ts'
import { describeSlot, isFlapping } from './describe.ts'
import { hasAnswered } from './health.ts'
import type { InstanceSpec, Obstacle, Outcome, Slot } from './slot.ts'

export interface SlotReport {
  readonly slot: SlotId
  /** The assignment that the slot goes by; null while this life of the agent was told of none. */
  readonly order: string | null
  readonly occupant: Occupant | null
  /** By an observation that is not a moment's: see {@link describeSlot}. */
  readonly state: SlotState
  readonly health: HealthState
  readonly isReady: boolean
  /** Ready, and where it has routes, served by the balancer (decision 15). */
  readonly isInUse: boolean
  /** It has failed a short while ago: whether it is ready now says little. */
  readonly isFlapping: boolean
  /** It was found running, and its probes have not answered yet: nothing is known of its readiness. */
  readonly isUnproven: boolean
  /** Its first start was decided, and waits in the agent's own queue: no time that it should keep runs yet. */
  readonly isQueued: boolean
  readonly reason: string | null
  readonly port: number | null
  /** The largest epoch that was ever started, or committed to be. */
  readonly lastEpoch: Epoch | null
  readonly outcome: Outcome | null
  readonly obstacle: Obstacle | null
  readonly restarts: number
  readonly lastExit: Exit | null
  readonly lastFailure: string | null
  /** The identity under which the slot's job last completed. */
  readonly completed: string | null
  /** How long nobody was there when the instance was last replaced in place. */
  readonly gap: { readonly epoch: Epoch; readonly gapMs: number } | null
  /** Of a run: what is known of its last attempt. Null in other slots, and where nothing was ever started. */
  readonly attempt: AttemptReport | null
}

export interface Occupant {
  readonly epoch: Epoch
  readonly phase: 'starting' | 'live' | 'ending'
  /** Null for an instance that nothing says anything about. */
  readonly spec: InstanceSpec | null
  readonly pid: number | null
  /** ISO 8601 UTC. */
  readonly startedAt: string | null
  /** It is being ended for a fault of its own. */
  readonly isAtFault: boolean
}

/** What the server's ledger of runs must know of an attempt, also of one that no server saw. */
export interface AttemptReport {
  readonly epoch: Epoch
  /** From 1; 0 where nothing says it. */
  readonly number: number
  /** 0 where nothing says it. */
  readonly revision: number
  /** Whether its command began: `unknown` when the machine was rebooted before that could be told. */
  readonly began: 'yes' | 'no' | 'unknown'
  readonly startedAt: string | null
  /** How long it has lived, as of this report; null where it does not live, or no agent saw all of its life. */
  readonly livedMs: number | null
  /** How long it lived; null while it does, and where no agent saw all of it. */
  readonly durationMs: number | null
  /** Null while it has not ended, or nothing of it ran. */
  readonly exit: Exit | null
}

/** What the slot does not know of itself. */
export interface ReportContext {
  readonly nowMs: number
  readonly order: string | null
  readonly port: number | null
  /** Whether the balancer gives new requests to this epoch, as it last confirmed. */
  readonly isServing: boolean
  /** It was found applied, and nothing has shown since that it is not ready any more. */
  readonly isPresumed: boolean
  /** It was found running, rather than started, by this agent. */
  readonly isAdopted: boolean
  readonly completed: string | null
  readonly gap: SlotReport['gap']
  readonly attempt: AttemptReport | null
}

export function reportSlot(slot: Slot, context: ReportContext): SlotReport {
  const { state, health, isReady, reason } = describeSlot(slot, context.nowMs)
  const at = slot.occupancy
  const isProven = isReady || context.isPresumed
  const isRouted = at.kind === 'live' && at.spec.service.routes.length > 0
  const { order, port, completed, gap, attempt } = context
  return {
    slot: slot.id,
    order,
    occupant: occupantOf(slot),
    state,
    health,
    isReady,
    isInUse: at.kind === 'live' && isProven && (!isRouted || context.isServing),
    isFlapping: isFlapping(slot, context.nowMs),
    isUnproven: context.isAdopted && at.kind === 'live' && !hasAnswered(at.spec.service.health, at.health),
    isQueued: at.kind === 'starting' && at.spawnedMs === null && slot.failuresInARow === 0,
    reason,
    port,
    lastEpoch: slot.lastEpoch,
    outcome: slot.outcome,
    obstacle: slot.obstacle,
    restarts: slot.restarts,
    lastExit: slot.lastExit,
    lastFailure: slot.lastFailure,
    completed,
    gap,
    attempt,
  }
}

function occupantOf({ occupancy: at }: Slot): Occupant | null {
  switch (at.kind) {
    case 'vacant':
      return null
    case 'starting':
      return { epoch: at.epoch, phase: 'starting', spec: at.spec, pid: null, startedAt: null, isAtFault: false }
    case 'live':
      return { epoch: at.epoch, phase: 'live', spec: at.spec, pid: at.pid, startedAt: at.startedAt, isAtFault: false }
    case 'ending':
      return {
        epoch: at.epoch,
        phase: 'ending',
        spec: at.spec,
        pid: at.pid,
        startedAt: at.startedAt,
        isAtFault: at.atFault,
      }
  }
}

/** Whether a report says the same as another: what is the same need not be sent. */
export function isSameReport(a: SlotReport, b: SlotReport): boolean {
  return isSameShallow(a, b, ['occupant', 'gap', 'attempt']) && nested.every((name) => isSameShallow(a[name], b[name], []))
}

const nested = ['occupant', 'gap', 'attempt'] as const

function isSameShallow(a: object | null, b: object | null, except: readonly string[]): boolean {
  if (a === null || b === null) return a === b
  const [left, right] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>]
  return Object.keys(left).every((key) => except.includes(key) || left[key] === right[key])
}
