/** The API's words for projects: how they are listed, from where they were applied, and how one is removed. */

import type { OperationView } from './api.ts'

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
  /** Null where no config was ever read for it. */
  readonly origin: Origin | null
}

/** The project must be down. Its volumes stay, but for those that are named. */
export interface RemoveProjectRequest {
  readonly volumes: readonly string[]
}

export interface RemoveProjectAnswer {
  /** Volumes that are kept. */
  readonly kept: readonly string[]
}

/** From where a project was last applied. */
export interface Origin {
  /** The config's path. */
  readonly file: string
  readonly user: string
  /** ISO 8601. */
  readonly at: string
}
