/** The API's routes, one line each in `table`; what they say is the contract in `protocol/api.ts`. */

import { type SlotId, asServiceName, parseSlotId } from '../core/model/id.ts'
import { formatSize } from '../core/values/quantity.ts'
import type { Answer, Call, Route } from '../ports/api.ts'
import { DarumaError } from '../ports/error.ts'
import type { Clock } from '../ports/clock.ts'
import type { Releases } from '../ports/releases.ts'
import type { Runtime } from '../ports/runtime.ts'
import { apiVersion } from '../protocol/api.ts'
import type {
  DoctorAnswer,
  ExecAnswer,
  LogLine,
  LogNote,
  OperationLine,
  PromoteAnswer,
  RecordedEvent,
  RevisionSummary,
  RevisionView,
  VersionAnswer,
} from '../protocol/api.ts'
import { execRequest, operationRequest, pageRequest, planRequest, promoteRequest } from '../protocol/schema.ts'
import type { Daemon } from './daemon.ts'
import { findRun, isEndedRun, isKnownRun, lastRunSlot, listJobs, listRuns, runByHand } from './jobs.ts'
import type { Looker } from './looker.ts'
import { type SlotEntry, sendLogs, sendNewLogs } from './merged-logs.ts'
import type { PageDoor } from './page-door.ts'
import type { FateRecord, RevisionRecord } from './records.ts'
import { releaseRoutes } from './releases/routes.ts'
import { summaryOf } from './requests.ts'
import type { SlotShell } from './slot-shell.ts'

export interface RouteTools {
  readonly daemon: Daemon
  readonly runtime: Runtime
  readonly releases: Releases
  readonly clock: Clock
  readonly about: Omit<VersionAnswer, 'api'>
  readonly examine: () => Promise<DoctorAnswer>
  readonly stop: () => void
  readonly looker: Looker
  readonly page: Pick<PageDoor, 'ask'>
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
  return [
    { method: 'GET', path: '/v1/version', handle: () => json({ api: apiVersion, ...tools.about } satisfies VersionAnswer) },
    { method: 'GET', path: '/v1/status', handle: () => json(daemon.status()) },
    {
      method: 'POST',
      path: '/v1/plan',
      handle: async ({ body }) => json(await daemon.project.plan(planRequest(body, 'request'))),
    },
    {
      method: 'POST',
      path: '/v1/operations',
      handle: async ({ body }) => json(await daemon.project.operate(operationRequest(body, 'request'))),
    },
    { method: 'GET', path: '/v1/operations/current', handle: () => json(daemon.project.operations.current) },
    { method: 'POST', path: '/v1/operations/current/promote', handle: async ({ body }) => json(await promote(daemon, body)) },
    { method: 'GET', path: '/v1/operations/*/stream', handle: (call) => followOperation(daemon, call) },
    { method: 'GET', path: '/v1/revisions', handle: async () => json(await daemon.project.history.list(summarised)) },
    { method: 'GET', path: '/v1/revisions/*', handle: (call) => showRevision(daemon, call) },
    { method: 'GET', path: '/v1/events', handle: (call) => followEvents(daemon, call) },
    { method: 'GET', path: '/v1/logs', handle: (call) => followLogs(tools, call) },
    { method: 'GET', path: '/v1/jobs', handle: () => json(listJobs(daemon.project)) },
    { method: 'GET', path: '/v1/jobs/*/runs', handle: ({ parameters }) => json(listRuns(daemon.project, parameters[0] ?? '')) },
    {
      method: 'POST',
      path: '/v1/jobs/*/run',
      handle: async ({ parameters }) => json(await runByHand(daemon.project, parameters[0] ?? '')),
    },
    { method: 'GET', path: '/v1/jobs/*/runs/*/stream', handle: (call) => followRun(tools, call) },
    { method: 'POST', path: '/v1/exec', handle: ({ body }) => planExec(tools, body) },
    ...releaseRoutes(tools.releases),
    { method: 'GET', path: '/v1/doctor', handle: async () => json(await tools.examine()) },
    { method: 'GET', path: '/v1/overview', handle: async () => json(await tools.looker.overview()) },
    { method: 'GET', path: '/v1/series', handle: (call) => readSeries(tools, call) },
    { method: 'GET', path: '/v1/metrics', handle: async () => ({ kind: 'text', ...(await tools.looker.metrics()) }) },
    { method: 'POST', path: '/v1/page', handle: async ({ body }) => json(await tools.page.ask(pageRequest(body, 'request'))) },
    { method: 'POST', path: '/v1/daemon/stop', handle: () => stop(tools) },
  ]
}

const json = (body: unknown): Answer => ({ kind: 'json', body })

async function readSeries(tools: RouteTools, call: Call): Promise<Answer> {
  return json(await tools.looker.series(readNumber(call, 'since', 0), call.query.getAll('service')))
}

async function promote(daemon: Daemon, body: unknown): Promise<PromoteAnswer> {
  const { services } = promoteRequest(body, 'request')
  return { services: await daemon.project.operations.trials.promote(services.map(asServiceName)) }
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

async function showRevision(daemon: Daemon, call: Call): Promise<Answer> {
  const number = Number(call.parameters[0])
  const found = Number.isSafeInteger(number) && number > 0 ? await daemon.project.history.find(number) : null
  if (found === null) throw new DarumaError('E_REVISION_UNKNOWN', `There is no revision ${call.parameters[0] ?? ''}.`)
  return json({
    ...summarised(found.record, found.fate),
    project: found.record.project,
    plan: found.record.plan,
  } satisfies RevisionView)
}

/** Resolves when the signal fires or `done` is called. */
function until(signal: AbortSignal): { readonly over: Promise<void>; readonly done: () => void } {
  let done: () => void = () => {}
  const over = new Promise<void>((resolve) => {
    done = resolve
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted) resolve()
  })
  return { over, done }
}

function followOperation(daemon: Daemon, call: Call): Answer {
  const id = call.parameters[0] ?? ''
  if (!daemon.project.operations.isKnown(id))
    throw new DarumaError('E_OPERATION_UNKNOWN', `There is no operation ${id} to watch.`)
  return {
    kind: 'lines',
    async run(send, signal) {
      const { over, done } = until(signal)
      const take = (line: OperationLine): void => {
        if (!send(line) || line.kind === 'end') done()
      }
      const unfollow = daemon.project.operations.follow(id, take)
      await over
      unfollow()
    },
  }
}

/** How often a run is looked at for those who wait for it. */
const runPauseMs = 100

function followRun({ daemon, clock }: RouteTools, { parameters: [name = '', tick = ''] }: Call): Answer {
  findRun(daemon.project, name, tick)
  return {
    kind: 'lines',
    async run(send, signal) {
      let last = ''
      while (!signal.aborted) {
        const view = findRun(daemon.project, name, tick)
        const text = JSON.stringify(view)
        if (text !== last && !send(view)) return
        last = text
        if (view.endedAt !== null || view.state === 'cancelled') return
        await pause(clock, runPauseMs, signal)
      }
    },
  }
}

const maxEventsAtOnce = 5000

function followEvents(daemon: Daemon, call: Call): Answer {
  const since = readNumber(call, 'since', 0)
  const limit = Math.min(readNumber(call, 'limit', 100), maxEventsAtOnce)
  return {
    kind: 'lines',
    async run(send, signal) {
      const { over, done } = until(signal)
      let last = since
      const take = (event: RecordedEvent): void => {
        if (event.number <= last) return
        last = event.number
        if (!send(event)) done()
      }
      const waiting: RecordedEvent[] = []
      let forward = (event: RecordedEvent): void => void waiting.push(event)
      const unfollow = daemon.project.events.follow((event) => forward(event))
      try {
        for (const event of await daemon.project.events.read(since, limit)) take(event)
        for (const event of waiting) take(event)
        forward = take
        if (call.query.get('follow') === '1') await over
      } finally {
        unfollow()
      }
    },
  }
}

/** How often a followed log is looked at: below what a reader notices, far above what a look costs. */
const logPauseMs = 200
const defaultLogLines = 100

function followLogs(tools: RouteTools, call: Call): Answer {
  const { daemon, clock, runtime } = tools
  const targets = call.query.getAll('service')
  const slotsNow = (): readonly SlotId[] => chooseShells(daemon, targets).map(({ id }) => id)
  const slots = slotsNow()
  const isFollowed = call.query.get('follow') === '1'
  const sinceMs = readOptionalNumber(call, 'since')
  const query = {
    lines: readOptionalNumber(call, 'lines') ?? (sinceMs === null ? defaultLogLines : null),
    sinceMs,
    untilMs: readOptionalNumber(call, 'until'),
    withOpenLines: !isFollowed,
  }
  return {
    kind: 'lines',
    async run(send, signal, drain) {
      const take = async (entry: SlotEntry): Promise<boolean> => {
        if (!send(renderLogLine(daemon, entry))) return false
        await drain()
        return true
      }
      const { shortened, place } = await sendLogs(runtime, slots, query, take)
      for (const slot of shortened) send(renderShortened(daemon, slot))
      let wasOver = false
      while (isFollowed && !signal.aborted) {
        // Once more after the end of a run: its last lines came before it.
        const isOver = targets.length > 0 && targets.every((target) => isEndedRun(daemon.project, target))
        if (isOver && wasOver) break
        wasOver = isOver
        await pause(clock, logPauseMs, signal)
        // Slots that an update brings in are followed as well.
        if (!(await sendNewLogs(runtime, slotsNow(), place, take))) return
      }
    },
  }
}

function renderLogLine(daemon: Daemon, { slot, entry, isCut, isAfterGap }: SlotEntry): LogLine {
  return {
    service: parseSlotId(slot).service,
    slot,
    epoch: entry.epoch,
    at: entry.at,
    line: daemon.project.redact(entry.text),
    ...(entry.goesOn ? { goesOn: true } : {}),
    ...(isCut ? { isCut: true } : {}),
    ...(isAfterGap ? { isAfterGap: true } : {}),
    ...(entry.droppedBytes > 0 ? { droppedBytes: entry.droppedBytes } : {}),
  }
}

function renderShortened(daemon: Daemon, slot: SlotId): LogNote {
  const { service } = parseSlotId(slot)
  const { maxBytes } = daemon.project.world.serviceOf(service)?.logs ?? { maxBytes: null }
  const bound = maxBytes === null ? 'what its bound allows' : formatSize(maxBytes)
  return { service, slot, note: `Older lines of ${slot} were removed: its log keeps ${bound} (logs.maxSize).` }
}

/** A run that has ended has no shell any more, and still a log. */
type LogSource = Pick<SlotShell, 'id'>

function chooseShells(daemon: Daemon, targets: readonly string[]): readonly LogSource[] {
  if (targets.length === 0) {
    const all = [...daemon.project.world.shells.values()]
    const wanted = all.filter(({ slot }) => slot.goal.kind === 'run' || slot.occupancy.kind !== 'vacant')
    // After a first revision that failed nothing is wanted, and its logs are just what a person looks for.
    return wanted.length > 0 ? wanted : all
  }
  return targets.flatMap((target): readonly LogSource[] => {
    if (isKnownRun(daemon.project, target)) return [{ id: target }]
    const shells = daemon.project.shellsFor(target)
    const lastRun = shells.length === 0 ? lastRunSlot(daemon.project, asServiceName(target)) : null
    if (lastRun !== null) return [{ id: lastRun }]
    if (shells.length === 0 && daemon.project.world.serviceOf(target as never) === null) throw unknown(target)
    return shells
  })
}

const unknown = (target: string): DarumaError =>
  new DarumaError('E_SERVICE_UNKNOWN', `There is no service or slot ${target}.`, { hint: 'daruma status lists them.' })

async function planExec(tools: RouteTools, body: unknown): Promise<Answer> {
  const { target, command } = execRequest(body, 'request')
  const shells = tools.daemon.project.shellsFor(target)
  if (shells.length === 0) throw unknown(target)
  for (const shell of shells) {
    const at = shell.slot.occupancy
    if (at.kind !== 'live') continue
    const plan = await tools.runtime.exec({ slot: shell.id, epoch: at.epoch }, command)
    return json({ slot: shell.id, ...plan } satisfies ExecAnswer)
  }
  throw new DarumaError('E_NOT_RUNNING', `Nothing of ${target} is running now.`, { hint: 'daruma status shows why.' })
}

function readOptionalNumber(call: Call, name: string): number | null {
  return call.query.get(name) === null ? null : readNumber(call, name, 0)
}

function readNumber(call: Call, name: string, fallback: number): number {
  const value = call.query.get(name)
  if (value === null) return fallback
  const number = Number(value)
  if (!Number.isSafeInteger(number) || number < 0) {
    throw new DarumaError('E_REQUEST_INVALID', `${name}=${value} is no whole number from 0.`)
  }
  return number
}

function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', stop)
      resolve()
    }
    const timer = clock.after(delayMs, stop)
    signal.addEventListener('abort', stop)
  })
}
