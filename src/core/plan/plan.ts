/**
 * A plan is what a person reads before anything happens, and what the daemon holds the world against when it applies it. Steps are
 * in the order in which they will be carried out, removals first; each has its reason, gap and overlap. A plan with no
 * steps is the normal second `up`.
 */

import type { RevisionNumber, ServiceName } from '../model/id.ts'

/** `+` create, `~` change in place, `-` remove, `-/+` replace. */
export type StepKind = 'create' | 'update' | 'remove' | 'replace' | 'restart' | 'run-job'

export interface Reason {
  /** `environment.LOG_LEVEL`; empty when the reason is not about a field. */
  readonly field: string
  /** Whole and redacted ({@link shownDifference} is for people); null for "was not there" / "is not there any more". */
  readonly from: string | null
  readonly to: string | null
  /** Instead of from/to: "left the config", "not running: exit code 1". */
  readonly note: string | null
}

export interface Step {
  readonly kind: StepKind
  readonly service: ServiceName
  /** Slots concerned, for display: `3 replicas`, `singleton`, `job`. */
  readonly what: string
  readonly reasons: readonly Reason[]
  /** "start-first, no gap", "stop-first, gap about 1 s (as measured ...)", "no restart"; null for create and run-job. */
  readonly transition: string | null
  /** What will be lost or kept: "volume data stays". Null when nothing needs saying. */
  readonly warning: string | null
}

export interface Plan {
  readonly base: RevisionNumber
  /** Changes when the recorded or observed world does in a way that matters: an apply of a saved plan compares it. */
  readonly fingerprint: string
  readonly steps: readonly Step[]
  readonly unchanged: number
}
