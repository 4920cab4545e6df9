/** What is looked at from outside: the page's overview, its plots, and the metrics. It reads the daemon and changes nothing in it. */

import type { Epoch, ServiceName, SlotId } from '../../core/model/id.ts'
import { ownPart } from '../../core/model/project-id.ts'
import type { Service } from '../../core/model/service.ts'
import type { PoolCounters } from '../../ports/traffic/balancer.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Usage } from '../../ports/runtime/runtime.ts'
import type { OverviewAnswer, SeriesAnswer, ServiceDetail } from '../../protocol/api.ts'
import type { Daemon } from '../daemon.ts'
import { listJobs, listSchedules } from '../api/jobs.ts'
import { collectMetrics } from './metrics.ts'
import type { Project } from '../project.ts'
import { Series } from './series.ts'
import { shownJob, shownService, shownStatus } from '../api/shown.ts'
import type { Shown } from '../api/shown.ts'
import type { SlotReport } from '../../core/instance/report.ts'

export interface TelemetryReaderTools {
  readonly daemon: Daemon
  readonly clock: Clock
  readonly version: string
  readonly host: string
}

export class TelemetryReader {
  readonly #tools: TelemetryReaderTools
  readonly #series: Series

  constructor(tools: TelemetryReaderTools) {
    this.#tools = tools
    const { daemon, clock } = tools
    this.#series = new Series({
      world: {
        get reports() {
          return allReports(daemon)
        },
        serviceNames: () =>
          allProjects(daemon).flatMap((project) => project.world.serviceNames().map((name) => inAll(project, name))),
      },
      runtime: { usage: ({ slot, epoch }) => usageOf(daemon, slot, epoch) },
      clock,
      startedAt: daemon.describe().startedAt,
      readTraffic: () => this.#readTraffic(),
    })
  }

  async overview(shown: Shown): Promise<OverviewAnswer> {
    const { daemon, clock, version, host } = this.#tools
    await this.#series.look()
    const status = shownStatus(daemon, shown, false)
    const at = clock.wallTime()
    return {
      ...status,
      instances: status.instances.map((instance) => {
        const usage = this.#series.usageOf(nameInAll(shown, instance.slot))
        // Where nothing is probed, that it was just measured is the proof.
        const isSeen = usage !== null && instance.health === 'none' && instance.provenAt !== null
        const provenAt = isSeen ? at : instance.provenAt
        return { ...instance, provenAt, cpuCores: usage?.cpuCores ?? null, memoryBytes: usage?.memoryBytes ?? null }
      }),
      at,
      version,
      host,
      details: shown.projects.flatMap((project) => this.#details(shown, project)),
    }
  }

  async series(shown: Shown, since: number, named: readonly string[]): Promise<SeriesAnswer> {
    await this.#series.look()
    const answer = this.#series.read(
      since,
      named.map((name) => nameInAll(shown, name)),
    )
    return { ...answer, services: this.#own(shown, answer.services), slots: this.#own(shown, answer.slots) }
  }

  async metrics(shown: Shown): Promise<{ readonly contentType: string; readonly text: string }> {
    const { daemon, version } = this.#tools
    const traffic = await this.#readTraffic()
    const [only] = shown.projects
    const named = only === undefined || shown.isQualified ? [daemon.machine, ...shown.projects] : [only]
    return collectMetrics(
      named.map((project) => ({
        version,
        project: project === daemon.machine ? '' : project.id,
        // The only one that is shown speaks for the machine too.
        isOfMachine: project === named[0],
        status:
          project === daemon.machine
            ? daemon.status(project, false)
            : shownStatus(daemon, { projects: [project], isQualified: false }, false),
        eventCounts: this.#countsOf(project, named),
        usageOf: (slot, epoch) => (slot.startsWith('@') ? daemon.machine : project).runtime.usage({ slot, epoch }),
        traffic: ownTraffic(project, traffic),
        schedules: listSchedules(project),
      })),
    )
  }

  #countsOf(project: Project, shown: readonly Project[]): ReadonlyMap<string, number> {
    const { machine } = this.#tools.daemon
    if (project === machine || shown.includes(machine)) return project.eventCounts
    const counts = new Map(machine.eventCounts)
    for (const [kind, count] of project.eventCounts) counts.set(kind, (counts.get(kind) ?? 0) + count)
    return counts
  }

  /** By service, under its project's id. */
  async #readTraffic(): Promise<ReadonlyMap<ServiceName, PoolCounters> | null> {
    const { daemon } = this.#tools
    const observation = await daemon.traffic.observe()
    if (observation === null) return null
    const byId = new Map<ServiceName, PoolCounters>()
    for (const project of daemon.projects.list())
      for (const [name, counters] of observation.pools) {
        const own = ownPart(project.place, name)
        if (own !== null) byId.set(inAll(project, own), counters)
      }
    return byId
  }

  #details(shown: Shown, project: Project): readonly ServiceDetail[] {
    const config = project.world.project
    if (config === null) return []
    const jobs = new Map(listJobs(project).map((job) => [job.service, shownJob(shown, project, job)]))
    return config.services.map((service) => ({
      service: shownService(shown, project, service.name),
      runs: project.redact(describeProgram(service)),
      job: jobs.get(service.name) ?? null,
      traffic: this.#series.trafficOf(inAll(project, service.name)),
    }))
  }

  /** Of what is kept under the ids of all projects, what the view shows, by the names that it shows. */
  #own<Value>(shown: Shown, all: Readonly<Record<string, Value>>): Readonly<Record<string, Value>> {
    const [only] = shown.projects
    if (shown.isQualified || only === undefined) return all
    const own = Object.entries(all).flatMap(([name, value]): readonly (readonly [string, Value])[] => {
      const part = name.startsWith('@') ? name : ownPart(only.id, name)
      return part === null ? [] : [[part, value]]
    })
    return Object.fromEntries(own)
  }
}

const allProjects = (daemon: Daemon): readonly Project[] => [...daemon.projects.list(), daemon.machine]

/** As it is called where all projects are shown. */
const inAll = <Name extends string>(project: Project, name: Name): Name =>
  name.startsWith('@') ? name : (`${project.id}/${name}` as Name)

function nameInAll<Name extends string>({ projects, isQualified }: Shown, name: Name): Name {
  const [only] = projects
  return isQualified || only === undefined ? name : inAll(only, name)
}

function allReports(daemon: Daemon): ReadonlyMap<SlotId, Pick<SlotReport, 'slot' | 'occupant'>> {
  const reports = new Map<SlotId, Pick<SlotReport, 'slot' | 'occupant'>>()
  for (const project of allProjects(daemon))
    for (const { slot, occupant } of project.world.reports.values()) {
      const shown = inAll(project, slot)
      reports.set(shown, { slot: shown, occupant })
    }
  return reports
}

function usageOf(daemon: Daemon, slot: SlotId, epoch: Epoch): Usage | null {
  if (slot.startsWith('@')) return daemon.machine.runtime.usage({ slot, epoch })
  const project = daemon.projects.list().find(({ id }) => ownPart(id, slot) !== null)
  const own = project === undefined ? null : ownPart(project.id, slot)
  return project === undefined || own === null ? null : project.runtime.usage({ slot: own, epoch })
}

function ownTraffic(
  project: Project,
  traffic: ReadonlyMap<ServiceName, PoolCounters> | null,
): ReadonlyMap<ServiceName, PoolCounters> | null {
  if (traffic === null) return null
  const own = [...traffic].flatMap(([name, counters]) => {
    const part = ownPart(project.id, name)
    return part === null ? [] : [[part, counters] as const]
  })
  return new Map(own)
}

function describeProgram({ runs }: Service): string {
  const command = runs.command ?? []
  const [shell, flag, text] = command
  const words = shell === '/bin/sh' && flag === '-c' && text !== undefined ? text : command.join(' ')
  if (runs.kind === 'process') return words
  const { image } = runs
  const source = image.from === 'registry' ? image.reference : image.from === 'archive' ? image.path : image.context
  return words === '' ? source : `${source} ${words}`
}
