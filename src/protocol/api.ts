/**
 * The daemon's API, version 1: HTTP with JSON over a unix socket (mode 0600: anyone who may open it may do everything). Streams are
 * NDJSON. Types only, so that the CLI's read-only commands load no schema code; what the daemon receives is checked by
 * `schema.ts`, whose schemas are held against these types by the compiler.
 *
 * | method and path | body → answer |
 * |---|---|
 * | GET /v1/version | → {@link VersionAnswer} |
 * | GET /v1/projects, GET /v1/projects/kept | → {@link ProjectView}[], by their ids; {@link KeptVolumes}[]: what removed projects have left |
 * | POST /v1/projects/ID/remove | {@link RemoveProjectRequest} → {@link RemoveProjectAnswer}, or `E_PROJECT_UNKNOWN`, `E_PROJECT_RUNNING`, `E_PROJECT_LEAVING`, `E_VOLUME_UNKNOWN` |
 * | POST /v1/projects/ID/hand-over | {@link HandOverRequest} → {@link ProjectView}, or `E_PROJECT_EXISTS`: another name or config, and all runs on |
 * | GET /v1/status | → {@link StatusAnswer} |
 * | POST /v1/plan | {@link PlanRequest} → {@link PlanAnswer} |
 * | POST /v1/operations | {@link OperationRequest} → {@link OperationAnswer}, or 409 `E_OPERATION_BUSY` / `E_PLAN_STALE` |
 * | GET /v1/operations/current | → {@link OperationView} or null |
 * | POST /v1/operations/current/promote | {@link PromoteRequest} → {@link PromoteAnswer}, or `E_CANARY_NONE`: the operation under way is told |
 * | GET /v1/operations/ID/stream | → NDJSON of {@link OperationLine}, ends with the operation |
 * | GET /v1/revisions | → {@link RevisionSummary}[], newest first |
 * | GET /v1/revisions/N | → {@link RevisionView} |
 * | GET /v1/events?since=N&follow=1&limit=N | → NDJSON of RecordedEvent |
 * | GET /v1/logs?service=S&lines=N&since=MS&until=MS&follow=1 | → NDJSON of {@link LogLine} and {@link LogNote}, in the order of time; `service` may repeat and may be a slot; times in milliseconds since 1970; `lines` of all together, 100 without `since` |
 * | GET /v1/jobs | → {@link JobView}[]: schedules and jobs |
 * | GET /v1/jobs/NAME/runs | → {@link RunsAnswer}, newest first, or `E_JOB_UNKNOWN` |
 * | POST /v1/jobs/NAME/run | {} → {@link RunView}: a run by hand, or `E_JOB_UNKNOWN`, `E_JOB_STOPPED`, `E_JOB_NOT_REPEATABLE`, `E_RUN_UNDER_WAY`, `E_RUN_QUEUE_FULL` |
 * | GET /v1/jobs/NAME/runs/TICK/stream | → NDJSON of {@link RunView} whenever it has changed, ends with the run, or `E_RUN_UNKNOWN` |
 * | GET /v1/notices | → {@link NoticesAnswer}: the targets of `notify`, and what is in trouble |
 * | POST /v1/notices/test | {} → {@link NoticeTestAnswer}: a test notice to each target, or `E_NOTIFY_NONE` |
 * | POST /v1/exec | {@link ExecRequest} → {@link ExecAnswer} |
 * | POST /v1/releases/unknown | {@link ReleasesRequest} → {@link ReleasesAnswer}: which of these are not here |
 * | POST /v1/releases | a manifest, as text → {@link ReleaseBegun}, or 507 `E_RELEASE_NO_SPACE` |
 * | POST /v1/contents | for each content a line `SHA-256 SIZE` and its bytes → {}, or `E_RELEASE_CONTENT` |
 * | POST /v1/releases/DIGEST/seal | {} → {}, or `E_RELEASE_INCOMPLETE` |
 * | GET /v1/releases/DIGEST | → the manifest, as text, or 404 `E_RELEASE_UNKNOWN` |
 * | GET /v1/contents/SHA256 | → {@link ContentAnswer}, or 404 `E_RELEASE_UNKNOWN` |
 * | GET /v1/doctor | → {@link DoctorAnswer} |
 * | GET /v1/overview | → {@link OverviewAnswer}: status, and what the page shows beside it |
 * | GET /v1/series?since=N&service=S | → {@link SeriesAnswer}: of all services, or of those named (`service` may repeat) with their instances |
 * | GET /v1/metrics | → OpenMetrics 1.0, as text |
 * | POST /v1/page | {@link PageRequest} → {@link PageAnswer}; opens the page on loopback, where every GET above is answered too, to the token |
 * | POST /v1/daemon/stop | → {} ; the daemon ends, instances run on |
 *
 * `?project=ID` says which project a call is about. Without it, it is about the only one there is; where there are several, what only looks answers
 * for all of them, with services and slots behind their project (`shop/web/0`), and what changes something is refused with `E_PROJECT_AMBIGUOUS`. An apply names its own; so does a plan that names none. Every error is a {@link ErrorAnswer} with a 4xx or 5xx status.
 */

import type { RecordedEvent } from '../core/model/event.ts'
import type { Project, Schedule } from '../core/model/service.ts'
import type { Exit, InstanceStatus, ServiceStatus } from '../core/model/status.ts'
import type { Plan } from '../core/plan/plan.ts'
import type { NoticeTargetView } from './notices.ts'
import type { ProjectOfFile } from './project-of-file.ts'

export const apiVersion: number = 1

export interface ErrorAnswer {
  readonly error: { readonly code: string; readonly message: string; readonly hint: string | null }
}

export interface VersionAnswer {
  readonly api: number
  readonly version: string
  readonly pid: number
  readonly state: string
  /** `supervised`, `systemd` or `foreground`. */
  readonly runs: string
  readonly projects: readonly ProjectOfFile[]
}

export interface StatusAnswer {
  readonly project: string | null
  readonly stage: string | null
  readonly revision: number
  readonly daemon: {
    readonly pid: number
    readonly startedAt: string
    readonly memoryBytes: number
    readonly condition: string | null
  }
  readonly operation: OperationView | null
  /** Targets of `notify` that have not taken the last notice. Absent: an earlier daemon answers. */
  readonly unreached?: readonly NoticeTargetView[]
  readonly services: readonly ServiceStatus[]
  readonly instances: readonly InstanceStatus[]
}

/** Secret values by service, then by environment variable. Travels only over the socket. */
export type SecretValues = Readonly<Record<string, Readonly<Record<string, string>>>>

export interface PlanRequest {
  readonly project: Project
  readonly secrets: SecretValues
  /** The way back to an older revision (and `down`): no job runs on it. */
  readonly isRollback: boolean
  /** The services that `--only` names: no other is tried again or started. Null: all of them. */
  readonly only: readonly string[] | null
}

export interface PlanAnswer {
  readonly plan: Plan
  /** The project with the digests of its secrets filled in: what a saved plan holds. */
  readonly project: Project
}

/** Who asks, as told by the command itself: shown to a second one that has to wait. */
export interface Requester {
  readonly pid: number
  readonly user: string
  readonly command: string
  /** The config's path, for finding the state by it later; null for commands that read none. */
  readonly file: string | null
}

export type OperationRequest = { readonly by: Requester } & (
  | {
      readonly kind: 'apply'
      readonly project: Project
      readonly secrets: SecretValues
      /** The revision that the plan was made on; the daemon refuses another (`E_PLAN_STALE`). */
      readonly base: number
      /** From a saved or shown plan; null to take the world as it is. */
      readonly fingerprint: string | null
      /** As in the request of the plan. */
      readonly only: readonly string[] | null
    }
  | { readonly kind: 'rollback'; readonly revision: number }
  | { readonly kind: 'scale'; readonly service: string; readonly replicas: number }
  | { readonly kind: 'restart' | 'stop' | 'start'; readonly services: readonly string[] }
  | { readonly kind: 'down' }
)

export interface OperationAnswer {
  readonly id: string
  /** The revision being applied; the present one for restart, stop and start. */
  readonly revision: number
  /** True when nothing had to change: the operation is already over. */
  readonly unchanged: boolean
}

/** Which canaries get all of the requests; empty for all that are in use. */
export interface PromoteRequest {
  readonly services: readonly string[]
}

export interface PromoteAnswer {
  readonly services: readonly string[]
}

export interface OperationView {
  readonly id: string
  readonly kind: OperationRequest['kind']
  readonly revision: number
  readonly by: Requester
  readonly startedAt: string
  readonly state: 'running' | 'rolling-back' | 'succeeded' | 'failed'
  /** Whose it is, where several projects are shown. */
  readonly project?: string
}

export interface Failure {
  readonly service: string
  readonly slot: string | null
  /** "never became healthy within 60 s", "exit code 1 three times". */
  readonly message: string
  /** The last probe's URL, status and body. */
  readonly probe: string | null
  /** The last lines of the slot's log, at most 10, secrets replaced by `[redacted]`. */
  readonly log: readonly string[]
}

export type OperationLine =
  /** Something moved; `message` is for a person, `ready`/`wanted` count slots. */
  | {
      readonly kind: 'progress'
      readonly service: string
      readonly slot: string | null
      readonly message: string
      readonly ready: number
      readonly wanted: number
    }
  | { readonly kind: 'failure'; readonly failure: Failure }
  /** The last line. `revision` is what applies now. */
  | {
      readonly kind: 'end'
      readonly state: 'succeeded' | 'failed'
      readonly rolledBack: boolean
      readonly revision: number
      readonly durationMs: number
    }

export interface RevisionSummary {
  readonly number: number
  readonly createdAt: string
  readonly by: string
  /** `up`, `rollback to 3`, `scale web=5`, `down`. */
  readonly cause: string
  /** `pending`: being applied. `failed`: did not become healthy and was rolled back. */
  readonly state: 'pending' | 'applied' | 'failed' | 'superseded'
  readonly summary: string
}

export interface RevisionView extends RevisionSummary {
  readonly project: Project
  readonly plan: Plan
}

/** A schedule, or a job. All instants are ISO 8601 UTC. */
export interface JobView {
  readonly service: string
  readonly kind: 'schedule' | 'job'
  readonly isStopped: boolean
  /** Null for a job. */
  readonly schedule: Schedule | null
  /** The next tick; null for a job, a schedule that is stopped, or one without a further tick. */
  readonly nextAt: string | null
  /** Why the schedule cannot be followed on this machine: a timezone that its clock data do not have. */
  readonly fault: string | null
  readonly queued: number
  readonly running: RunView | null
  /** The last that has ended. */
  readonly last: RunView | null
}

export interface RunView {
  readonly service: string
  readonly slot: string
  /** `2026-11-22T03:00:00Z`; with milliseconds for a run by hand. Null for a job. */
  readonly tick: string | null
  readonly by: 'schedule' | 'hand'
  /** Its tick was missed: it ran later. */
  readonly isLate: boolean
  /** `waiting`: between two attempts. `cancelled`: it never began. `lost`: it was started, and how it ended is not known. */
  readonly state:
    | 'queued'
    | 'starting'
    | 'running'
    | 'ending'
    | 'waiting'
    | 'succeeded'
    | 'failed'
    | 'timed-out'
    | 'stopped'
    | 'replaced'
    | 'lost'
    | 'cancelled'
  /** From 1; 0 while it waits. */
  readonly attempt: number
  readonly startedAt: string | null
  readonly endedAt: string | null
  /** Of the last attempt; null where no daemon saw all of it. */
  readonly durationMs: number | null
  readonly exit: Exit | null
  readonly message: string | null
  readonly revision: number
}

export interface RunsAnswer {
  readonly runs: readonly RunView[]
  /** Ticks that started nothing, as series, newest first. `count` is null where they were not counted. */
  readonly skips: readonly {
    readonly from: string
    readonly to: string
    readonly count: number | null
    readonly because: string
  }[]
}

export interface LogLine {
  readonly service: string
  readonly slot: string
  /** The instance that wrote it; null where that is not known any more. */
  readonly epoch: number | null
  /** When it was read, ISO 8601 with milliseconds. */
  readonly at: string
  readonly line: string
  /** A very long line is given in parts: the next line of this slot goes on where this one ends. */
  readonly goesOn?: true
  /** The front of the line was removed, since the log keeps so many bytes only. */
  readonly isCut?: true
  /** Followed: lines before this one were removed before they could be sent. */
  readonly isAfterGap?: true
  /** So many bytes were lost right before it, because they could not be written. */
  readonly droppedBytes?: number
}

/** What is to be said of a log besides its lines: why there are not as many as were asked for. */
export interface LogNote {
  readonly service: string
  readonly slot: string
  readonly note: string
}

export interface ExecRequest {
  /** A service (its first running slot) or a slot. */
  readonly target: string
  readonly command: readonly string[]
}

export interface ExecAnswer {
  readonly slot: string
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

export interface Finding {
  readonly name: string
  readonly state: 'good' | 'weak' | 'bad'
  readonly message: string
  readonly hint: string | null
}

export interface DoctorAnswer {
  readonly findings: readonly Finding[]
}

export interface OverviewAnswer extends StatusAnswer {
  /** When this was so, by the daemon's clock. */
  readonly at: string
  readonly version: string
  readonly host: string
  /** Of the config's services, in their order. */
  readonly details: readonly ServiceDetail[]
}

export interface ServiceDetail {
  readonly service: string
  /** The image, or the command on one line. */
  readonly runs: string
  /** Of a schedule or a job. */
  readonly job: JobView | null
  /** Null where it has no route, or nobody has looked before. */
  readonly traffic: {
    readonly requestsPerSecond: number
    readonly failedPerSecond: number
    readonly active: number
    readonly latencyMs: { readonly mean: number; readonly max: number } | null
  } | null
}

/** Values by sample, null where there was none. */
type Line = readonly (number | null)[]

export interface UsageSeries {
  readonly cpuCores: Line
  readonly memoryBytes: Line
}

export interface TrafficSeries {
  readonly requestsPerSecond: Line
  readonly failedPerSecond: Line
  readonly active: Line
  readonly latencyMeanMs: Line
  readonly latencyMaxMs: Line
}

export interface ServiceSeries extends UsageSeries {
  readonly traffic: TrafficSeries | null
}

/** At most the last ten minutes. Nothing was measured while nobody looked: the times tell where there is a gap. */
export interface SeriesAnswer {
  /** Samples are renumbered by each daemon. */
  readonly daemonStartedAt: string
  readonly stepMs: number
  /** The number of the last sample; pass it back as `since`. */
  readonly last: number
  /** ISO 8601, one a sample; the last one belongs to sample `last`. */
  readonly times: readonly string[]
  readonly services: Readonly<Record<string, ServiceSeries>>
  readonly slots: Readonly<Record<string, UsageSeries>>
}

export interface PageRequest {
  /** Null: where it is, or any free one. */
  readonly port: number | null
}

export interface PageAnswer {
  readonly port: number
  readonly token: string
  /** With the token in its fragment, which browsers keep to themselves. */
  readonly url: string
  /** The page closes when nobody has looked for so long. */
  readonly idleLimitMs: number
}

export type { ContentAnswer, ReleaseBegun, ReleasesAnswer, ReleasesRequest } from './releases.ts'
export type { InstanceStatus, Plan, Project, RecordedEvent, ServiceStatus }
