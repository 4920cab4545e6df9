/** The API's routes, one line each in `table`; what they say is the contract in `protocol/api.ts`. */

import { balancerName } from '../../core/balance/balancer-service.ts'
import { asServiceName } from '../../core/model/id.ts'
import type { Answer, Call, Route } from '../../ports/api.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Releases } from '../../ports/runtime/releases.ts'
import { apiVersion } from '../../protocol/api.ts'
import type {
  DoctorAnswer,
  ExecAnswer,
  JobView,
  OperationLine,
  OperationView,
  PromoteAnswer,
  RevisionSummary,
  RevisionView,
  RunsAnswer,
  VersionAnswer,
} from '../../protocol/api.ts'
import { execRequest, operationRequest, pageRequest, planRequest, promoteRequest } from '../../protocol/schema.ts'
import { pause, readNumber, until } from './call.ts'
import type { Daemon } from '../daemon.ts'
import { followEvents } from './follow-events.ts'
import { followLogs, unknownTarget } from './follow-logs.ts'
import { findRun, listJobs, listRuns, runByHand } from './jobs.ts'
import type { TelemetryReader } from '../metrics/telemetry-reader.ts'
import type { DashboardListener } from './dashboard-listener.ts'
import { projectRoutes } from './project-routes.ts'
import type { Project } from '../project.ts'
import type { FateRecord, RevisionRecord } from '../../server/records.ts'
import { releaseRoutes } from './release-routes.ts'
import { summaryOf } from '../../server/requests.ts'
import { ownerOf, projectOf, shownBy, shownJob, shownRun, shownSlot, shownStatus } from './shown.ts'
import type { Shown } from './shown.ts'

export interface RouteTools {
  readonly daemon: Daemon
  readonly releases: Releases
  readonly clock: Clock
  readonly about: Omit<VersionAnswer, 'api' | 'projects'>
  readonly examine: () => Promise<DoctorAnswer>
  readonly stop: () => void
  readonly telemetry: TelemetryReader
  readonly page: Pick<DashboardListener, 'ask'>
}

export function makeRoutes(tools: RouteTools): readonly Route[] {
  return table(tools).map((route) => ({
    ...route,
    handle: (call) => {
      tools.daemon.noteCall()
      return route.handle(call)
    },
  }))
}

function table(tools: RouteTools): readonly Route[] {
  const { daemon } = tools
  const one = (call: Call): Project => projectOf(daemon, call)
  const shown = (call: Call): Shown => shownBy(daemon, call)
  return [
    { method: 'GET', path: '/v1/version', handle: () => json(versionAnswer(tools)) },
    ...projectRoutes(daemon),
    { method: 'GET', path: '/v1/status', handle: (call) => json(shownStatus(daemon, shown(call))) },
    { method: 'POST', path: '/v1/plan', handle: (call) => plan(daemon, call) },
    { method: 'POST', path: '/v1/operations', handle: (call) => operate(daemon, call) },
    { method: 'GET', path: '/v1/operations/current', handle: (call) => json(currentOperation(shown(call))) },
    {
      method: 'POST',
      path: '/v1/operations/current/promote',
      handle: async (call) => json(await promote(one(call), call.body)),
    },
    { method: 'GET', path: '/v1/operations/*/stream', handle: (call) => followOperation(daemon, call) },
    { method: 'GET', path: '/v1/revisions', handle: async (call) => json(await one(call).history.list(summarised)) },
    { method: 'GET', path: '/v1/revisions/*', handle: (call) => showRevision(one(call), call) },
    { method: 'GET', path: '/v1/events', handle: (call) => followEvents(daemon, call) },
    { method: 'GET', path: '/v1/logs', handle: (call) => followLogs(tools, call) },
    { method: 'GET', path: '/v1/jobs', handle: (call) => json(shownJobs(shown(call))) },
    { method: 'GET', path: '/v1/jobs/*/runs', handle: (call) => json(shownRuns(daemon, call)) },
    { method: 'POST', path: '/v1/jobs/*/run', handle: (call) => runJob(daemon, call) },
    { method: 'GET', path: '/v1/jobs/*/runs/*/stream', handle: (call) => followRun(tools, call) },
    { method: 'GET', path: '/v1/notices', handle: async (call) => json(await one(call).notices.status()) },
    { method: 'POST', path: '/v1/notices/test', handle: async (call) => json(await one(call).notices.test()) },
    { method: 'POST', path: '/v1/exec', handle: (call) => planExec(daemon, call) },
    ...releaseRoutes(tools.releases),
    { method: 'GET', path: '/v1/doctor', handle: async () => json(await tools.examine()) },
    { method: 'GET', path: '/v1/overview', handle: async (call) => json(await tools.telemetry.overview(shown(call))) },
    { method: 'GET', path: '/v1/series', handle: (call) => readSeries(tools, call) },
    {
      method: 'GET',
      path: '/v1/metrics',
      handle: async (call) => ({ kind: 'text', ...(await tools.telemetry.metrics(shown(call))) }),
    },
    { method: 'POST', path: '/v1/page', handle: (call) => openPage(tools, call) },
    { method: 'POST', path: '/v1/daemon/stop', handle: () => stop(tools) },
  ]
}

function versionAnswer({ daemon, about }: RouteTools): VersionAnswer {
  const projects = daemon.projects
    .list()
    .map(({ id, record }) => ({ id, stage: record.stage, file: record.origin?.file ?? null }))
  return { api: apiVersion, ...about, projects }
}

const json = (body: unknown): Answer => ({ kind: 'json', body })

async function readSeries(tools: RouteTools, call: Call): Promise<Answer> {
  return json(
    await tools.telemetry.series(shownBy(tools.daemon, call), readNumber(call, 'since', 0), call.query.getAll('service')),
  )
}

/** Of the project that the config names; or of the one that is asked for, which is to be what the config describes. */
async function plan(daemon: Daemon, call: Call): Promise<Answer> {
  const request = planRequest(call.body, 'request')
  return json(await (call.query.has('project') ? projectOf(daemon, call).plan(request) : daemon.plan(request)))
}

async function operate(daemon: Daemon, call: Call): Promise<Answer> {
  const request = operationRequest(call.body, 'request')
  if (request.kind === 'apply') return json(await daemon.apply(request))
  const isOfBalancer = 'services' in request && request.services.includes(balancerName)
  if (!isOfBalancer) return json(await daemon.operate(projectOf(daemon, call), request))
  if (request.services.length > 1)
    throw new DarumaError(
      'E_REQUEST_INVALID',
      `${balancerName} serves every project: restart it alone, not together with services.`,
    )
  return json(await daemon.operate(daemon.machine, request))
}

function currentOperation({ projects }: Shown): OperationView | null {
  return projects.map(({ operations }) => operations.current).find((current) => current !== null) ?? null
}

async function promote(project: Project, body: unknown): Promise<PromoteAnswer> {
  const { services } = promoteRequest(body, 'request')
  return { services: await project.operations.trials.promote(services.map(asServiceName)) }
}

/** Where there are several projects, the link leads to the one that the call is about. */
async function openPage({ daemon, page }: RouteTools, call: Call): Promise<Answer> {
  const { projects, isQualified } = shownBy(daemon, call)
  const isOneOfSeveral = !isQualified && daemon.projects.list().length > 1
  return json(await page.ask(pageRequest(call.body, 'request'), isOneOfSeveral ? (projects[0]?.id ?? null) : null))
}

function stop(tools: RouteTools): Answer {
  // The answer first: the socket closes with the daemon.
  tools.clock.after(0, tools.stop)
  return json({})
}

function summarised(record: RevisionRecord, fate: FateRecord): RevisionSummary {
  const { number, createdAt, by, cause, plan } = record
  return { number, createdAt, by, cause, state: fate.state, summary: summaryOf(plan) }
}

async function showRevision(project: Project, call: Call): Promise<Answer> {
  const number = Number(call.parameters[0])
  const found = Number.isSafeInteger(number) && number > 0 ? await project.history.find(number) : null
  if (found === null) throw new DarumaError('E_REVISION_UNKNOWN', `There is no revision ${call.parameters[0] ?? ''}.`)
  return json({
    ...summarised(found.record, found.fate),
    // A project that was renamed has one name in all of its history.
    project: { ...found.record.project, name: project.record.name, stage: project.record.stage },
    plan: found.record.plan,
  } satisfies RevisionView)
}

function followOperation(daemon: Daemon, call: Call): Answer {
  const id = call.parameters[0] ?? ''
  const project = [daemon.machine, ...daemon.projects.list()].find(({ operations }) => operations.isKnown(id))
  if (project === undefined) throw new DarumaError('E_OPERATION_UNKNOWN', `There is no operation ${id} to watch.`)
  return {
    kind: 'lines',
    async run(send, signal) {
      const { over, done } = until(signal)
      const take = (line: OperationLine): void => {
        if (!send(line) || line.kind === 'end') done()
      }
      const unfollow = project.operations.follow(id, take)
      await over
      unfollow()
    },
  }
}

function shownJobs(shown: Shown): readonly JobView[] {
  return shown.projects.flatMap((project) => listJobs(project).map((job) => shownJob(shown, project, job)))
}

function ownerOfJob(daemon: Daemon, shown: Shown, text: string): { readonly project: Project; readonly name: string } {
  const owner = ownerOf(daemon, shown, text)
  if (owner !== null) return owner
  throw new DarumaError('E_JOB_UNKNOWN', `There is no schedule or job ${text}.`, { hint: 'daruma job ls lists them.' })
}

function shownRuns(daemon: Daemon, call: Call): RunsAnswer {
  const shown = shownBy(daemon, call)
  const { project, name } = ownerOfJob(daemon, shown, call.parameters[0] ?? '')
  const { runs, skips } = listRuns(project, name)
  return { runs: runs.map((run) => shownRun(shown, project, run)), skips }
}

async function runJob(daemon: Daemon, call: Call): Promise<Answer> {
  const shown = shownBy(daemon, call)
  const { project, name } = ownerOfJob(daemon, shown, call.parameters[0] ?? '')
  return json(shownRun(shown, project, await runByHand(project, name)))
}

/** How often a run is looked at for those who wait for it. */
const runPauseMs = 100

function followRun({ daemon, clock }: RouteTools, call: Call): Answer {
  const [text = '', tick = ''] = call.parameters
  const shown = shownBy(daemon, call)
  const { project, name } = ownerOfJob(daemon, shown, text)
  findRun(project, name, tick)
  return {
    kind: 'lines',
    async run(send, signal) {
      let last = ''
      while (!signal.aborted) {
        const view = shownRun(shown, project, findRun(project, name, tick))
        const text = JSON.stringify(view)
        if (text !== last && !send(view)) return
        last = text
        if (view.endedAt !== null || view.state === 'cancelled') return
        await pause(clock, runPauseMs, signal)
      }
    },
  }
}

async function planExec(daemon: Daemon, call: Call): Promise<Answer> {
  const { target, command } = execRequest(call.body, 'request')
  const shown = shownBy(daemon, call)
  const owner = ownerOf(daemon, shown, target)
  const slots = owner?.project.slotsFor(owner.name) ?? []
  if (owner === null || slots.length === 0) throw unknownTarget(target)
  for (const slot of slots) {
    const occupant = owner.project.reportOf(slot)?.occupant ?? null
    if (occupant?.phase !== 'live') continue
    const plan = await owner.project.runtime.exec({ slot, epoch: occupant.epoch }, command)
    return json({ slot: shownSlot(shown, owner.project, slot), ...plan } satisfies ExecAnswer)
  }
  throw new DarumaError('E_NOT_RUNNING', `Nothing of ${target} is running now.`, { hint: '`daruma status` shows why.' })
}
