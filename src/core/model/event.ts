/**
 * The event log of a project: one event for each thing that was done or noticed, each with its cause, in the order in which it
 * happened. `daruma events` prints these; no decision ever reads them back.
 */

import type { Epoch, RevisionNumber, SlotId } from './id.ts'

export type EventKind =
  | 'daemon-started'
  | 'daemon-stopped'
  | 'host-rebooted'
  | 'adopted'
  | 'orphan-ended'
  | 'starting'
  | 'started'
  | 'start-failed'
  | 'ready'
  | 'unready'
  | 'unhealthy'
  | 'exited'
  /** A process of an instance that lives on was OOM-killed. */
  | 'memory-killed'
  | 'backing-off'
  | 'crash-looping'
  | 'draining'
  | 'stopping'
  | 'killed'
  | 'stopped'
  | 'completed'
  | 'failed'
  | 'lost'
  | 'blocked'
  | 'unblocked'
  | 'waiting'
  | 'disk-full'
  | 'disk-recovered'
  | 'operation-started'
  | 'operation-succeeded'
  | 'operation-failed'
  | 'rolling-back'
  | 'rolled-back'
  | 'replaced'
  | 'assigned'
  | 'retired'
  | 'engine-away'
  | 'engine-back'
  | 'supervisor-restarted'
  | 'database-replaced'
  /** A tick of a schedule started nothing, or a run that waited never began. */
  | 'skipped'
  /** The clock on the wall was set, or the machine slept. */
  | 'clock-stepped'
  | 'certificate-fetched'
  | 'certificate-failed'
  | 'certificate-ending'
  /** It has another name, or comes from another config, than before. */
  | 'handed-over'
  /** Somebody was told of troubles, by `notify`; or could not be. */
  | 'notice-sent'
  | 'notice-failed'

/** An event as it is emitted; the event log adds number and time. */
export interface Event {
  readonly kind: EventKind
  readonly slot: SlotId | null
  readonly epoch: Epoch | null
  /** One sentence for a person. */
  readonly message: string
  /** Why: "exit code 1", "liveness failed 3 times", "revision 4". Null where the kind says it all. */
  readonly cause: string | null
}

export interface RecordedEvent extends Event {
  /** Grows by one with each event of the machine; those of one project have gaps where others were emitted. */
  readonly number: number
  /** ISO 8601, UTC, milliseconds: for people; never compared. */
  readonly at: string
  readonly revision: RevisionNumber
  /** Whose it is, where the events of several projects are shown; absent for what is the machine's. */
  readonly project?: string
}
