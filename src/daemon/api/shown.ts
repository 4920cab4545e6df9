/**
 * Which projects a call is about: the one that it names, the only one there is, or all of them. Where several are shown, their services and
 * slots stand behind their project's id (`shop/web`, `shop/web/0`); what is the machine's own (`@balancer`) belongs to every view.
 */

import type { RecordedEvent } from '../../core/model/event.ts'
import type { ServiceName, SlotId } from '../../core/model/id.ts'
import { asServiceName } from '../../core/model/id.ts'
import { parseProjectId, qualifiedService, qualifiedSlot } from '../../core/model/project-id.ts'
import { nearest } from '../../core/values/nearest.ts'
import type { Call } from '../../ports/api.ts'
import { DarumaError } from '../../ports/error.ts'
import type { JobView, RunView, StatusAnswer } from '../../protocol/api.ts'
import type { Daemon } from '../daemon.ts'
import type { Project } from '../project.ts'

export interface Shown {
  readonly projects: readonly Project[]
  /** Whether names stand behind their project's id. */
  readonly isQualified: boolean
}

/** For looking. Throws `E_PROJECT_UNKNOWN`. */
export function shownBy(daemon: Daemon, { query }: Pick<Call, 'query'>): Shown {
  const named = query.get('project')
  if (named !== null) return { projects: [find(daemon, named)], isQualified: false }
  const projects = daemon.projects.list()
  return { projects, isQualified: projects.length > 1 }
}

/** For who has seen `before`, and goes on: names that stood behind their project's id do so to the end. */
export const seenAlso = (before: Shown, now: Shown): Shown => ({ ...now, isQualified: before.isQualified || now.isQualified })

/** For changing, or for what only one can answer. Throws `E_PROJECT_UNKNOWN`, `E_PROJECT_AMBIGUOUS`. */
export function projectOf(daemon: Daemon, call: Pick<Call, 'query'>): Project {
  const { projects } = shownBy(daemon, call)
  const [project, ...others] = projects
  if (project === undefined) throw new DarumaError('E_PROJECT_UNKNOWN', 'Nothing has been applied on this machine.')
  if (others.length === 0) return project
  throw new DarumaError('E_PROJECT_AMBIGUOUS', `This machine has ${projects.length} projects: which one is meant?`, {
    hint: `Name it with -p: ${listIds(projects)}.`,
  })
}

function find(daemon: Daemon, named: string): Project {
  const id = parseProjectId(named)
  const project = id === null ? null : daemon.projects.find(id)
  if (project !== null) return project
  const projects = daemon.projects.list()
  const ids = projects.map((each): string => each.id)
  const near = nearest(named, ids)
  const question = near === null ? '' : ` Did you mean ${near}?`
  throw new DarumaError('E_PROJECT_UNKNOWN', `There is no project ${named} on this machine.${question}`, {
    hint: projects.length === 0 ? 'Nothing has been applied here.' : `There are: ${listIds(projects)}.`,
  })
}

const listIds = (projects: readonly Project[]): string => projects.map(({ id }) => id).join(', ')

/** Whose a service or slot is, by the name that the view shows, and what its project calls it. Null for a project that is not in the view. */
export function ownerOf(
  daemon: Daemon,
  { projects, isQualified }: Shown,
  name: string,
): { readonly project: Project; readonly name: string } | null {
  // Builds and notices are a project's; what else begins so is the machine's.
  if (name.startsWith('@') && !/^@(?:build|notify)/.test(name)) return { project: daemon.machine, name }
  const [only] = projects
  if (!isQualified) return only === undefined ? null : { project: only, name }
  const project = projects.find(({ id }) => name.startsWith(`${id}/`))
  return project === undefined ? null : { project, name: name.slice(project.id.length + 1) }
}

export const shownSlot = ({ isQualified }: Shown, { id }: Project, slot: SlotId): SlotId =>
  isQualified && !slot.startsWith('@') ? qualifiedSlot(id, slot) : slot

export const shownService = ({ isQualified }: Shown, { id }: Project, service: ServiceName): ServiceName =>
  isQualified && !service.startsWith('@') ? qualifiedService(id, service) : service

export function shownJob(shown: Shown, project: Project, job: JobView): JobView {
  const run = (each: RunView | null): RunView | null => (each === null ? null : shownRun(shown, project, each))
  return {
    ...job,
    service: shownService(shown, project, asServiceName(job.service)),
    running: run(job.running),
    last: run(job.last),
  }
}

export function shownRun(shown: Shown, project: Project, run: RunView): RunView {
  return {
    ...run,
    service: shownService(shown, project, asServiceName(run.service)),
    slot: shownSlot(shown, project, run.slot as SlotId),
  }
}

/** One status of all that is shown. Without any project it is the empty one. */
export function shownStatus(daemon: Daemon, shown: Shown, withUsage: boolean = true): StatusAnswer {
  const [only] = shown.projects
  if (only !== undefined && !shown.isQualified) return daemon.status(only, withUsage)
  const machine = daemon.status(daemon.machine, withUsage)
  const all = shown.projects.map((project) => ({ project, status: project.status(withUsage) }))
  return {
    project: null,
    stage: null,
    revision: 0,
    daemon: daemon.describe(shown.projects),
    operation:
      all
        .map(({ project, status: { operation } }) => (operation === null ? null : { ...operation, project: project.id }))
        .find((operation) => operation !== null) ?? null,
    unreached: all.flatMap(({ project, status }) =>
      status.unreached.map((each) => ({ ...each, target: `${project.id}: ${each.target}` })),
    ),
    services: [
      ...all.flatMap(({ project, status }) =>
        status.services.map((each) => ({ ...each, service: shownService(shown, project, each.service) })),
      ),
      ...machine.services,
    ],
    instances: [
      ...machine.instances,
      ...all.flatMap(({ project, status }) =>
        status.instances.map((each) => ({
          ...each,
          service: shownService(shown, project, each.service),
          slot: shownSlot(shown, project, each.slot),
        })),
      ),
    ],
  }
}

export function shownEvent(shown: Shown, project: Project, event: RecordedEvent): RecordedEvent {
  if (!shown.isQualified) return event
  return { ...event, slot: event.slot === null ? null : shownSlot(shown, project, event.slot), project: project.id }
}
