/**
 * A slot in the words of `status`. Derived each time and never stored, so that the words cannot disagree with the state.
 */

import { comesToAnEnd } from '../model/service.ts'
import type { HealthState, SlotState } from '../model/status.ts'
import { hasProbes, lastDetail } from './health.ts'
import type { Ending, InstanceSpec, Slot, Starting } from './slot.ts'
import { isGateOpen } from './step.ts'

export interface SlotDescription {
  readonly state: SlotState
  readonly health: HealthState
  readonly isReady: boolean
  readonly reason: string | null
}

export function describeSlot(slot: Slot, nowMs: number): SlotDescription {
  const at = slot.occupancy
  switch (at.kind) {
    case 'vacant':
      return { ...describeVacancy(slot, nowMs), health: 'none', isReady: false }
    case 'starting': {
      const state = isCrashLooping(slot, at.spec) ? 'crash-looping' : 'starting'
      return { state, health: 'none', isReady: false, reason: describeDelay(at, nowMs) ?? slot.lastFailure }
    }
    case 'ending':
      return {
        state: at.stuck === null ? 'stopping' : 'blocked',
        health: 'none',
        isReady: false,
        reason: at.stuck ?? (at.drain === null ? at.cause : `draining${formatInFlight(at.drain.underWay)}`),
      }
    case 'live': {
      const { health: probes } = at.spec.service
      const { isReady, isUp } = at.health
      const hasCome = isReady || isUp || comesToAnEnd(at.spec.service)
      const state: SlotState = hasCome ? 'running' : isCrashLooping(slot, at.spec) ? 'crash-looping' : 'starting'
      const health: HealthState = !hasProbes(probes) ? 'none' : isReady ? 'healthy' : isUp ? 'unhealthy' : 'starting'
      return { state, health, isReady, reason: isReady ? null : (lastDetail(probes, at.health) ?? slot.lastFailure) }
    }
  }
}

function formatInFlight(requests: number | null): string {
  if (requests === null) return ''
  return requests === 1 ? ', 1 request under way' : `, ${requests} requests in flight`
}

/** Also while it tries once more: until a try has come so far as to be ready, it is one of many. */
function isCrashLooping(slot: Slot, spec: InstanceSpec): boolean {
  return slot.failuresInARow > spec.service.restart.budget
}

/** Whether what it is to run has failed in it, and has not lived since for as long as it takes to be forgiven. */
export function isFlapping({ occupancy: at, failuresInARow }: Slot, nowMs: number): boolean {
  if (at.kind === 'ending' && at.atFault) return true
  return failuresInARow > 0 && (at.kind !== 'live' || nowMs < at.sinceMs + at.spec.service.restart.resetAfterMs)
}

/** Longer than any start takes that needs not wait. */
const quickStartMs = 2000

function describeDelay(at: Starting, nowMs: number): string | null {
  if (nowMs - at.sinceMs < quickStartMs) return null
  return at.spawnedMs === null
    ? 'its start is being prepared: many start at once, or the disk is slow'
    : 'its keeper has not reported yet'
}

/**
 * Whether nothing about the slot has changed that anybody outside it decides by. A probe that says the same as before is no news, and with
 * fifty of them a second it must not make everybody look.
 */
export function isSameOutside(before: Slot, after: Slot): boolean {
  if (before.occupancy.kind !== after.occupancy.kind || before.goal !== after.goal || before.outcome !== after.outcome)
    return false
  if (before.obstacle !== after.obstacle || before.gate !== after.gate || before.notBeforeMs !== after.notBeforeMs) return false
  if (before.occupancy.kind === 'ending' && after.occupancy.kind === 'ending')
    return isSameEnding(before.occupancy, after.occupancy)
  if (before.occupancy.kind !== 'live' || after.occupancy.kind !== 'live') return before.occupancy === after.occupancy
  const { health: was } = before.occupancy
  const { health: is } = after.occupancy
  return before.occupancy.epoch === after.occupancy.epoch && was.isReady === is.isReady && was.isUp === is.isUp
}

/** How many requests a draining one has yet is told to people, and nobody decides by it. */
function isSameEnding(before: Ending, after: Ending): boolean {
  return (
    before === after || (before.epoch === after.epoch && before.drain?.untilMs === after.drain?.untilMs && before.drain !== null)
  )
}

function describeVacancy(slot: Slot, nowMs: number): { readonly state: SlotState; readonly reason: string | null } {
  if (slot.goal.kind === 'stopped') return { state: 'stopped', reason: slot.goal.because }
  const { spec } = slot.goal
  if (slot.outcome !== null && slot.outcome.identity === spec.identity)
    return { state: slot.outcome.kind, reason: slot.lastFailure }
  if (slot.obstacle !== null) {
    const state = slot.obstacle.kind === 'no-space' || slot.obstacle.kind === 'not-startable' ? 'pending' : 'blocked'
    return { state, reason: slot.obstacle.message }
  }
  if (!isGateOpen(slot)) return { state: 'pending', reason: slot.gate.because }
  if (nowMs < slot.notBeforeMs) {
    return { state: isCrashLooping(slot, spec) ? 'crash-looping' : 'backing-off', reason: slot.lastFailure }
  }
  return { state: 'pending', reason: null }
}
