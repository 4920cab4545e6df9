/** Tables over all projects of the machine: one line a project (`daruma project ls`), or one a service (`daruma ls`). */

import type { InstanceStatus, SlotState } from '../../core/model/status.ts'
import type { StatusAnswer } from '../../protocol/api.ts'
import type { KeptVolumes, ProjectView } from '../../protocol/projects.ts'
import type { Palette } from '../screen/colour.ts'
import { formatAge, formatBytes, formatCores } from './quantity.ts'
import { describeOperation, paintState } from './status.ts'
import { renderTable } from './table.ts'
import { sanitise } from './width.ts'

export interface ListView {
  readonly palette: Palette
  readonly columns: number
  readonly nowMs: number
}

export function renderProjects(projects: readonly ProjectView[], { palette, columns, nowMs }: ListView): readonly string[] {
  if (projects.length === 0) return ['no projects: `daruma up` makes one of a config']
  const rows = projects.map(({ id, revision, ready, desired, operation, origin, isDown }) => ({
    cells: [
      palette.bold(id),
      revision === 0 ? '-' : String(revision),
      isDown ? palette.dim('down') : (ready < desired ? palette.yellow : palette.green)(`${ready}/${desired}`),
      origin === null ? '-' : sanitise(origin.file, false),
      origin === null ? '-' : sanitise(origin.user, false),
      origin === null ? '-' : `${formatAge(origin.at, nowMs)} ago`,
    ],
    notes: operation === null ? [] : [palette.cyan(`└ ${describeOperation(operation, nowMs)}`)],
  }))
  return renderTable(
    [
      { title: 'PROJECT' },
      { title: 'REVISION', align: 'right', leaves: 1 },
      { title: 'READY', align: 'right' },
      { title: 'CONFIG', leaves: 4 },
      { title: 'USER', leaves: 3 },
      { title: 'APPLIED', align: 'right', leaves: 2 },
    ],
    rows,
    { width: columns, title: palette.dim, noteIndent: 4 },
  )
}

export function renderKept(kept: readonly KeptVolumes[]): readonly string[] {
  return kept.map(({ id, volumes, directory }) => `kept of ${id}, which was removed: ${volumes.join(', ')} (in ${directory})`)
}

/** One service of one project, for people and, as it is, for machines. */
export interface ListedService {
  readonly project: string
  readonly service: string
  readonly state: SlotState | 'none'
  readonly ready: number
  readonly desired: number
  readonly restarts: number
  /** Of the instance that began last. ISO 8601. */
  readonly startedAt: string | null
  readonly cpuCores: number | null
  readonly memoryBytes: number | null
}

/** Of a status of all projects, or of one. What is the machine's own (`@balancer`) is no project's and is left out. */
export function serviceList(status: StatusAnswer, projects: readonly ProjectView[]): readonly ListedService[] {
  const only = projects.length === 1 ? (projects[0]?.id ?? '') : (status.project ?? '')
  const id = status.project !== null && status.stage !== null ? `${status.project}_${status.stage}` : only
  const kinds = new Map<string, { readonly ready: number; readonly desired: number }>(
    [...status.instances.map(({ service }) => service), ...status.services.map(({ service }) => service)].map((service) => [
      service,
      { ready: 0, desired: 0 },
    ]),
  )
  for (const { service, ready, desired } of status.services) kinds.set(service, { ready, desired })
  return [...kinds]
    .filter(([name]) => !name.startsWith('@'))
    .map(([name, { ready, desired }]): ListedService => {
      const at = name.indexOf('/')
      const own = status.instances.filter(({ service }) => service === name)
      return {
        project: at < 0 ? id : name.slice(0, at),
        service: name.slice(at + 1),
        state: worstOf(own),
        ready,
        desired,
        restarts: own.reduce((sum, { restarts }) => sum + restarts, 0),
        startedAt: own.reduce<string | null>(
          (last, { startedAt }) => ((startedAt ?? '') > (last ?? '') ? startedAt : last),
          null,
        ),
        cpuCores: sumOf(own.map(({ cpuCores }) => cpuCores)),
        memoryBytes: sumOf(own.map(({ memoryBytes }) => memoryBytes)),
      }
    })
    .toSorted((a, b) => compare(a.project, b.project) || compare(a.service, b.service))
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** From the one that a person wants to know of first. */
const states: readonly SlotState[] = [
  'blocked',
  'crash-looping',
  'failed',
  'backing-off',
  'starting',
  'stopping',
  'pending',
  'running',
  'stopped',
  'completed',
]

function worstOf(instances: readonly InstanceStatus[]): SlotState | 'none' {
  return states.find((state) => instances.some((instance) => instance.state === state)) ?? 'none'
}

function sumOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0)
}

export function renderServiceList(services: readonly ListedService[], { palette, columns, nowMs }: ListView): readonly string[] {
  if (services.length === 0) return ['nothing is up: `daruma up` applies a config']
  const rows = services.map(({ project, service, state, ready, desired, restarts, startedAt, cpuCores, memoryBytes }) => ({
    cells: [
      project,
      palette.bold(service),
      state === 'none' ? palette.dim('-') : paintState(state, palette)(state),
      (ready < desired ? palette.yellow : palette.green)(`${ready}/${desired}`),
      restarts === 0 ? '0' : palette.yellow(String(restarts)),
      state === 'running' ? formatAge(startedAt, nowMs) : '-',
      formatCores(cpuCores),
      formatBytes(memoryBytes),
    ],
  }))
  return renderTable(
    [
      { title: 'PROJECT' },
      { title: 'SERVICE' },
      { title: 'STATE' },
      { title: 'READY', align: 'right' },
      { title: 'RESTARTS', align: 'right', leaves: 3 },
      { title: 'UPTIME', align: 'right', leaves: 2 },
      { title: 'CPU', align: 'right', leaves: 4 },
      { title: 'MEMORY', align: 'right', leaves: 1 },
    ],
    rows,
    { width: columns, title: palette.dim },
  )
}
