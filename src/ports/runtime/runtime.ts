/**
 * Starts, watches and ends instances on this host. The contract is what section "never twice" rests on:
 *
 * - `start` never lets two instances of one slot run: the kernel's witness (cgroup and slot lock) is asked again by the
 *   instance's own keeper after every earlier check, and a keeper that lost the race leaves without running anything.
 * - `kill` reaches every process of the epoch, resolves only when none is left, and touches no other process.
 * - Everything survives the daemon: `discover` in a new daemon finds what runs, with the same pid, start time and epoch.
 * - No event is reported twice for one epoch; `gone` is the last one of an epoch.
 */

import type { Epoch, SlotId } from '../../core/model/id.ts'
import type { Container, Limits, Process, SignalName, StopPolicy, VolumeMount, Ulimits } from '../../core/model/service.ts'
import type { StopUnderWay } from '../../core/instance/slot.ts'
import type { Exit } from '../../core/model/status.ts'

export interface InstanceRef {
  readonly slot: SlotId
  readonly epoch: Epoch
}

/** Everything an instance needs; secrets are in `environment` and `secretFiles` in clear and must be neither logged nor put on a command line. */
export interface StartOrder extends InstanceRef {
  readonly runs: ProcessOrder | ContainerOrder
  /** The whole environment, `DARUMA_*` and `PORT` included. */
  readonly environment: Readonly<Record<string, string>>
  /** Name → value in clear. The instance finds a file of each, by its path in `DARUMA_SECRET_<NAME>`, and no other user of this host does. */
  readonly secretFiles: Readonly<Record<string, string>>
  readonly limits: Limits
  /** Those that differ from what every instance of its kind has. */
  readonly ulimits: Ulimits
  readonly volumes: readonly VolumeMount[]
  /** The upper bound of bytes that the slot's log keeps; enforced also while no daemon runs. */
  readonly maxLogBytes: number
  /** Kept beside the instance, so that a daemon with an older database can still tell what runs. Opaque to the runtime; JSON. */
  readonly note: string
  /** Not the first failure in a row went before: it may wait for those for which that is not so. */
  readonly isRetry: boolean
}

export interface ProcessOrder extends Omit<Process, 'source'> {
  /**
   * Where the files of its release are: the root of `directory`, and not to be written but by a build. The instance may see them at
   * another path, which is the same for every release. Absent: it runs with the files of this host.
   */
  readonly tree?: { readonly path: string; readonly isWritable: boolean }
}

/** A container, with what only a start on this host knows. */
export interface ContainerOrder extends Container {
  /** Names the image of an archive or a build. */
  readonly project: string
  /** The registry's password in clear, should the image have to be fetched again. */
  readonly password: string | null
  /** The slot's port on loopback of this host; null: it publishes none. */
  readonly hostPort: number | null
}

/** Where a volume without a place of its own is found inside a container. */
export const containerVolumes = '/volumes'

/** Why a start did not happen. `occupied` names who is in the way; nothing was run in any of these cases. */
export type StartRefusal =
  | { readonly kind: 'occupied'; readonly holders: readonly ProcessIdentity[] }
  | { readonly kind: 'superseded'; readonly by: Epoch }
  | { readonly kind: 'no-space'; readonly message: string }
  /** The container engine does not answer; it is tried again until it does. */
  | { readonly kind: 'engine-away'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string }

/** Who is in the way; `pid` is 0 where it is no process: a container that only has the name. */
export interface ProcessIdentity {
  readonly pid: number
  readonly command: string
}

export type RuntimeEvent =
  /** The command runs. `startedAt` is ISO 8601, `startTicks` the kernel's start time (field 22 of /proc/pid/stat). */
  | {
      readonly kind: 'started'
      readonly slot: SlotId
      readonly epoch: Epoch
      readonly pid: number
      readonly startTicks: number
      readonly startedAt: string
    }
  /** The start did not happen; nothing of this epoch runs or ever will. */
  | { readonly kind: 'refused'; readonly slot: SlotId; readonly epoch: Epoch; readonly refusal: StartRefusal }
  /** No process of the epoch is left, nor can one come. If somebody else holds the slot's lock, the next start is refused and names him. */
  | { readonly kind: 'gone'; readonly slot: SlotId; readonly epoch: Epoch; readonly exit: Exit }

/** Kept beside an instance that is asked to end, for a daemon that comes after this one. */
export interface StopNotice {
  /** From now until what is left is killed. */
  readonly graceMs: number
  /** Whether it is ended for a fault of its own. */
  readonly isAtFault: boolean
}

/** A slot with something in it, found on disk or in the kernel. */
export interface Occupant extends InstanceRef {
  readonly state: 'running' | 'gone'
  readonly pid: number | null
  readonly startTicks: number | null
  readonly startedAt: string | null
  readonly exit: Exit | null
  readonly note: string | null
  /** Of what runs: how long it has lived, by a clock that nobody sets. Absent where that is not known. */
  readonly ageMs?: number
  /** Whether its files were written since this machine was booted: only then does a beginning that was not noted mean that there was none. */
  readonly isOfThisBoot?: boolean
  /** Of what runs: an earlier daemon has asked it to end, and it has so much of its time left. */
  readonly stop?: StopUnderWay
}

export interface Discovery {
  readonly occupants: readonly Occupant[]
  /** Epochs that ended below those of `occupants`, as far as their files are still there, ascending: nobody may have taken their ends in. */
  readonly endedBefore?: readonly Occupant[]
  /** By slot: the largest epoch ever started, by slot files and live cgroups; a new one must be above it. */
  readonly lastEpochs: ReadonlyMap<SlotId, Epoch>
  /** By slot: the largest epoch whose start was committed; one above it was given up before anything could run. Absent: `lastEpochs`. */
  readonly committed?: ReadonlyMap<SlotId, Epoch>
}

export interface Usage {
  readonly cpuSeconds: number
  readonly memoryBytes: number
}

export interface ExecPlan {
  /** Run this, with this environment, to be inside the instance (its namespaces, cgroup, directory, user). */
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /**
   * `NAME=value` in the environment of what runs inside, where that is no child of the command: by it, anything that gives the command up can
   * find and end what it began.
   */
  readonly marker?: string
}

/** A line that an instance wrote, or a part of a very long one. */
export interface LogEntry {
  /** Without its end. Bytes that are no UTF-8 are U+FFFD. */
  readonly text: string
  /** When its first byte was read, ISO 8601 with milliseconds, and in milliseconds since 1970. */
  readonly at: string
  readonly wallMs: number
  /** The same on the clock that begins with the boot, in milliseconds; 0 with an empty `bootId`. */
  readonly bootMs: number
  readonly bootId: string
  /** Null where it is not known. */
  readonly epoch: Epoch | null
  /** Bytes that were lost right before it, because they could not be written. */
  readonly droppedBytes: number
  /** It does not begin a line: what comes before it was in an entry before, or is not kept any more. */
  readonly isCut: boolean
  /** Its line goes on in the next entry. */
  readonly goesOn: boolean
}

export type LogStart =
  /** From this byte on, or from the oldest one that is kept. */
  | { readonly offset: number }
  /** At least the last so many lines, where so many are kept. */
  | { readonly lines: number }
  /** What was read at this time or later; among it may be what is older, if the clock was set back. */
  | { readonly sinceMs: number }

export interface LogPage {
  readonly entries: readonly LogEntry[]
  /** A last line that has no end yet. It is part of the next page too. */
  readonly open: LogEntry | null
  /** Offset of its first byte. */
  readonly start: number
  /** Offset after this page; pass it back to go on. */
  readonly next: number
  /** Offsets of the oldest byte that is kept, and after the last one. */
  readonly begin: number
  readonly end: number
}

/** What this host can promise, in words `doctor` prints. */
export interface Guarantees {
  /** `v2`, `v1`, `v2-loop`, or `process-group` (weaker: says so). */
  readonly killing: string
  readonly namespaces: boolean
  readonly lock: boolean
  readonly limits: readonly ('cpu' | 'memory' | 'pids')[]
  /** Whether strict services may run here, and why not. */
  readonly strict: { readonly possible: boolean; readonly because: string | null }
  readonly weaker: readonly string[]
}

export interface Runtime extends AsyncDisposable {
  /** Must be called once, before anything else; begins to watch what runs. Ends nothing. */
  discover(onEvent: (event: RuntimeEvent) => void): Promise<Discovery>
  /**
   * Commits the epoch in the slot directory, then starts the keeper. Resolves when the keeper was spawned (`started` or `refused`
   * follows as an event) or when it was refused before that. The caller must have seen the slot's earlier epochs gone.
   */
  start(order: StartOrder): Promise<StartRefusal | null>
  /**
   * Asks the instance to end. `leader` (the default): the command itself gets the signal, and what is left when it has gone gets it then;
   * `all`: every process gets it at once (of a container the first one). What is left lives on until {@link Runtime.kill}. Does nothing when
   * the command is not running any more. Never reaches a foreign process. What `stop` says the next daemon finds ({@link Occupant.stop}).
   */
  signal(instance: InstanceRef, signal: SignalName, to?: StopPolicy['to'], stop?: StopNotice): Promise<void>
  /** Ends every process of the epoch and waits until none is left; rejects with `E_RUNTIME_UNKILLABLE` after `limitMs`. */
  kill(instance: InstanceRef, limitMs: number): Promise<void>
  /** Whether anything of the slot may still run or come, asked of the cheapest witness there is. What is over is closed for good. */
  isOccupied(slot: SlotId): Promise<boolean>
  /** Who holds the slot's lock or sits in its cgroups now. */
  holders(slot: SlotId): Promise<readonly ProcessIdentity[]>
  usage(instance: InstanceRef): Usage | null
  /** How many of its processes the kernel has OOM-killed; null where no cgroup counts them. */
  memoryKills(instance: InstanceRef): number | null
  exec(instance: InstanceRef, command: readonly string[]): Promise<ExecPlan>
  /**
   * A page of the slot's log, of about `maxBytes`. A slot that never ran gives an empty one. Unless it begins at an offset, it has all that
   * an instance wrote whose end was reported; what has not come some seconds after that end, because the disk is full, is not waited for.
   */
  readLog(slot: SlotId, from: LogStart, maxBytes: number): Promise<LogPage>
  /**
   * Forgets a slot that is vacant and no longer wanted: directory, log and cgroup. Its last epoch is remembered; of a run's slot nothing
   * is, because the ledger's watermark remembers its tick.
   */
  forget(slot: SlotId): Promise<void>
  guarantees(): Guarantees
}
