/**
 * What the daemon writes down, and under which key. Everything here is JSON under a versioned layout; anyone who changes a shape raises
 * `layoutVersion` and reads the old one. Revisions are written once and never changed; their fate is a record of its own.
 */

import type { Epoch, RevisionNumber, ServiceName, SlotId } from '../core/model/id.ts'
import { completeProject } from '../core/model/complete.ts'
import type { RecordedProject } from '../core/model/complete.ts'
import type { ProjectId } from '../core/model/project-id.ts'
import type { Project } from '../core/model/service.ts'
import type { Plan } from '../core/plan/plan.ts'
import type { OperationRequest, Requester, RevisionSummary } from '../protocol/api.ts'
import type { Origin } from '../protocol/projects.ts'
import { readRecord } from '../ports/storage/json-records.ts'
import type { Store } from '../ports/storage/store.ts'

/**
 * 2: services may be containers and schedules, which version 1 would run as something else. 3: what became of a slot is in a record of the
 * agent's own.
 */
export const layoutVersion: number = 3

const padded = (value: number): string => String(value).padStart(16, '0')

export const projectPrefix = (place: ProjectId): string => `projects/${place}/`

export const keys = {
  layout: 'layout',
  project: (place: ProjectId): string => `project/${place}`,
  kept: (place: ProjectId): string => `kept/${place}`,
  applied: 'applied',
  operation: 'operation',
  claims: 'claims',
  takeOver: 'take-over',
  secretKey: 'secret-key',
  revision: (number: number): string => `revision/${padded(number)}`,
  fate: (number: number): string => `fate/${padded(number)}`,
  releases: (number: number): string => `releases/${padded(number)}`,
  slot: (slot: SlotId): string => `slot/${slot}`,
  job: (service: ServiceName): string => `job/${service}`,
  generation: (service: ServiceName): string => `generation/${service}`,
  stopped: (service: ServiceName): string => `stopped/${service}`,
  /** How far the agent's events were taken in. */
  eventsTaken: 'events-taken',
  life: 'server/life',
  event: (number: number): string => `event/${padded(number)}`,
  schedule: (service: ServiceName): string => `schedule/${service}`,
  run: (slot: SlotId): string => `run/${slot}`,
  trouble: (key: string): string => `notice/trouble/${key}`,
  noticeTarget: (id: string): string => `notice/target/${id}`,
  secret: (digest: string): string => `secret/${digest}`,
} as const

/** A project of the machine: written with its first operation, and whenever it is applied from elsewhere or under another name. */
export interface ProjectRecord {
  /** What its files, cgroups and containers are called, for as long as it lives. The id that it began with, unless that was taken. */
  readonly place: ProjectId
  readonly name: string
  readonly stage: string | null
  /** The last apply that read a config: its path, who asked, and when. */
  readonly origin: Origin | null
  /** Being removed, with these volumes: a daemon that finds this goes on with it. */
  readonly removal?: { readonly volumes: readonly string[] }
}

/** Volumes that a removed project has left: its place is given to no other project. */
export interface KeptRecord {
  readonly place: ProjectId
  readonly name: string
  readonly stage: string | null
  /** ISO 8601: when it was removed. */
  readonly at: string
}

/** Written once. `skipsJobs`: a rollback never runs jobs. */
export interface RevisionRecord {
  readonly number: RevisionNumber
  readonly createdAt: string
  readonly by: string
  readonly cause: string
  readonly project: Project
  readonly plan: Plan
  readonly skipsJobs: boolean
}

export interface FateRecord {
  readonly state: RevisionSummary['state']
  /** Why it failed, with no secret in it; absent where it did not, or an earlier version wrote it. */
  readonly cause?: string
}

/** What a slot should run. The specs themselves are in the revisions; what became of it is the agent's to remember. */
export interface SlotRecord {
  readonly slot: SlotId
  readonly claim: number
  /** Null: nothing should run in the slot. */
  readonly revision: RevisionNumber | null
  readonly because: string
  readonly generation: number
}

/** The operation under way: found again by the next daemon, which carries it on. */
export interface OperationRecord {
  readonly id: string
  readonly kind: OperationRequest['kind']
  readonly by: Requester
  readonly startedAt: string
  /** `preparing`: its images are being brought here, and nothing of the base has been touched. */
  readonly state: 'preparing' | 'running' | 'rolling-back'
  readonly base: RevisionNumber
  readonly target: RevisionNumber
  /** The services whose settling it waits for. */
  readonly involved: readonly ServiceName[]
  /** Services that were stopped by hand before: they are again after a rollback. */
  readonly started?: readonly ServiceName[]
  /** By service: a new revision that is tried out first. */
  readonly trials?: Readonly<Record<string, TrialRecord>>
  /** Generations that are raised once it is prepared. */
  readonly raised?: Readonly<Record<string, number>>
}

export interface TrialRecord {
  readonly isPromoted: boolean
  /** How long it was applied, as of the last record. */
  readonly heldMs: number
  /** Of its instances, once they are applied. */
  readonly epochs: Readonly<Record<SlotId, Epoch>>
}

/** A revision as this version knows it, whichever version wrote it. */
export async function readRevision(store: Store, number: number): Promise<RevisionRecord | null> {
  const record = await readRecord<Omit<RevisionRecord, 'project'> & { readonly project: RecordedProject }>(
    store,
    keys.revision(number),
  )
  return record === null ? null : { ...record, project: completeProject(record.project) }
}
