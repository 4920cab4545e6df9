/** Schedules, jobs and their runs in the words of the API. It reads the ledgers and decides nothing. */

import { formatInstant } from '../../core/cron/instant.ts'
import type { Run } from '../../core/cron/ledger.ts'
import { activeRun } from '../../core/cron/ledger.ts'
import type { ServiceName, SlotId } from '../../core/model/id.ts'
import { asServiceName, isRunSlot, parseSlotId, tickOf } from '../../core/model/id.ts'
import { DarumaError } from '../../ports/error.ts'
import type { JobView, RunsAnswer, RunView } from '../../protocol/api.ts'
import { slotOf } from '../../server/cron/entry.ts'
import type { CronEntry } from '../../server/cron/entry.ts'
import type { OutgoingRun } from '../../server/redacted.ts'
import type { ScheduleFacts } from '../metrics/metrics.ts'
import type { Project } from '../project.ts'
import type { SlotReport } from '../../core/instance/report.ts'

export function listJobs(project: Project): readonly JobView[] {
  return jobNames(project).map((name) => viewJob(project, name))
}

/** What is counted and timed of each schedule. */
export function listSchedules(project: Project): readonly ScheduleFacts[] {
  return [...project.cron.entries].map(([service, { ledger, nextMs }]) => {
    const ended = ledger.runs.filter((run) => run.phase === 'ended')
    const success = ended.findLast((run) => run.end?.kind === 'succeeded')
    const last = ended.findLast((run) => run.end?.kind !== 'cancelled')
    return {
      service,
      runs: ledger.lastNumber,
      running: activeRun(ledger) === null ? 0 : 1,
      queued: ledger.runs.filter((run) => run.phase === 'queued').length,
      nextAt: nextMs === null ? null : formatInstant(nextMs),
      lastSuccessAt: success?.endedAt ?? null,
      isLastGood: last === undefined ? null : last.end?.kind === 'succeeded',
    }
  })
}

/** Newest first. Throws `E_JOB_UNKNOWN`. */
export function listRuns(project: Project, text: string): RunsAnswer {
  const name = knownJob(project, text)
  const entry = project.cron.entries.get(name)
  if (entry === undefined) return { runs: viewJobRuns(project, name), skips: [] }
  const skips = entry.ledger.skips.map(({ fromMs, toMs, count, because }) => ({
    from: formatInstant(fromMs),
    to: formatInstant(toMs),
    count,
    because,
  }))
  return { runs: entry.ledger.runs.toReversed().map((run) => viewRun(project, entry, run)), skips: skips.toReversed() }
}

export async function runByHand(project: Project, text: string): Promise<RunView> {
  const name = knownJob(project, text)
  const entry = project.cron.entries.get(name)
  if (entry === undefined) {
    throw new DarumaError(
      'E_JOB_NOT_REPEATABLE',
      `${name} is a job: it runs once for each revision that changes it, never again.`,
      {
        hint: 'Only the runs of a schedule can be started by hand.',
      },
    )
  }
  const { run } = await project.cron.runByHand(name)
  return viewRun(project, entry, run)
}

/** The run as it is now. Throws `E_JOB_UNKNOWN`, `E_RUN_UNKNOWN`. */
export function findRun(project: Project, text: string, tick: string): RunView {
  const name = knownJob(project, text)
  const found = listRuns(project, name).runs.find((run) => run.tick === tick)
  if (found !== undefined) return found
  throw new DarumaError('E_RUN_UNKNOWN', `There is no run ${tick} of ${name}.`, {
    hint: `daruma job runs ${name} lists those that are kept.`,
  })
}

/** Whether the slot is a run that the ledger knows, so that its log can be asked for though nothing is in it. */
export function isKnownRun(project: Project, slot: string): slot is SlotId {
  if (!isRunSlot(slot as SlotId)) return false
  const { service } = parseSlotId(slot as SlotId)
  return project.cron.entries.get(service)?.ledger.runs.some((run) => slotOf(service, run) === slot) === true
}

/** Whether the target is a run, and nothing more will come of it. */
export function isEndedRun(project: Project, target: string): boolean {
  if (!isRunSlot(target as SlotId)) return false
  const { service } = parseSlotId(target as SlotId)
  const run = project.cron.entries.get(service)?.ledger.runs.find((each) => slotOf(service, each) === target)
  return run === undefined || run.phase === 'ended'
}

/** The newest run that has begun: what "the log of the schedule" means while nothing runs. */
export function lastRunSlot(project: Project, service: ServiceName): SlotId | null {
  const run = project.cron.entries.get(service)?.ledger.runs.findLast(({ attempt }) => attempt > 0)
  return run === undefined ? null : slotOf(service, run)
}

function jobNames(project: Project): readonly ServiceName[] {
  const services = project.world.project?.services ?? []
  return services.filter(({ scale }) => scale.kind === 'schedule' || scale.kind === 'job').map(({ name }) => name)
}

function knownJob(project: Project, text: string): ServiceName {
  const names = jobNames(project)
  const name = asServiceName(text)
  if (names.includes(name)) return name
  throw new DarumaError('E_JOB_UNKNOWN', `There is no schedule or job ${text}.`, {
    hint: names.length === 0 ? 'The config has none.' : `There are: ${names.join(', ')}.`,
  })
}

function viewJob(project: Project, name: ServiceName): JobView {
  const service = project.world.serviceOf(name)
  const entry = project.cron.entries.get(name)
  const isStopped = project.world.stoppedByHand.has(name)
  if (service?.scale.kind !== 'schedule' || entry === undefined) {
    const [last = null] = viewJobRuns(project, name)
    const isRunning = last !== null && last.endedAt === null && last.startedAt !== null
    const none = { schedule: null, nextAt: null, fault: null, queued: 0 }
    return { service: name, kind: 'job', isStopped, ...none, running: isRunning ? last : null, last: isRunning ? null : last }
  }
  const active = activeRun(entry.ledger)
  const ended = entry.ledger.runs.findLast((run) => run.phase === 'ended')
  return {
    service: name,
    kind: 'schedule',
    isStopped,
    schedule: service.scale.schedule,
    nextAt: entry.nextMs === null || entry.presence.kind !== 'active' ? null : formatInstant(entry.nextMs),
    fault: entry.fault,
    queued: entry.ledger.runs.filter((run) => run.phase === 'queued').length,
    running: active === null ? null : viewRun(project, entry, active),
    last: ended === undefined ? null : viewRun(project, entry, ended),
  }
}

function viewRun(project: Project, { service }: CronEntry, run: Run): OutgoingRun {
  const slot = slotOf(service, run)
  const report = project.reportOf(slot)
  const message = run.end === null ? (report?.reason ?? null) : run.end.message
  return {
    service,
    slot,
    tick: tickOf(slot),
    by: run.by,
    isLate: run.isLate,
    state:
      run.phase === 'ended'
        ? (run.end?.kind ?? 'lost')
        : run.phase === 'under-way'
          ? stateOf(report)
          : run.phase === 'queued'
            ? 'queued'
            : 'waiting',
    attempt: run.attempt,
    startedAt: project.cron.startedAt(slot) ?? run.startedAt,
    endedAt: run.phase === 'ended' ? run.endedAt : null,
    durationMs: run.durationMs,
    exit: run.end?.exit ?? null,
    message: message === null ? null : project.redact(message),
    revision: run.revision,
  }
}

function stateOf(report: SlotReport | null): RunView['state'] {
  switch (report?.occupant?.phase) {
    case 'live':
      return 'running'
    case 'ending':
      return 'ending'
    case 'starting':
    case undefined:
      return 'starting'
  }
}

/** A job has one run at a time to show: that of the revision that changed it last. */
function viewJobRuns(project: Project, name: ServiceName): readonly OutgoingRun[] {
  return project.world.reportsOf(name).map((report): OutgoingRun => {
    const { slot, occupant, outcome, restarts, lastExit, reason } = report
    const state = outcome === null ? stateOf(report) : outcome.kind === 'completed' ? 'succeeded' : 'failed'
    const goal = project.world.assignments.get(slot)?.goal
    return {
      service: name,
      slot,
      tick: null,
      by: 'schedule',
      isLate: false,
      state,
      attempt: restarts + 1,
      startedAt: occupant?.startedAt ?? null,
      endedAt: null,
      durationMs: null,
      exit: outcome?.exit ?? lastExit,
      message: reason === null ? null : project.redact(reason),
      revision: goal?.kind === 'run' ? goal.spec.revision : 0,
    }
  })
}
