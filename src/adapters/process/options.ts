/** What the runtime of processes is made with. */

import type { Checkpoint } from '../../ports/checkpoint.ts'
import type { Log } from '../../ports/log.ts'
import type { StartTurns } from '../../system/start-turns.ts'
import type { ForcedMechanisms, Survey } from './survey.ts'

export interface ProcessRuntimeOptions {
  /** Where the slots and volumes are: a project's place in the state directory. */
  readonly stateDirectory: string
  /** Lower-case hex; part of every cgroup's path, so that a copied state directory cannot reach the original's instances. */
  readonly stateId: string
  /** The project's place, behind the state's id in the paths of cgroups; absent for what is no project's. */
  readonly project?: string
  /** The whole machine's state directory, which has the scripts and the collector of logs; by default `stateDirectory`. */
  readonly machineDirectory?: string
  /** The folder that holds `keeper.sh` and `enter.sh`. */
  readonly scripts: string
  readonly checkpoint: Checkpoint
  readonly log: Log
  /** How many keepers stand by in quiet times; by default 8. */
  readonly standBy?: number
  /** Shared by all runtimes of a machine; by default one of its own. */
  readonly starts?: StartTurns
  /** How long a keeper may be on its way; by default 10 s. */
  readonly arrivalLimitMs?: number
  /** Of this machine, for the same state id, where somebody has made one already; by default one is made. */
  readonly survey?: Promise<Survey>
  readonly force?: ForcedMechanisms
}
