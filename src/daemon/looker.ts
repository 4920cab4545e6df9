/** What is looked at from outside: the page's overview, its plots, and the metrics. It reads the daemon and changes nothing in it. */

import type { ServiceName } from '../core/model/id.ts'
import type { Project, Service } from '../core/model/service.ts'
import type { PoolCounters } from '../ports/balancer.ts'
import type { Clock } from '../ports/clock.ts'
import type { Runtime } from '../ports/runtime.ts'
import type { OverviewAnswer, SeriesAnswer, ServiceDetail } from '../protocol/api.ts'
import type { Daemon } from './daemon.ts'
import { listJobs, tellSchedules } from './jobs.ts'
import { collectMetrics, countEvents } from './metrics.ts'
import { Series } from './series.ts'

export interface LookerTools {
  readonly daemon: Daemon
  readonly runtime: Pick<Runtime, 'usage'>
  readonly clock: Clock
  readonly version: string
  readonly host: string
  /** What the balancer has counted, by routed service; null where there is none. Never rejects. */
  readonly readTraffic: () => Promise<ReadonlyMap<ServiceName, PoolCounters> | null>
}

export class Looker {
  readonly #tools: LookerTools
  readonly #series: Series
  readonly #eventCounts: ReadonlyMap<string, number>

  constructor(tools: LookerTools) {
    this.#tools = tools
    const { daemon, runtime, clock, readTraffic } = tools
    const { startedAt } = daemon.status(false).daemon
    this.#series = new Series({ world: daemon.project.world, runtime, clock, startedAt, readTraffic })
    this.#eventCounts = countEvents((follower) => daemon.project.events.follow(follower))
  }

  async overview(): Promise<OverviewAnswer> {
    const { daemon, clock, version, host } = this.#tools
    await this.#series.look()
    const status = daemon.status(false)
    const at = clock.wallTime()
    return {
      ...status,
      instances: status.instances.map((instance) => {
        const usage = this.#series.usageOf(instance.slot)
        // Where nothing is probed, that it was just measured is the proof.
        const isSeen = usage !== null && instance.health === 'none' && instance.provenAt !== null
        const provenAt = isSeen ? at : instance.provenAt
        return { ...instance, provenAt, cpuCores: usage?.cpuCores ?? null, memoryBytes: usage?.memoryBytes ?? null }
      }),
      at,
      version,
      host,
      details: this.#details(daemon.project.world.project),
    }
  }

  async series(since: number, named: readonly string[]): Promise<SeriesAnswer> {
    await this.#series.look()
    return this.#series.read(since, named)
  }

  async metrics(): Promise<{ readonly contentType: string; readonly text: string }> {
    const { daemon, runtime, version, readTraffic } = this.#tools
    const traffic = await readTraffic()
    return collectMetrics({
      version,
      status: daemon.status(false),
      eventCounts: this.#eventCounts,
      usageOf: (slot, epoch) => runtime.usage({ slot, epoch }),
      traffic,
      schedules: tellSchedules(daemon.project),
    })
  }

  #details(project: Project | null): readonly ServiceDetail[] {
    if (project === null) return []
    const { daemon } = this.#tools
    const jobs = new Map(listJobs(daemon.project).map((job) => [job.service, job]))
    return project.services.map((service) => ({
      service: service.name,
      runs: daemon.project.redact(describeProgram(service)),
      job: jobs.get(service.name) ?? null,
      traffic: this.#series.trafficOf(service.name),
    }))
  }
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
