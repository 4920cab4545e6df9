/**
 * What an instance's probes have shown so far. Liveness does not count before the first success of the probe that decides
 * start-up: a slow starter is given its start period, not killed for being slow. Before that first success probes come quickly
 * (50 ms, doubling up to their interval), so that a fast service is ready in milliseconds whatever its interval.
 */

import type { Check, Health, Probe } from '../model/service.ts'
import { canonicalJson } from '../model/service.ts'

export type ProbeName = 'startup' | 'readiness' | 'liveness'

export interface ProbeWatch {
  readonly nextAtMs: number
  /** Since when an answer is awaited; null when none is under way. */
  readonly askedAtMs: number | null
  readonly failuresInARow: number
  readonly lastDetail: string | null
}

export interface HealthWatch {
  /** The probe that decides start-up has succeeded once, or there is no probe and the instance has lived long enough. */
  readonly isUp: boolean
  readonly isReady: boolean
  readonly provenAtMs: number | null
  readonly probes: Readonly<Partial<Record<ProbeName, ProbeWatch>>>
  /** The pause before the next probe while not up yet. */
  readonly eagerDelayMs: number
}

export interface ProbeOrder {
  readonly probes: readonly ProbeName[]
  readonly check: Check
  readonly timeoutMs: number
}

/** What an answer means for the instance, beyond the numbers in the watch. */
export type Verdict = 'none' | 'became-ready' | 'became-unready' | 'not-alive'

const firstEagerDelayMs = 50

/** Steady probes of a second or more meet on common ticks: fifty in one turn of the loop cost a quarter of fifty turns. */
const tickMs = 250

export function beginWatch(health: Health, nowMs: number): HealthWatch {
  const first = { nextAtMs: nowMs, askedAtMs: null, failuresInARow: 0, lastDetail: null }
  const probes: Partial<Record<ProbeName, ProbeWatch>> = {}
  for (const name of probeNames) if (health[name] !== null) probes[name] = first
  return { isUp: false, isReady: false, provenAtMs: null, probes, eagerDelayMs: firstEagerDelayMs }
}

/** The same instance under other probes: they begin from nothing, what it has already proven stays. */
export function adaptWatch(watch: HealthWatch, before: Health, health: Health, sinceMs: number): HealthWatch {
  if (canonicalJson(before) === canonicalJson(health)) return watch
  const { isUp, provenAtMs } = watch
  // Without probes nothing could ever make it ready again.
  const isReady = hasProbes(health) ? watch.isReady : isUp
  return { ...beginWatch(health, sinceMs), isUp, isReady, provenAtMs }
}

export const hasProbes = (health: Health): boolean => startupDecider(health) !== null

/** The probe whose first success means "up". */
export function startupDecider(health: Health): ProbeName | null {
  return probeNames.find((name) => health[name] !== null) ?? null
}

/** Whether the probes have said anything that counts: a success, or so many failures that it is not just one that got lost. */
export function hasAnswered(health: Health, watch: HealthWatch): boolean {
  const decider = startupDecider(health)
  if (watch.isUp || decider === null) return true
  return (watch.probes[decider]?.failuresInARow ?? 0) >= (health[decider]?.retries ?? 1)
}

/** Probes that are due now; one order serves readiness and liveness where they check the same thing at the same time. */
export function dueProbes(health: Health, watch: HealthWatch, nowMs: number): readonly ProbeOrder[] {
  const due = activeProbes(health, watch).filter((name) => {
    const state = watch.probes[name]
    return state !== undefined && state.askedAtMs === null && state.nextAtMs <= nowMs
  })
  const orders: ProbeOrder[] = []
  for (const name of due) {
    const probe = probeOf(health, name)
    const twin = orders.find((order) => canonicalJson(order.check) === canonicalJson(probe.check))
    if (twin === undefined) orders.push({ probes: [name], check: probe.check, timeoutMs: probe.timeoutMs })
    else
      orders[orders.indexOf(twin)] = {
        ...twin,
        probes: [...twin.probes, name],
        timeoutMs: Math.max(twin.timeoutMs, probe.timeoutMs),
      }
  }
  return orders
}

export function markAsked(watch: HealthWatch, names: readonly ProbeName[], nowMs: number): HealthWatch {
  const probes = { ...watch.probes }
  for (const name of names) {
    const state = probes[name]
    if (state !== undefined) probes[name] = { ...state, askedAtMs: nowMs }
  }
  return { ...watch, probes }
}

/** Takes an answer in. When several probes shared it, the gravest verdict is returned. */
export function answer(
  health: Health,
  watch: HealthWatch,
  given: { readonly probes: readonly ProbeName[]; readonly ok: boolean; readonly detail: string; readonly nowMs: number },
): { readonly watch: HealthWatch; readonly verdict: Verdict } {
  const wasUp = watch.isUp
  const decider = startupDecider(health)
  const isUp = wasUp || (given.ok && decider !== null && given.probes.includes(decider))
  const eagerDelayMs = isUp ? firstEagerDelayMs : watch.eagerDelayMs * 2
  const probes = { ...watch.probes }
  let isReady = watch.isReady
  let notAlive = false
  // The answer that ends start-up speaks for every probe that asks the same: from here on they go in step, as one request.
  const speaksFor = isUp && !wasUp && decider !== null ? probesLike(health, probeOf(health, decider).check) : given.probes
  for (const name of speaksFor) {
    const state = probes[name]
    if (state === undefined || health[name] === null) continue
    const probe = probeOf(health, name)
    const failuresInARow = given.ok ? 0 : state.failuresInARow + 1
    const nextAtMs = isUp
      ? nextTick(given.nowMs + probe.intervalMs, probe.intervalMs)
      : given.nowMs + Math.min(watch.eagerDelayMs, probe.intervalMs)
    probes[name] = { nextAtMs, askedAtMs: null, failuresInARow, lastDetail: given.detail }
    if (name === 'readiness') isReady = given.ok ? isUp : isReady && failuresInARow < probe.retries
    if (name === 'liveness') notAlive = wasUp && failuresInARow >= probe.retries
  }
  if (isUp && health.readiness === null) isReady = true
  const next: HealthWatch = { isUp, isReady, provenAtMs: given.ok ? given.nowMs : watch.provenAtMs, probes, eagerDelayMs }
  if (notAlive) return { watch: next, verdict: 'not-alive' }
  if (isReady && !watch.isReady) return { watch: next, verdict: 'became-ready' }
  if (!isReady && watch.isReady) return { watch: next, verdict: 'became-unready' }
  return { watch: next, verdict: 'none' }
}

/** When the next probe is due; null while every active one is under way or there is none. */
export function nextProbeAtMs(health: Health, watch: HealthWatch): number | null {
  let next: number | null = null
  for (const name of activeProbes(health, watch)) {
    const state = watch.probes[name]
    if (state === undefined || state.askedAtMs !== null) continue
    if (next === null || state.nextAtMs < next) next = state.nextAtMs
  }
  return next
}

/** The last answer of the probe that matters most now, for people. */
export function lastDetail(health: Health, watch: HealthWatch): string | null {
  const worst = activeProbes(health, watch).find((name) => (watch.probes[name]?.failuresInARow ?? 0) > 0)
  return worst === undefined ? null : (watch.probes[worst]?.lastDetail ?? null)
}

const probeNames: readonly ProbeName[] = ['startup', 'readiness', 'liveness']

function nextTick(atMs: number, intervalMs: number): number {
  return intervalMs < 1000 ? atMs : Math.round(atMs / tickMs) * tickMs
}

function probesLike(health: Health, check: Check): readonly ProbeName[] {
  return probeNames.filter((name) => health[name] !== null && canonicalJson(health[name].check) === canonicalJson(check))
}

/** Before start-up only its decider runs (with its twin, so that the two stay in step); afterwards the other two. */
function activeProbes(health: Health, watch: HealthWatch): readonly ProbeName[] {
  if (watch.isUp) return probeNames.filter((name) => name !== 'startup' && health[name] !== null)
  const decider = startupDecider(health)
  return decider === null ? [] : [decider]
}

function probeOf(health: Health, name: ProbeName): Probe {
  const probe = health[name]
  if (probe === null) throw new Error(`no ${name} probe`)
  return probe
}
