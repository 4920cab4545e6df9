/**
 * What a person will feel of a step: the gap, what stays, what is lost. The estimate is what the config says and no more: the
 * time until a new instance can count as ready, and the bound on stopping the old one. What the program needs to start is its own.
 */

import type { Service } from '../model/service.ts'

/** `3 replicas`, `singleton`, `job`. */
export function describeScale({ scale }: Service): string {
  if (scale.kind !== 'replicas') return scale.kind
  return scale.count === 1 ? '1 replica' : `${scale.count} replicas`
}

/** How `before`, which runs, makes way for `after`. */
export function describeTransition(before: Service, after: Service): string {
  const running = before.scale.kind === 'replicas' ? before.scale.count : 1
  const wanted = after.scale.kind === 'replicas' ? after.scale.count : 1
  if (running === 0 || wanted === 0) return 'no restart'
  if (after.scale.kind === 'replicas' && after.update.order === 'start-first') return 'start-first, no gap'
  const { signal, gracePeriodMs } = before.stop
  const gap = `about ${seconds(readyAfterMs(after))}${signal === 'SIGKILL' ? '' : ` plus at most ${seconds(gracePeriodMs)} to stop`}`
  return Math.min(running, wanted) === 1 ? `stop-first, gap ${gap}` : `stop-first, one by one, each with a gap of ${gap}`
}

/** The soonest that a new instance is called ready: its first probe's interval or, without probes, the time that it must have lived. */
function readyAfterMs({ health, update }: Service): number {
  const gate = health.startup ?? health.readiness ?? health.liveness
  return gate === null ? update.minReadyMs : gate.intervalMs
}

export function describeRemoval({ scale, stop }: Service): string | null {
  if (scale.kind === 'job') return null
  return stop.signal === 'SIGKILL' ? 'stops at once' : `stops, within ${seconds(stop.gracePeriodMs)}`
}

export function warnOfRemoval({ volumes }: Service): string | null {
  return whatStays(volumes.map((volume) => volume.name))
}

/** Volumes that a change leaves behind. */
export function warnOfVolumes(before: Service, after: Service): string | null {
  const kept = new Set(after.volumes.map((volume) => volume.name))
  return whatStays(before.volumes.map((volume) => volume.name).filter((name) => !kept.has(name)))
}

function whatStays(names: readonly string[]): string | null {
  const quoted = names.map((name) => `'${name}'`).join(', ')
  if (names.length === 0) return null
  return names.length === 1 ? `volume ${quoted} stays` : `volumes ${quoted} stay`
}

const seconds = (durationMs: number): string => `${durationMs / 1000} s`
