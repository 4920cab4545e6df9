/**
 * How an instance leaves: first it drains, where a balancer may have sent it requests; then the signal; after the grace period the kill of
 * everything in it. Only who leaves for no fault of its own drains: one that hangs or is dead would keep its requests waiting for nothing.
 * A drain has a limit, so that one request without an end keeps nothing from changing.
 */

import { emit } from './emit.ts'
import type { Ending, Live, Slot, SlotAction, SlotEvent, StopUnderWay } from './slot.ts'

/** How long a slot waits before it tries again what the world refused. */
export const obstacleRetryMs: number = 1000

/** A keeper reports within milliseconds; one that is silent for this long is stopped or stuck, and is ended. */
export const startLimitMs: number = 15_000

/** Begins the end of a live instance. */
export function end(slot: Slot, why: { cause: string; atFault: boolean; nowMs: number }, actions: SlotAction[]): Slot {
  const at = slot.occupancy
  if (at.kind !== 'live') return slot
  const { stop, routes, update } = at.spec.service
  const mustDrain = !why.atFault && routes.length > 0 && update.drainMs > 0
  const ending: Ending = {
    kind: 'ending',
    epoch: at.epoch,
    spec: at.spec,
    pid: at.pid,
    startedAt: at.startedAt,
    startedMs: at.sinceMs,
    cause: why.cause,
    atFault: why.atFault,
    drain: mustDrain ? { untilMs: why.nowMs + update.drainMs, underWay: null } : null,
    graceMs: stop.gracePeriodMs,
    killAtMs: why.nowMs + stop.gracePeriodMs,
    killed: false,
    stuck: null,
  }
  const occupancy = mustDrain ? ending : askToStop(ending, why.nowMs, actions)
  if (mustDrain) emit(actions, 'draining', at.epoch, 'gets no new requests and finishes those in flight', why.cause)
  return { ...slot, occupancy, lastFailure: why.atFault ? why.cause : slot.lastFailure }
}

/** The end that an earlier daemon began: the rest of its time, and the signal only where that has not gone out. */
export function resumeEnd(at: Live, stop: StopUnderWay, nowMs: number, actions: SlotAction[]): Ending {
  const { epoch, spec, pid, startedAt, sinceMs } = at
  const ending: Ending = {
    kind: 'ending',
    epoch,
    spec,
    pid,
    startedAt,
    startedMs: sinceMs,
    cause: 'an earlier daemon was stopping it',
    atFault: stop.isAtFault,
    drain: null,
    graceMs: stop.leftMs,
    isResumed: true,
    killAtMs: nowMs + stop.leftMs,
    killed: false,
    stuck: null,
  }
  return stop.isSent ? ending : askToStop(ending, nowMs, actions)
}

/** The signal now, the kill after the grace period. */
function askToStop(ending: Ending, nowMs: number, actions: SlotAction[]): Ending {
  const { signal, to } = ending.spec?.service.stop ?? ({ signal: 'SIGTERM', to: 'leader' } as const)
  emit(actions, 'stopping', ending.epoch, `asked to stop with ${signal}`, ending.cause)
  actions.push({ kind: 'signal', epoch: ending.epoch, signal, to })
  return { ...ending, drain: null, killAtMs: nowMs + ending.graceMs }
}

/** A silent keeper is ended like an instance that ignored its signal; the kill itself follows with the next look. */
export function giveUpStart(slot: Slot, at: Extract<Slot['occupancy'], { kind: 'starting' }>, nowMs: number): Slot {
  const cause = `its keeper did not report within ${startLimitMs / 1000} s`
  const { epoch, spec } = at
  const silent = { kind: 'ending', epoch, spec, pid: null, startedAt: null, startedMs: at.sinceMs, cause, atFault: true } as const
  return {
    ...slot,
    occupancy: { ...silent, drain: null, graceMs: 0, killAtMs: nowMs, killed: false, stuck: null },
    lastFailure: cause,
  }
}

/** When what is leaving wants to be looked at again, unless something happens before. */
export function endingWakeMs(at: Ending): number | null {
  if (at.drain !== null) return at.drain.untilMs
  return at.killed ? null : at.killAtMs
}

export function moveEnding(slot: Slot, at: Ending, nowMs: number, actions: SlotAction[]): Slot {
  if (at.drain === null) return killIfDue(slot, at, nowMs, actions)
  const isDrained = at.drain.underWay === 0
  if (!isDrained && nowMs < at.drain.untilMs) return slot
  if (!isDrained) {
    const left =
      at.drain.underWay === null ? 'its requests in flight are not known' : `${at.drain.underWay} requests still in flight`
    emit(actions, 'draining', at.epoch, 'the drain timed out', left)
  }
  return { ...slot, occupancy: askToStop(at, nowMs, actions) }
}

function killIfDue(slot: Slot, at: Ending, nowMs: number, actions: SlotAction[]): Slot {
  if (at.killed || nowMs < at.killAtMs) return slot
  if (at.stuck === null) {
    emit(actions, 'killed', at.epoch, 'killing all of its processes', causeOfKill(at))
  }
  actions.push({ kind: 'kill', epoch: at.epoch })
  return { ...slot, occupancy: { ...at, killed: true } }
}

function causeOfKill({ cause, graceMs, isResumed }: Ending): string {
  if (isResumed) return `${cause}, and the rest of its time is over`
  return graceMs === 0 ? cause : `still there after ${graceMs / 1000} s`
}

export function takeUnderWay(slot: Slot, event: Extract<SlotEvent, { kind: 'under-way' }>): Slot {
  const at = slot.occupancy
  if (at.kind !== 'ending' || at.epoch !== event.epoch || at.drain === null || at.drain.underWay === event.requests) return slot
  return { ...slot, occupancy: { ...at, drain: { ...at.drain, underWay: event.requests } } }
}

/** What the kernel cannot end now (a process in uninterruptible sleep) may end later: the kill is tried again. */
export function takeStuck(slot: Slot, event: Extract<SlotEvent, { kind: 'stuck' }>, nowMs: number, actions: SlotAction[]): Slot {
  const at = slot.occupancy
  if (at.kind !== 'ending' || at.epoch !== event.epoch) return slot
  if (at.stuck === null) emit(actions, 'blocked', at.epoch, event.message, at.cause)
  return { ...slot, occupancy: { ...at, stuck: event.message, killed: false, killAtMs: nowMs + obstacleRetryMs } }
}

export function takeHangs(slot: Slot, event: Extract<SlotEvent, { kind: 'hangs' }>, nowMs: number, actions: SlotAction[]): Slot {
  const at = slot.occupancy
  if (at.kind !== 'live' || at.epoch !== event.epoch) return slot
  emit(actions, 'unhealthy', at.epoch, event.message, null)
  return end(slot, { cause: event.message, atFault: true, nowMs }, actions)
}
