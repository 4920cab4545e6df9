/**
 * One slot of this host as the daemon knows it: what it should run, what occupies it, what its past says about the next start.
 * A slot has at most one occupant. `starting` already counts as occupied: between the order and the keeper's word anything may be true.
 */

import type { Epoch, RevisionNumber, SlotId } from '../model/id.ts'
import type { Check, Service, SignalName, StopPolicy } from '../model/service.ts'
import type { Exit } from '../model/status.ts'
import type { Event } from '../model/event.ts'
import type { HealthWatch, ProbeName } from './health.ts'

/** What an instance was, or shall be, started with. Equal `identity` means: the same process will do. */
export interface InstanceSpec {
  readonly service: Service
  readonly identity: string
  readonly generation: number
  readonly revision: RevisionNumber
}

export type Goal =
  | { readonly kind: 'run'; readonly spec: InstanceSpec; readonly claim: number }
  | { readonly kind: 'stopped'; readonly because: string }

export type Occupancy = { readonly kind: 'vacant' } | Starting | Live | Ending

export interface Starting {
  readonly kind: 'starting'
  readonly epoch: Epoch
  readonly spec: InstanceSpec
  readonly sinceMs: number
  /** When its keeper was spawned; null while the start is being prepared, or waits its turn among many. */
  readonly spawnedMs: number | null
}

export interface Live {
  readonly kind: 'live'
  readonly epoch: Epoch
  readonly spec: InstanceSpec
  readonly pid: number
  readonly startedAt: string
  readonly sinceMs: number
  readonly health: HealthWatch
}

export interface Ending {
  readonly kind: 'ending'
  readonly epoch: Epoch
  /** Null for an instance that nothing says anything about. */
  readonly spec: InstanceSpec | null
  readonly pid: number | null
  readonly startedAt: string | null
  readonly startedMs: number
  readonly cause: string
  /** Whether the instance is being ended for a fault of its own: then its end counts as a failure. */
  readonly atFault: boolean
  /** Not null while it finishes the requests that it has and gets no new ones: until they are done, or until the limit, no signal goes out. */
  readonly drain: { readonly untilMs: number; readonly underWay: number | null } | null
  readonly graceMs: number
  /** An earlier daemon began it: `graceMs` is only the rest of the grace period. */
  readonly isResumed?: true
  readonly killAtMs: number
  readonly killed: boolean
  /** Why the kernel could not end it, as of the last try; the slot is `blocked` and tries on. */
  readonly stuck: string | null
}

/** A stop that an earlier daemon began and did not see to its end. */
export interface StopUnderWay {
  /** Of its grace period. */
  readonly leftMs: number
  readonly isAtFault: boolean
  /** Whether its signal has gone out. */
  readonly isSent: boolean
}

/** Why a vacant slot that should run does not: the world is in the way, and the slot tries again by itself. */
export type Obstacle =
  | { readonly kind: 'occupied'; readonly message: string }
  | { readonly kind: 'port-taken'; readonly message: string }
  | { readonly kind: 'no-space'; readonly message: string }
  | { readonly kind: 'engine-away'; readonly message: string }
  | { readonly kind: 'not-startable'; readonly message: string }

/** How the work of a slot came to its own end: nothing is started again under this identity. */
export interface Outcome {
  readonly kind: 'completed' | 'failed'
  readonly identity: string
  readonly exit: Exit
}

export interface Slot {
  readonly id: SlotId
  readonly goal: Goal
  readonly occupancy: Occupancy
  /** The largest epoch that was ever started here; the next one is above it. */
  readonly lastEpoch: Epoch | null
  /** Closed while a service that this one comes after is not far enough. */
  readonly gate: { readonly open: boolean; readonly because: string | null }
  readonly obstacle: Obstacle | null
  readonly outcome: Outcome | null
  readonly failuresInARow: number
  readonly notBeforeMs: number
  readonly restarts: number
  readonly lastExit: Exit | null
  /** The sentence about the last failure, kept until the next proof of health. */
  readonly lastFailure: string | null
  /** The identity that this daemon has started or found running here: its restarts do not wait for dependencies again. */
  readonly ranIdentity: string | null
  readonly startsUnderIdentity: { readonly identity: string | null; readonly count: number }
}

/** What the world reports to a slot. `jitter` is a random fraction in [0, 1) that the shell drew. */
export type SlotEvent =
  | { readonly kind: 'goal'; readonly goal: Goal }
  | { readonly kind: 'gate'; readonly open: boolean; readonly because: string | null }
  /** Found alive by a daemon that did not start it; `spec` is null when nothing says what it is. */
  | {
      readonly kind: 'found'
      readonly epoch: Epoch
      readonly pid: number
      readonly startedAt: string
      readonly spec: InstanceSpec | null
      readonly stop?: StopUnderWay
    }
  /** Found ended, and nobody has taken its end in yet: its daemon was away. */
  | {
      readonly kind: 'found-ended'
      readonly epoch: Epoch
      readonly startedAt: string | null
      readonly spec: InstanceSpec
      readonly exit: Exit
      readonly jitter: number
    }
  /** The keeper is on its way; from now on it must say something. */
  | { readonly kind: 'spawned'; readonly epoch: Epoch }
  | { readonly kind: 'started'; readonly epoch: Epoch; readonly pid: number; readonly startedAt: string }
  | { readonly kind: 'refused'; readonly epoch: Epoch; readonly refusal: StartObstacle; readonly jitter: number }
  | { readonly kind: 'gone'; readonly epoch: Epoch; readonly exit: Exit; readonly jitter: number }
  /** A kill did not empty the instance's cgroup in time. */
  | { readonly kind: 'stuck'; readonly epoch: Epoch; readonly message: string }
  /**
   * The balancer's word about an instance that drains: how many requests it has yet. 0: none, and none will come. Also 0 where no balancer
   * serves it.
   */
  | { readonly kind: 'under-way'; readonly epoch: Epoch; readonly requests: number }
  /** Whoever works with it has had no answer for so long that it must hang; for what no probe asks. */
  | { readonly kind: 'hangs'; readonly epoch: Epoch; readonly message: string }
  | {
      readonly kind: 'probed'
      readonly epoch: Epoch
      readonly probes: readonly ProbeName[]
      readonly ok: boolean
      readonly detail: string
    }
  | { readonly kind: 'tick' }

/** Why a start did not happen. `superseded` names the epoch that the slot has meanwhile reached. */
export type StartObstacle = Obstacle | { readonly kind: 'superseded'; readonly by: Epoch }

export type SlotAction =
  | { readonly kind: 'start'; readonly epoch: Epoch; readonly spec: InstanceSpec }
  | { readonly kind: 'signal'; readonly epoch: Epoch; readonly signal: SignalName; readonly to: StopPolicy['to'] }
  | { readonly kind: 'kill'; readonly epoch: Epoch }
  | {
      readonly kind: 'probe'
      readonly epoch: Epoch
      readonly probes: readonly ProbeName[]
      readonly check: Check
      readonly timeoutMs: number
    }
  | { readonly kind: 'record-outcome'; readonly outcome: Outcome }
  | { readonly kind: 'emit'; readonly event: Omit<Event, 'slot'> }

/** A vacant slot. The goal is given at creation, so that a slot restored after a crash moves only once it knows its occupant. */
export function newSlot(id: SlotId, lastEpoch: Epoch | null, goal: Goal): Slot {
  return {
    id,
    goal,
    occupancy: { kind: 'vacant' },
    lastEpoch,
    gate: { open: false, because: 'not evaluated yet' },
    obstacle: null,
    outcome: null,
    failuresInARow: 0,
    notBeforeMs: 0,
    restarts: 0,
    lastExit: null,
    lastFailure: null,
    ranIdentity: null,
    startsUnderIdentity: { identity: null, count: 0 },
  }
}
