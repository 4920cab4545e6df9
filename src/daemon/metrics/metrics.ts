/** The daemon's world as samples of the families in `metric-families.ts`. Collected when it is asked for; only events are counted along. */

import type { Epoch, ServiceName, SlotId } from '../../core/model/id.ts'
import type { RecordedEvent } from '../../core/model/event.ts'
import type { SlotState } from '../../core/model/status.ts'
import type { PoolCounters } from '../../ports/traffic/balancer.ts'
import type { Usage } from '../../ports/runtime/runtime.ts'
import type { InstanceStatus, ServiceStatus, StatusAnswer } from '../../protocol/api.ts'
import { openMetricsType, renderOpenMetrics, unixSeconds } from '../../protocol/open-metrics.ts'
import type { MetricFamily, Sample } from '../../protocol/open-metrics.ts'
import { families, type MetricName } from './metric-families.ts'

/** Of one project, or of the machine's own part. */
export interface MetricSources {
  readonly version: string
  /** The label of every sample; empty for the machine's own part. */
  readonly project: string
  /** Whether the samples of the daemon itself are told with it. */
  readonly isOfMachine: boolean
  readonly status: StatusAnswer
  readonly eventCounts: ReadonlyMap<string, number>
  readonly usageOf: (slot: SlotId, epoch: Epoch) => Usage | null
  readonly traffic: ReadonlyMap<ServiceName, PoolCounters> | null
  readonly schedules: readonly ScheduleFacts[]
}

export interface ScheduleFacts {
  readonly service: ServiceName
  /** Runs that were ever let in. */
  readonly runs: number
  readonly running: number
  readonly queued: number
  readonly nextAt: string | null
  readonly lastSuccessAt: string | null
  /** Null before the first has ended. */
  readonly isLastGood: boolean | null
}

export function collectMetrics(parts: readonly MetricSources[]): { readonly contentType: string; readonly text: string } {
  const exposition = new Exposition()
  for (const sources of parts) {
    exposition.project = sources.project
    if (sources.isOfMachine) addDaemon(exposition, sources)
    addProject(exposition, sources)
    for (const service of sources.status.services) addService(exposition, service)
    for (const instance of sources.status.instances) addInstance(exposition, instance, sources)
    for (const [service, counters] of sources.traffic ?? []) addTraffic(exposition, service, counters)
    for (const schedule of sources.schedules) addSchedule(exposition, schedule)
  }
  return { contentType: openMetricsType, text: exposition.render() }
}

/** Counts events from now on. Their kinds are bounded: only the daemon emits events. */
export function countEvents(follow: (follower: (event: RecordedEvent) => void) => void): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  follow(({ kind }) => counts.set(kind, (counts.get(kind) ?? 0) + 1))
  return counts
}

class Exposition {
  project = ''
  readonly #samples = new Map<MetricName, Sample[]>()

  add(name: MetricName, value: number, labels: Sample['labels'] = {}): void {
    const samples = this.#samples.get(name) ?? []
    samples.push({ labels: { project: this.project, ...labels }, value })
    this.#samples.set(name, samples)
  }

  render(): string {
    const all = Object.entries(families) as [MetricName, MetricFamily][]
    return renderOpenMetrics(all.map(([name, family]) => ({ family, samples: this.#samples.get(name) ?? [] })))
  }
}

function addDaemon(exposition: Exposition, { version, status: { daemon } }: MetricSources): void {
  exposition.add('build', 1, { version })
  exposition.add('daemonStart', unixSeconds(daemon.startedAt))
  exposition.add('daemonMemory', daemon.memoryBytes)
  exposition.add('daemonOk', daemon.condition === null ? 1 : 0)
}

function addProject(exposition: Exposition, { status, eventCounts }: MetricSources): void {
  const { operation } = status
  exposition.add('revision', status.revision)
  exposition.add('operation', operation === null ? 0 : 1)
  if (operation !== null) exposition.add('operationStart', unixSeconds(operation.startedAt), { kind: operation.kind })
  for (const [kind, count] of eventCounts) exposition.add('events', count, { kind })
}

function addService(exposition: Exposition, status: ServiceStatus): void {
  const { service, kind, guarantee, desired, ready, stoppedByHand, gap } = status
  exposition.add('service', 1, { service, kind, guarantee })
  exposition.add('desired', desired, { service })
  exposition.add('ready', ready, { service })
  exposition.add('stopped', stoppedByHand ? 1 : 0, { service })
  if (gap !== null) exposition.add('worstGap', gap.worstMs / 1000, { service })
}

const states: readonly SlotState[] = [
  'pending',
  'starting',
  'running',
  'stopping',
  'backing-off',
  'crash-looping',
  'stopped',
  'blocked',
  'completed',
  'failed',
]

function addInstance(exposition: Exposition, instance: InstanceStatus, { usageOf }: MetricSources): void {
  const { service, slot, state, health, restarts, epoch, pid, startedAt } = instance
  const labels = { service, slot }
  const isUp = pid !== null
  exposition.add('up', isUp ? 1 : 0, labels)
  for (const each of states) exposition.add('state', each === state ? 1 : 0, { ...labels, [families.state.name]: each })
  if (health !== 'none') exposition.add('healthy', health === 'healthy' ? 1 : 0, labels)
  exposition.add('restarts', restarts, labels)
  if (epoch !== null) exposition.add('epoch', epoch, labels)
  if (startedAt !== null) exposition.add('instanceStart', unixSeconds(startedAt), labels)
  const usage = isUp && epoch !== null ? usageOf(slot, epoch) : null
  if (usage === null) return
  exposition.add('cpu', usage.cpuSeconds, labels)
  exposition.add('memory', usage.memoryBytes, labels)
}

function addTraffic(exposition: Exposition, service: ServiceName, counters: PoolCounters): void {
  const labels = { service }
  exposition.add('requests', counters.requests, labels)
  exposition.add('failed', counters.failed, labels)
  exposition.add('retried', counters.retried, labels)
  for (const [group, count] of Object.entries(counters.responses)) exposition.add('responses', count, { service, class: group })
  exposition.add('bytesIn', counters.bytesIn, labels)
  exposition.add('bytesOut', counters.bytesOut, labels)
  exposition.add('active', counters.active, labels)
  exposition.add('queued', counters.queued, labels)
  if (counters.latencyMs === null) return
  exposition.add('latencyMean', counters.latencyMs.mean / 1000, labels)
  exposition.add('latencyMax', counters.latencyMs.max / 1000, labels)
}

function addSchedule(exposition: Exposition, schedule: ScheduleFacts): void {
  const { service, runs, running, queued, nextAt, lastSuccessAt, isLastGood } = schedule
  const labels = { service }
  exposition.add('runs', runs, labels)
  exposition.add('running', running, labels)
  exposition.add('queuedRuns', queued, labels)
  if (nextAt !== null) exposition.add('nextTick', unixSeconds(nextAt), labels)
  if (lastSuccessAt !== null) exposition.add('lastSuccess', unixSeconds(lastSuccessAt), labels)
  if (isLastGood !== null) exposition.add('lastGood', isLastGood ? 1 : 0, labels)
}
