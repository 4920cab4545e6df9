/**
 * The table of `daruma status`. PROVEN is the age of the last proof: a green row says when it was last known to be true. A reason
 * stands under the row that needs one.
 */

import { projectIdOf } from '../../core/model/project-id.ts'
import type { CanaryStatus, GapStatus, HealthState, InstanceStatus, SlotState } from '../../core/model/status.ts'
import type { JobView, OperationView, ServiceStatus, StatusAnswer } from '../../protocol/api.ts'
import type { NoticeTargetView } from '../../protocol/notices.ts'
import type { Paint, Palette } from '../screen/colour.ts'
import { explainSchedule, findTroubles } from '../screen/trouble.ts'
import { lastOf, nextIn } from './job.ts'
import { formatAge, formatBytes, formatCores, plural } from './quantity.ts'
import { type Column, renderTable, type Row } from './table.ts'
import { sanitise, truncate } from './width.ts'

export interface StatusView {
  readonly palette: Palette
  readonly columns: number
  readonly nowMs: number
  /** Those of the services that are shown. */
  readonly jobs?: readonly JobView[]
}

export function renderStatus(status: StatusAnswer, view: StatusView): string[] {
  const table = renderServices(status, view)
  return [
    ...renderHeader(status, view).map((line) => truncate(line, view.columns)),
    '',
    ...(status.services.length === 0 && status.instances.length === 0 ? ['no services'] : table),
  ]
}

/** The table alone. */
export function renderServices(status: Pick<StatusAnswer, 'services' | 'instances'>, view: StatusView): string[] {
  const schedules = new Map((view.jobs ?? []).filter(({ kind }) => kind === 'schedule').map((job) => [job.service, job]))
  const rows = status.services.flatMap((service) =>
    serviceRows(service, schedules.get(service.service) ?? null, status.instances, view),
  )
  // What runs is shown, also where nothing that is applied names it.
  const named = new Set(status.services.map(({ service }) => service))
  const others = status.instances.filter(({ service }) => !named.has(service))
  rows.push(...others.map((instance) => strayRow(instance, view)))
  const chosen = schedules.size === 0 ? columns : [...columns, ...scheduleColumns]
  return renderTable(chosen, rows, { width: view.columns, title: view.palette.dim, noteIndent: 4 })
}

const columns: readonly Column[] = [
  { title: 'SERVICE', leaves: 1 },
  { title: 'SLOT' },
  { title: 'STATE' },
  { title: 'HEALTH' },
  { title: 'EPOCH', align: 'right', leaves: 7 },
  { title: 'PID', align: 'right', leaves: 6 },
  { title: 'UPTIME', align: 'right' },
  { title: 'RESTARTS', align: 'right', leaves: 4 },
  { title: 'CPU', align: 'right', leaves: 5 },
  { title: 'MEMORY', align: 'right', leaves: 3 },
  { title: 'PORT', align: 'right', leaves: 8 },
  { title: 'PROVEN', align: 'right', leaves: 2 },
]

const scheduleColumns: readonly Column[] = [{ title: 'LAST' }, { title: 'NEXT' }]

function renderHeader(status: StatusAnswer, view: StatusView): string[] {
  const { palette } = view
  const desired = status.services.reduce((sum, service) => sum + service.desired, 0)
  // What a canary or a change adds for a while must not hide what another service lacks.
  const ready = status.services.reduce((sum, service) => sum + Math.min(service.ready, service.desired), 0)
  const name = status.project === null ? 'no project' : projectIdOf({ name: status.project, stage: status.stage })
  const count = `${ready} of ${desired} ready`
  const troubled = [...new Set(findTroubles(status, view.jobs ?? []).flatMap(({ service }) => service ?? []))]
  const facts = [
    palette.bold(name),
    status.revision === 0 ? 'nothing applied' : `revision ${status.revision}`,
    ready < desired ? palette.yellow(count) : troubled.length === 0 ? palette.green(count) : count,
    ...(troubled.length === 0 ? [] : [palette.red(`in trouble: ${listShortly(troubled)}`)]),
    palette.dim(
      `daemon ${status.daemon.pid}, up ${formatAge(status.daemon.startedAt, view.nowMs)}, ${formatBytes(status.daemon.memoryBytes)}`,
    ),
  ]
  return [
    facts.join(palette.dim(' · ')),
    ...(status.operation === null ? [] : [palette.cyan(`  ${describeOperation(status.operation, view.nowMs)}`)]),
    ...(status.unreached ?? []).map(({ target, failure }) =>
      palette.red(`  ! notify: ${sanitise(target, false)}: ${failure === null ? '' : explainUnreached(failure, view.nowMs)}`),
    ),
    ...(status.daemon.condition === null ? [] : [palette.red(`  ! ${sanitise(status.daemon.condition, false)}`)]),
  ]
}

/** `500 "no such channel" (12 attempts, for 25 min)`. */
export function explainUnreached(failure: NonNullable<NoticeTargetView['failure']>, nowMs: number): string {
  const { message, attempts, since } = failure
  return `${sanitise(message, false)} (${plural(attempts, 'attempt')}, for ${formatAge(since, nowMs)})`
}

/** `applying revision 5, for 12 s (up by root, pid 4711)`. */
export function describeOperation(operation: OperationView, nowMs: number): string {
  const rolling = operation.state === 'rolling-back' ? 'rolling back ' : ''
  const what: Readonly<Record<OperationView['kind'], string>> = {
    apply: `applying revision ${operation.revision}`,
    rollback: `returning to an older revision as revision ${operation.revision}`,
    scale: `scaling, revision ${operation.revision}`,
    restart: 'restarting',
    stop: 'stopping',
    start: 'starting',
    down: 'taking everything down',
  }
  const by = `${sanitise(operation.by.command, false)} by ${sanitise(operation.by.user, false)}, pid ${operation.by.pid}`
  return `${rolling}${what[operation.kind]}, for ${formatAge(operation.startedAt, nowMs)} (${by})`
}

/** The first few by name. */
const listShortly = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`

function serviceRows(
  service: ServiceStatus,
  schedule: JobView | null,
  instances: readonly InstanceStatus[],
  view: StatusView,
): Row[] {
  const own = instances.filter((instance) => instance.service === service.service)
  const rows =
    own.length > 0
      ? own.map((instance, index) => instanceRow(instance, index === 0 ? service : null, view))
      : [emptyRow(service, view)]
  const [first, ...others] = rows
  return first === undefined || schedule === null ? rows : [withSchedule(first, schedule, view), ...others]
}

function emptyRow(service: ServiceStatus, { palette }: StatusView): Row {
  return {
    // In a narrow terminal SERVICE leaves, and the row would have no name.
    cells: [palette.bold(service.service), `${service.service}/-`, palette.dim(whyNoSlot(service))],
    notes: service.stoppedByHand ? [note(`stopped by hand: daruma start ${service.service}`, palette)] : [],
  }
}

function withSchedule({ cells, notes = [] }: Row, job: JobView, { palette, nowMs }: StatusView): Row {
  const blank = Array.from({ length: columns.length - cells.length }, () => '')
  const fault = explainSchedule(job)
  return {
    cells: [...cells, ...blank, lastOf(job, palette, nowMs), nextIn(job, nowMs)],
    notes: fault === null ? notes : [...notes, palette.red(`└ ${sanitise(fault, false)} (daruma job logs ${job.service})`)],
  }
}

/** A schedule is all right without a slot: it has one while it runs. */
function whyNoSlot({ stoppedByHand, kind }: ServiceStatus): string {
  return stoppedByHand ? 'stopped' : kind === 'schedule' ? 'between runs' : 'no slot'
}

function strayRow(instance: InstanceStatus, view: StatusView): Row {
  const row = instanceRow(instance, null, view)
  return { ...row, cells: [view.palette.bold(instance.service), ...row.cells.slice(1)] }
}

function instanceRow(instance: InstanceStatus, first: ServiceStatus | null, view: StatusView): Row {
  const { palette, nowMs } = view
  const isRunning = instance.pid !== null
  const byHand = first?.stoppedByHand === true ? `stopped by hand: daruma start ${first.service}` : null
  const reason = instance.reason ?? byHand
  const facts = first === null ? [] : factsOf(first, palette)
  return {
    cells: [
      first === null ? '' : palette.bold(instance.service),
      instance.slot,
      paintState(instance.state, palette)(instance.state),
      paintHealth(instance.health, palette)(instance.health === 'none' ? '-' : instance.health),
      instance.epoch === null ? '-' : String(instance.epoch),
      isRunning ? String(instance.pid) : '-',
      isRunning ? formatAge(instance.startedAt, nowMs) : '-',
      instance.restarts === 0 ? '0' : palette.yellow(String(instance.restarts)),
      formatCores(instance.cpuCores),
      formatBytes(instance.memoryBytes),
      instance.port === null ? '-' : String(instance.port),
      instance.provenAt === null ? '-' : `${formatAge(instance.provenAt, nowMs)} ago`,
    ],
    notes: [...(reason === null ? [] : [note(reason, palette)]), ...facts],
  }
}

/** What is worth a line of its own: where the service is reached, what of it is only tried out, how long a change took it away. */
function factsOf(service: Partial<ServiceStatus>, palette: Palette): string[] {
  // A daemon of the version before tells none of this.
  const { routes = [], canary = null, gap = null } = service
  return [
    ...routes.map(({ url }) => palette.dim(`→ ${sanitise(url, false)}`)),
    ...(canary === null ? [] : [palette.cyan(`└ ${describeCanary(canary)}`)]),
    ...(gap === null ? [] : [palette.dim(`└ ${describeGap(gap)}`)]),
  ]
}

function describeCanary({ share, ready, heldMs, forMs, requests, failed }: CanaryStatus): string {
  const part = `${Number((share * 100).toFixed(1))} % of requests`
  const time = `${Math.floor(heldMs / 1000)} of ${Math.round(forMs / 1000)} s`
  return `canary: ${ready} ready, ${part}, ${time}, ${plural(requests, 'request')}, ${failed} failed`
}

const describeGap = ({ lastMs, worstMs }: GapStatus): string =>
  lastMs === worstMs ? `gap ${lastMs} ms at the last change` : `gap ${lastMs} ms at the last change, ${worstMs} ms at worst`

const note = (text: string, palette: Palette): string => palette.yellow(`└ ${sanitise(text, false)}`)

export function paintState(state: SlotState, palette: Palette): Paint {
  switch (state) {
    case 'running':
    case 'completed':
      return palette.green
    case 'crash-looping':
    case 'failed':
    case 'blocked':
      return palette.red
    case 'stopped':
      return palette.dim
    case 'pending':
    case 'starting':
    case 'stopping':
    case 'backing-off':
      return palette.yellow
  }
}

function paintHealth(health: HealthState, palette: Palette): Paint {
  switch (health) {
    case 'healthy':
      return palette.green
    case 'unhealthy':
      return palette.red
    case 'starting':
      return palette.yellow
    case 'none':
      return palette.dim
  }
}
