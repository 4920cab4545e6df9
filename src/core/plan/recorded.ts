/** What was last written down about a project: with it and the observed slots, a config becomes a plan. Plain data. */

import type { RevisionNumber, ServiceName } from '../model/id.ts'
import type { Project } from '../model/service.ts'

export interface Recorded {
  readonly revision: RevisionNumber
  readonly project: Project
  readonly stoppedByHand: readonly ServiceName[]
  /** By service; 0 where there is none. Raised by `restart`. */
  readonly generations: Readonly<Record<string, number>>
  /** By job, the `processIdentity` under which it last completed. Also of jobs that have left the config: they may come back. */
  readonly completedJobs: Readonly<Record<string, string>>
}
