/**
 * What the daemon sees, in the words that `status --json` prints. `state` is about the process, `health` about its probes; a
 * service without probes has health `none` and counts as ready once it has lived for `minReadyMs`.
 */

import type { Epoch, RevisionNumber, ServiceName, SlotId } from './id.ts'

export type SlotState =
  | 'pending'
  | 'starting'
  | 'running'
  | 'stopping'
  | 'backing-off'
  | 'crash-looping'
  | 'stopped'
  | 'blocked'
  | 'completed'
  | 'failed'

export type HealthState = 'none' | 'starting' | 'healthy' | 'unhealthy'

/** How an instance ended. `unknown` only where its keeper was killed with it: dead for certain, its code lost with it. */
export type Exit =
  /** `left`: it left processes running, which were ended with it. */
  | { readonly kind: 'code'; readonly code: number; readonly left?: true }
  | { readonly kind: 'signal'; readonly signal: string }
  | { readonly kind: 'oom' }
  | { readonly kind: 'unknown' }

export interface InstanceStatus {
  readonly service: ServiceName
  readonly slot: SlotId
  readonly state: SlotState
  readonly health: HealthState
  readonly epoch: Epoch | null
  /** The command's process id as this host sees it. */
  readonly pid: number | null
  readonly port: number | null
  /** Starts after the first in this slot under this spec. */
  readonly restarts: number
  /** ISO 8601 UTC. */
  readonly startedAt: string | null
  /** When the instance was last seen alive (and, where it has probes, healthy). ISO 8601 UTC. */
  readonly provenAt: string | null
  readonly revision: RevisionNumber
  /** Why it is not running or not healthy, or what of it was OOM-killed; null when all is well. */
  readonly reason: string | null
  readonly lastExit: Exit | null
  /** Cores used, averaged since the last look (at most some seconds ago); null when not known. */
  readonly cpuCores: number | null
  readonly memoryBytes: number | null
}

/** A new revision that is being tried out. */
export interface CanaryStatus {
  /** Of the requests. */
  readonly share: number
  readonly forMs: number
  /** How long it has been applied. */
  readonly heldMs: number
  /** Its instances that get requests. */
  readonly ready: number
  readonly requests: number
  readonly failed: number
}

/** How long nobody was there when an instance was replaced in place; since the daemon started. */
export interface GapStatus {
  readonly lastMs: number
  readonly worstMs: number
}

export interface RouteStatus {
  /** Where it is reached: `https://shop.example.com/api`, `http://:8080/`, `tcp://:5432`. */
  readonly url: string
}

export interface ServiceStatus {
  readonly service: ServiceName
  readonly kind: 'replicas' | 'singleton' | 'job' | 'schedule'
  readonly desired: number
  readonly ready: number
  readonly guarantee: 'strict' | 'available'
  readonly stoppedByHand: boolean
  readonly routes: readonly RouteStatus[]
  /** Null where nothing was replaced in place yet. */
  readonly gap: GapStatus | null
  /** Null while nothing is tried out. */
  readonly canary: CanaryStatus | null
}

/** As a sentence: "ended with exit code 3". */
export function describeExit(exit: Exit): string {
  switch (exit.kind) {
    case 'code':
      return exit.left === true && exit.code === 0
        ? 'ended with exit code 0 and left processes running, which end with it: it seems to put itself in the background; have it stay in the foreground'
        : `ended with ${explainExit(exit)}`
    case 'signal':
      return explainExit(exit)
    case 'oom':
      return 'was killed: out of memory'
    case 'unknown':
      return 'ended; its exit status is not known (its keeper was killed with it)'
  }
}

/** As a cause: "exit code 3". */
export function explainExit(exit: Exit): string {
  switch (exit.kind) {
    case 'code':
      return `exit code ${exit.code}`
    case 'signal':
      return `ended by ${exit.signal}`
    case 'oom':
      return 'out of memory'
    case 'unknown':
      return 'exit status not known (its keeper was killed with it)'
  }
}
