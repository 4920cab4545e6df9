/**
 * What a person will feel of a step: the gap, what stays, what is lost. How long a gap is, is learned from the starts and stops so far;
 * before the first, only what the config says is known: the soonest that an instance can count as ready, and the bound on stopping.
 */

import { formatDuration } from '../values/quantity.ts'
import { nameOfRoute } from '../keys/service/route.ts'
import type { Service } from '../model/service.ts'
import { medianOf, noTimes, type LearnedTimes } from './learned-times.ts'

/** `3 replicas`, `singleton`, `job`, `schedule 0 3 * * * Asia/Tokyo`. */
export function describeScale({ scale }: Service): string {
  if (scale.kind === 'schedule') return `schedule ${scale.schedule.cron} ${scale.schedule.timezone}`
  if (scale.kind !== 'replicas') return scale.kind
  return scale.count === 1 ? '1 replica' : `${scale.count} replicas`
}

/** How `before`, which runs, makes way for `after`. */
export function describeTransition(before: Service, after: Service, times: LearnedTimes = noTimes): string {
  const running = before.scale.kind === 'replicas' ? before.scale.count : 1
  const wanted = after.scale.kind === 'replicas' ? after.scale.count : 1
  if (running === 0 || wanted === 0) return 'no restart'
  const { surge, parallel, pauseMs } = after.update
  const batches = Math.min(running, wanted)
  const pause = pauseMs > 0 ? `, ${seconds(pauseMs)} between` : ''
  if (after.scale.kind === 'replicas' && after.update.order === 'start-first') {
    const pace = surge > 1 && batches > 1 ? `, ${Math.min(surge, batches)} at a time` : ''
    return `${describeCanary(before, after)}start-first${pace}${batches > 1 ? pause : ''}, no gap${describeDrain(before, batches)}`
  }
  const gap = describeGap(before, after, times)
  if (batches === 1) return `stop-first, gap ${gap}`
  const atATime = Math.max(1, Math.min(parallel, batches - (after.update.minHealthy ?? 0)))
  const pace = atATime === 1 ? 'one by one' : `${atATime} at a time`
  return `stop-first, ${pace}${pause}, each with a gap of ${gap}`
}

/** A stop that was never seen is bounded by the config; a start that was never seen takes at least until the first probe. */
function describeGap(before: Service, after: Service, times: LearnedTimes): string {
  const startMs = medianOf(times.startsMs)
  const stopMs = medianOf(times.stopsMs)
  if (startMs === null) return `at least ${seconds(readyAfterMs(after))}${describeEnd(before)}`
  if (stopMs === null) return `about ${roughly(startMs)} to start${describeEnd(before)}`
  return `about ${roughly(startMs + stopMs)} (as measured: ${roughly(stopMs)} to stop, ${roughly(startMs)} to start)`
}

/** The balancer has both to choose from only where the old one was reached through it. */
function describeCanary(before: Service, after: Service): string {
  const { canary } = after.update
  if (canary === null || before.routes.length === 0 || after.routes.length === 0) return ''
  return `${percent(canary.share)} of the requests for ${formatDuration(canary.forMs)}, then `
}

function describeDrain({ routes, update }: Service, running: number): string {
  if (routes.length === 0 || update.drainMs === 0) return ''
  return `; ${running === 1 ? 'the old one drains' : 'old ones drain'} up to ${seconds(update.drainMs)}`
}

/** What a gap has besides the start: an instance that drains gets no new requests. */
function describeEnd({ stop, routes, update }: Service): string {
  const parts = [
    ...(routes.length > 0 && update.drainMs > 0 ? [`${seconds(update.drainMs)} to drain`] : []),
    ...(stop.signal === 'SIGKILL' ? [] : [`${seconds(stop.gracePeriodMs)} to stop`]),
  ]
  return parts.length === 0 ? '' : ` plus at most ${parts.join(' and ')}`
}

/** The soonest that a new instance is called ready: its first probe's interval or, without probes, the time that it must have lived. */
function readyAfterMs({ health, update }: Service): number {
  const gate = health.startup ?? health.readiness ?? health.liveness
  return gate === null ? update.minReadyMs : gate.intervalMs
}

export function describeRemoval(service: Service): string | null {
  const { scale, stop, routes, update } = service
  if (scale.kind === 'job') return null
  const end = stop.signal === 'SIGKILL' ? 'stops at once' : `stops, within ${seconds(stop.gracePeriodMs)}`
  if (scale.kind === 'schedule') return `no further runs; one under way ${end}`
  return routes.length > 0 && update.drainMs > 0 ? `drains up to ${seconds(update.drainMs)}, then ${end}` : end
}

/** A change of a schedule: its runs are things of their own, each as it was when it began. */
export const fromTheNextRun = 'from the next run on; one under way is not cut'

/** Routes that lead nowhere afterwards, and volumes that are left behind. `after` is null for a removal; `routes` are all that will be. */
export function warnOfLoss(before: Service, after: Service | null, routes: ReadonlySet<string>): string | null {
  const lost = before.routes.map(nameOfRoute).filter((name) => !routes.has(name))
  const unserved = lost.length === 0 ? null : `nothing will answer at ${lost.join(', ')}`
  const kept = new Set(after?.volumes.map((volume) => volume.name))
  const stays = whatStays(before.volumes.map((volume) => volume.name).filter((name) => !kept.has(name)))
  return unserved === null || stays === null ? (unserved ?? stays) : `${unserved}; ${stays}`
}

function whatStays(names: readonly string[]): string | null {
  const quoted = names.map((name) => `'${name}'`).join(', ')
  if (names.length === 0) return null
  return names.length === 1 ? `volume ${quoted} stays` : `volumes ${quoted} stay`
}

const seconds = (durationMs: number): string => `${durationMs / 1000} s`
/** Two digits: more would promise what an estimate cannot keep. */
const roughly = (durationMs: number): string => `${Number((Math.max(durationMs, 10) / 1000).toPrecision(2))} s`
const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`
