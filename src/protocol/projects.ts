/** The API's words for projects: how they are listed, from where they were applied, and how one is removed. */

import type { OperationView, Requester } from './api.ts'

export interface ProjectView {
  /** `shop`, or `shop_staging` with a stage: what `-p` and `?project=` take. */
  readonly id: string
  readonly name: string
  readonly stage: string | null
  /** The revision that applies; 0 when none ever did. */
  readonly revision: number
  /** Of all services. */
  readonly desired: number
  readonly ready: number
  readonly operation: OperationView | null
  /** Nothing is wanted, nothing runs, and no operation is changing that: only then can it be removed. */
  readonly isDown: boolean
  /** By their names. */
  readonly volumes: readonly string[]
  /** Null where no config was ever read for it. */
  readonly origin: Origin | null
}

/** Volumes that a removed project has left. A project of the same name and stage finds them again. */
export interface KeptVolumes {
  readonly id: string
  readonly name: string
  readonly stage: string | null
  readonly volumes: readonly string[]
  /** Where they are. */
  readonly directory: string
  /** ISO 8601. */
  readonly removedAt: string
}

/** The project must be down, or have been removed before. Its volumes stay, but for those that are named. */
export interface RemoveProjectRequest {
  readonly volumes: readonly string[]
}

export interface RemoveProjectAnswer {
  /** Volumes that are kept. */
  readonly kept: readonly string[]
  /** Where they are. */
  readonly directory: string
}

/**
 * From now on the project has this name and stage, and comes from the config that `by` names. Nothing that runs is touched. Asking again does
 * nothing.
 */
export interface HandOverRequest {
  readonly name: string
  readonly stage: string | null
  readonly by: Requester
}

/** From where a project was last applied. */
export interface Origin {
  /** The config's path. */
  readonly file: string
  readonly user: string
  /** ISO 8601. */
  readonly at: string
}
