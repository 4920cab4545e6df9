/** What a daemon is told about itself and its host, and how it ends. */

import type { ProjectId } from '../core/model/project-id.ts'
import type { Balancers } from '../ports/traffic/balancers.ts'
import type { CertificateKeeper } from '../ports/traffic/certificates.ts'
import type { Checkpoint } from '../ports/checkpoint.ts'
import type { Clock } from '../ports/clock.ts'
import type { CommandRunner } from '../ports/command.ts'
import type { Cron } from '../ports/cron.ts'
import type { DarumaError } from '../ports/error.ts'
import type { Down, Up } from '../ports/exchange.ts'
import type { Images } from '../ports/runtime/images.ts'
import type { Log } from '../ports/log.ts'
import type { Net } from '../ports/net.ts'
import type { Webhooks } from '../ports/notices/deliver.ts'
import type { Random } from '../ports/random.ts'
import type { Releases } from '../ports/runtime/releases.ts'
import type { Runtime } from '../ports/runtime/runtime.ts'
import type { StateDirectory } from '../ports/storage/state-directory.ts'
import type { Store } from '../ports/storage/store.ts'
import type { ProjectOfConfig } from '../protocol/former-states.ts'
import type { Wire } from '../protocol/exchange/direct-wire.ts'

/** Where a project (or the machine itself) has its files, and what runs its instances. */
export interface Home {
  readonly directory: StateDirectory
  readonly runtime: Runtime
}

/** Of the machine. `directory` and `runtime` are for what belongs to no project: the balancer. */
export interface DaemonPorts extends Home {
  /** Makes the home of a project where there is none, or opens it. */
  readonly openHome: (place: ProjectId) => Promise<Home & AsyncDisposable>
  /** Of every project that has files, or something in the kernel, here. */
  readonly listHomes: () => Promise<readonly ProjectId[]>
  readonly listVolumes: (place: ProjectId) => Promise<readonly string[]>
  /** Removes what is left of a project's files; of its volumes only those that are named. The home must have been disposed of. */
  readonly removeHome: (place: ProjectId, volumes: readonly string[]) => Promise<void>
  /** Lets the commands of other users know that these configs run here. */
  readonly markConfigs: (files: readonly string[]) => void
  /** Throws `E_STATE_FORMER` where the project may run from a state directory that it had before. */
  readonly refuseFormer: (project: ProjectOfConfig) => Promise<void>
  readonly store: Store
  /**
   * Why the database cannot be used, where it is damaged. The store is then another one, which knows nothing of it: what runs is kept and
   * restarted by what its slots' files say, and nothing is changed.
   */
  readonly storeFault: DarumaError | null
  readonly images: Images
  readonly releases: Releases
  readonly net: Net
  readonly webhooks: Webhooks
  readonly commands: CommandRunner
  /** One exchange between a project's two halves: in production a call, in the simulator one that loses, repeats and delays. */
  readonly wire: () => Wire<Down, Up>
  /** Null where no service can have a route, as in tests of the rest. */
  readonly balancers: Balancers | null
  /** Null where no certificate is fetched, or joined from files. */
  readonly certificates: CertificateKeeper | null
  readonly clock: Clock
  /** Loaded when the first schedule is there. */
  readonly cron: () => Promise<Cron>
  readonly random: Random
  readonly log: Log
  readonly checkpoint: Checkpoint
  readonly companions: {
    /** Restarts the supervisor and the collector where they have died; names those it restarted. */
    ensure(): Promise<readonly string[]>
    /** Tells them that this daemon's end is wanted. */
    stop(): Promise<void>
  }
  /** Whether the database behind the store is still the file that was opened. */
  readonly isStoreReplaced: () => Promise<boolean>
}

export interface DaemonFacts {
  readonly pid: number
  readonly version: string
  readonly host: string
  readonly home: (user: string | null) => string | Promise<string>
  readonly nodeDirectory: string
  readonly memoryBytes: () => number
  /** Whether a command brought this daemon up and may do so again: then it leaves when it has nothing to keep. */
  readonly isOnDemand: boolean
}

/** `asked`: end for good. `broken`: another daemon should begin. */
export interface DaemonEnd {
  readonly kind: 'asked' | 'broken'
  readonly message: string
}
