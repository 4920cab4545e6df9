/**
 * One slot's next move: `(slot, event, now) → slot and actions`. This is the only place that decides to start, stop or kill an
 * instance. A start is ordered only from a vacant slot, and a slot becomes vacant only by the runtime's word that the epoch is
 * gone (or never began): everything else about "never twice" rests on that one sentence.
 */

import type { Epoch } from '../model/id.ts'
import { asEpoch, composeEpoch } from '../model/id.ts'
import { comesToAnEnd } from '../model/service.ts'
import type { Exit } from '../model/status.ts'
import { explainExit, describeExit } from '../model/status.ts'
import { backoffMs, countFailure } from './backoff.ts'
import {
  end,
  endingWakeMs,
  giveUpStart,
  moveEnding,
  obstacleRetryMs,
  resumeEnd,
  startLimitMs,
  takeHangs,
  takeStuck,
  takeUnderWay,
} from './ending.ts'
import { adaptWatch, answer, beginWatch, dueProbes, hasProbes, lastDetail, markAsked, nextProbeAtMs } from './health.ts'
import { emit, isSuccess, kindOfEnd, whyStarted } from './emit.ts'
import type { InstanceSpec, Live, Slot, SlotAction, SlotEvent, StartObstacle, StopUnderWay } from './slot.ts'

export interface SlotStep {
  readonly slot: Slot
  readonly actions: readonly SlotAction[]
}

/** `nowMs` is the monotonic clock; it must not go back between calls. */
export function stepSlot(before: Slot, event: SlotEvent, nowMs: number): SlotStep {
  const actions: SlotAction[] = []
  const noted = takeIn(before, event, nowMs, actions)
  return { slot: moveOn(noted, nowMs, actions), actions }
}

/** When the slot wants a `tick`; null when only an event can move it. */
export function nextWakeMs(slot: Slot): number | null {
  const at = slot.occupancy
  switch (at.kind) {
    case 'vacant':
      return wantsStart(slot) && isGateOpen(slot) ? slot.notBeforeMs : null
    case 'starting':
      return at.spawnedMs === null ? null : at.spawnedMs + startLimitMs
    case 'ending':
      return endingWakeMs(at)
    case 'live': {
      const { health, update } = at.spec.service
      const nextProbe = nextProbeAtMs(health, at.health)
      if (at.health.isUp) return nextProbe
      const limit = at.sinceMs + (hasProbes(health) ? health.startPeriodMs : update.minReadyMs)
      return nextProbe === null ? limit : Math.min(nextProbe, limit)
    }
  }
}

// Taking in what the world says -------------------------------------------------------------------------------------

function takeIn(slot: Slot, event: SlotEvent, nowMs: number, actions: SlotAction[]): Slot {
  switch (event.kind) {
    case 'goal':
      return takeGoal(slot, event.goal)
    case 'gate':
      return { ...slot, gate: { open: event.open, because: event.because } }
    case 'found':
      return takeFound(slot, event, nowMs, actions)
    case 'found-ended':
      return takeFoundEnded(slot, event, nowMs, actions)
    case 'spawned':
      return takeSpawned(slot, event.epoch, nowMs)
    case 'started':
      return takeStarted(slot, event, nowMs, actions)
    case 'refused':
      return isOccupiedBy(slot, event.epoch) ? takeRefused(slot, event.refusal, { nowMs, jitter: event.jitter }, actions) : slot
    case 'gone':
      return isOccupiedBy(slot, event.epoch) ? takeGone(slot, event.exit, { nowMs, jitter: event.jitter }, actions) : slot
    case 'probed':
      return takeProbed(slot, event, nowMs, actions)
    case 'stuck':
      return takeStuck(slot, event, nowMs, actions)
    case 'hangs':
      return takeHangs(slot, event, nowMs, actions)
    case 'under-way':
      return takeUnderWay(slot, event)
    case 'tick':
      return slot
  }
}

/** A new identity forgives the past: its failures were another program's. */
function takeGoal(slot: Slot, goal: Slot['goal']): Slot {
  if (goal.kind === 'stopped') {
    // A slot that is wanted again after a rest is wanted for the first time: it waits for those that it comes after.
    const gate = { open: false, because: 'not evaluated yet' }
    return { ...slot, goal, gate, ranIdentity: null, obstacle: null, outcome: null, lastFailure: null }
  }
  const sameIdentity = slot.goal.kind === 'run' && slot.goal.spec.identity === goal.spec.identity
  const occupancy = withFreshPolicies(slot.occupancy, goal.spec)
  if (sameIdentity) return { ...slot, goal, occupancy }
  const outcome = slot.outcome?.identity === goal.spec.identity ? slot.outcome : null
  return { ...slot, goal, occupancy, outcome, obstacle: null, failuresInARow: 0, notBeforeMs: 0, restarts: 0, lastFailure: null }
}

/** Probes and policies of the same process change under way; only new probes begin from nothing. */
function withFreshPolicies(occupancy: Slot['occupancy'], spec: InstanceSpec): Slot['occupancy'] {
  if (occupancy.kind === 'starting') return occupancy.spec.identity === spec.identity ? { ...occupancy, spec } : occupancy
  if (occupancy.kind !== 'live' || occupancy.spec.identity !== spec.identity) return occupancy
  return {
    ...occupancy,
    spec,
    health: adaptWatch(occupancy.health, occupancy.spec.service.health, spec.service.health, occupancy.sinceMs),
  }
}

function takeFound(slot: Slot, event: Extract<SlotEvent, { kind: 'found' }>, nowMs: number, actions: SlotAction[]): Slot {
  const { epoch, pid, startedAt } = event
  const spec = event.spec === null ? null : asOfNow(slot, event.spec)
  const lastEpoch = maxEpoch(slot.lastEpoch, epoch)
  if (spec === null) {
    const cause = 'there is no record of what it is'
    emit(actions, 'orphan-ended', epoch, 'ending what runs in this slot', cause)
    const orphan = { kind: 'ending', epoch, spec: null, pid, startedAt, startedMs: nowMs, cause, atFault: false } as const
    return { ...slot, lastEpoch, occupancy: { ...orphan, drain: null, graceMs: 0, killAtMs: nowMs, killed: false, stuck: null } }
  }
  emit(actions, 'adopted', epoch, `adopted with pid ${pid}`, adoptedAs(event.stop))
  const fresh = beginWatch(spec.service.health, nowMs)
  const health = hasProbes(spec.service.health) ? fresh : { ...fresh, isUp: true, isReady: true, provenAtMs: nowMs }
  const live: Live = { kind: 'live', epoch, spec, pid, startedAt, sinceMs: nowMs, health }
  return {
    ...slot,
    lastEpoch,
    occupancy: event.stop === undefined ? live : resumeEnd(live, event.stop, nowMs, actions),
    ranIdentity: spec.identity,
    startsUnderIdentity: { identity: spec.identity, count: Math.max(1, knownStarts(slot, spec)) },
  }
}

const adoptedAs = (stop: StopUnderWay | undefined): string =>
  stop === undefined
    ? 'it was running when the daemon started'
    : `an earlier daemon has asked it to stop; it has ${(stop.leftMs / 1000).toFixed(1)} s left`

/** What it was started as tells what it is; how it is probed, routed and ended is a question of what holds now. */
function asOfNow({ goal }: Slot, spec: InstanceSpec): InstanceSpec {
  return goal.kind === 'run' && goal.spec.identity === spec.identity ? goal.spec : spec
}

/** The end of an instance whose daemon was away counts like any other; how long it had lived is not known, so: briefly. */
function takeFoundEnded(
  slot: Slot,
  event: Extract<SlotEvent, { kind: 'found-ended' }>,
  nowMs: number,
  actions: SlotAction[],
): Slot {
  const { epoch, startedAt, exit, jitter } = event
  const spec = asOfNow(slot, event.spec)
  const health = beginWatch(spec.service.health, nowMs)
  const live: Live = { kind: 'live', epoch, spec, pid: 0, startedAt: startedAt ?? '', sinceMs: nowMs, health }
  const lastEpoch = maxEpoch(slot.lastEpoch, epoch)
  return takeGone({ ...slot, occupancy: live, lastEpoch }, exit, { nowMs, jitter }, actions)
}

function takeSpawned(slot: Slot, epoch: Epoch, nowMs: number): Slot {
  const at = slot.occupancy
  return at.kind === 'starting' && at.epoch === epoch ? { ...slot, occupancy: { ...at, spawnedMs: nowMs } } : slot
}

function takeStarted(slot: Slot, event: Extract<SlotEvent, { kind: 'started' }>, nowMs: number, actions: SlotAction[]): Slot {
  const at = slot.occupancy
  const { epoch, pid, startedAt } = event
  // A start that was given up has come through after all: whatever killed it so far found nothing to kill.
  if (at.kind === 'ending' && at.epoch === epoch) return { ...slot, occupancy: { ...at, pid, startedAt, killed: false } }
  // Found by a new daemon in the moment between its keeper's joining and its first word.
  if (at.kind === 'live' && at.epoch === epoch) return { ...slot, occupancy: { ...at, pid, startedAt } }
  if (at.kind !== 'starting' || at.epoch !== epoch) return slot
  emit(actions, 'started', epoch, `started with pid ${pid}`, whyStarted(slot, at.spec))
  const health = beginWatch(at.spec.service.health, nowMs)
  return { ...slot, occupancy: { kind: 'live', epoch, spec: at.spec, pid, startedAt, sinceMs: nowMs, health }, obstacle: null }
}

function takeRefused(slot: Slot, refusal: StartObstacle, at: Moment, actions: SlotAction[]): Slot {
  const epoch = epochOf(slot)
  // Nothing ran, so nothing was restarted.
  const startsUnderIdentity = { ...slot.startsUnderIdentity, count: Math.max(0, slot.startsUnderIdentity.count - 1) }
  const restarts = Math.max(0, startsUnderIdentity.count - 1)
  const vacant = { ...slot, occupancy: { kind: 'vacant' }, startsUnderIdentity, restarts } as const
  if (refusal.kind === 'superseded') return superseded(vacant, refusal.by)
  const isNews = slot.obstacle?.kind !== refusal.kind || slot.obstacle.message !== refusal.message
  if (refusal.kind === 'not-startable') {
    const policy = slot.goal.kind === 'run' ? slot.goal.spec.service.restart : null
    const failuresInARow = slot.failuresInARow + 1
    const pauseMs = policy === null ? obstacleRetryMs : Math.max(obstacleRetryMs, backoffMs(policy, failuresInARow, at.jitter))
    if (isNews) emit(actions, 'start-failed', epoch, refusal.message, null)
    return { ...vacant, obstacle: refusal, failuresInARow, notBeforeMs: at.nowMs + pauseMs, lastFailure: refusal.message }
  }
  if (isNews) emit(actions, refusal.kind === 'no-space' ? 'disk-full' : 'blocked', epoch, refusal.message, null)
  return { ...vacant, obstacle: refusal, notBeforeMs: at.nowMs + obstacleRetryMs }
}

/** Somebody has started a later epoch here. A run that ever began is not begun again: what became of it is not known, and that is its outcome. */
function superseded(slot: Slot, by: Epoch): Slot {
  const lastEpoch = maxEpoch(slot.lastEpoch, by)
  if (slot.goal.kind !== 'run' || slot.goal.spec.service.scale.kind !== 'schedule') return { ...slot, lastEpoch }
  const { identity } = slot.goal.spec
  return {
    ...slot,
    lastEpoch,
    outcome: { kind: 'failed', identity, exit: { kind: 'unknown' } },
    lastFailure: 'it was started before',
  }
}

function takeProbed(slot: Slot, event: Extract<SlotEvent, { kind: 'probed' }>, nowMs: number, actions: SlotAction[]): Slot {
  const at = slot.occupancy
  if (at.kind !== 'live' || at.epoch !== event.epoch) return slot
  const { watch, verdict } = answer(at.spec.service.health, at.health, { ...event, nowMs })
  const occupancy: Live = { ...at, health: watch }
  switch (verdict) {
    case 'none':
      return { ...slot, occupancy }
    case 'became-ready':
      emit(actions, 'ready', at.epoch, 'is ready', event.detail)
      return { ...slot, occupancy, lastFailure: null }
    case 'became-unready':
      emit(actions, 'unready', at.epoch, 'is no longer ready', event.detail)
      return { ...slot, occupancy }
    case 'not-alive': {
      const times = watch.probes.liveness?.failuresInARow ?? 0
      const cause = `liveness failed ${times} times in a row: ${event.detail}`
      emit(actions, 'unhealthy', at.epoch, 'does not answer its liveness probe', cause)
      return end({ ...slot, occupancy }, { cause, atFault: true, nowMs }, actions)
    }
  }
}

interface Moment {
  readonly nowMs: number
  readonly jitter: number
}

/** The slot is free again. What comes next depends on whose wish the end was. */
function takeGone(slot: Slot, exit: Exit, at: Moment, actions: SlotAction[]): Slot {
  const was = slot.occupancy
  if (was.kind === 'vacant') return slot
  const vacant: Slot = { ...slot, occupancy: { kind: 'vacant' }, lastExit: exit, obstacle: null }
  if (was.spec === null || (was.kind === 'ending' && !was.atFault)) {
    emit(actions, 'stopped', was.epoch, describeExit(exit), was.kind === 'ending' ? was.cause : null)
    return vacant
  }
  const ended = { ...was, spec: was.spec }
  const cause = was.kind === 'ending' ? was.cause : explainEnd(exit, ended.spec)
  const kind = was.kind === 'ending' ? 'exited' : kindOfEnd(ended.spec.service, exit)
  emit(actions, kind, was.epoch, describeExit(exit), was.kind === 'ending' ? was.cause : null)
  const isWanted = slot.goal.kind === 'run' && slot.goal.spec.identity === ended.spec.identity
  if (!isWanted) return vacant
  return comesToAnEnd(ended.spec.service) || !restartsAfter(ended.spec, exit, was.kind === 'ending')
    ? endOfWork(vacant, ended, { exit, cause, ...at }, actions)
    : failed(vacant, ended, { cause, ...at }, actions)
}

function restartsAfter(spec: InstanceSpec, exit: Exit, wasAtFault: boolean): boolean {
  const { policy } = spec.service.restart
  if (policy === 'always') return true
  return policy === 'on-failure' && (wasAtFault || !isSuccess(exit))
}

/** A service that does its work and ends is started again forever: the person meant a job, most likely. */
const explainEnd = (exit: Exit, { service }: InstanceSpec): string =>
  isSuccess(exit) && !comesToAnEnd(service) && service.restart.policy === 'always'
    ? `${explainExit(exit)} (a program that is meant to end is a job: \`job: true\`, or restart: 'on-failure')`
    : explainExit(exit)

type Former = Extract<Slot['occupancy'], { kind: 'starting' | 'live' | 'ending' }> & { readonly spec: InstanceSpec }

/** A job, or a service whose policy does not start it again: completed, failed, or one more try within the budget. */
function endOfWork(slot: Slot, was: Former, ended: Moment & { exit: Exit; cause: string }, actions: SlotAction[]): Slot {
  const { identity, service } = was.spec
  const isDone = isSuccess(ended.exit) && !(was.kind === 'ending' && was.atFault)
  const mayRetry = service.restart.policy !== 'no' && slot.failuresInARow + 1 <= service.restart.budget
  if (!isDone && mayRetry) return failed(slot, was, ended, actions)
  const outcome = { kind: isDone ? 'completed' : 'failed', identity, exit: ended.exit } as const
  emit(actions, outcome.kind, was.epoch, isDone ? 'has completed' : `failed: ${ended.cause}`, null)
  actions.push({ kind: 'record-outcome', outcome })
  return { ...slot, outcome, lastFailure: isDone ? null : ended.cause }
}

function failed(slot: Slot, was: Former, ended: Moment & { cause: string }, actions: SlotAction[]): Slot {
  const { restart } = was.spec.service
  const livedMs = ended.nowMs - startedMsOf(was)
  const failuresInARow = countFailure(restart, slot.failuresInARow, livedMs)
  const pauseMs = backoffMs(restart, failuresInARow, ended.jitter)
  if (failuresInARow > restart.budget && slot.failuresInARow <= restart.budget) {
    emit(actions, 'crash-looping', was.epoch, `failed ${failuresInARow} times in quick succession`, ended.cause)
  } else if (pauseMs > 0) {
    emit(actions, 'backing-off', was.epoch, `waits ${formatPause(pauseMs)} before the next start`, ended.cause)
  }
  return { ...slot, failuresInARow, notBeforeMs: ended.nowMs + pauseMs, lastFailure: ended.cause }
}

const formatPause = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`)

// Doing what is due -------------------------------------------------------------------------------------------------

function moveOn(slot: Slot, nowMs: number, actions: SlotAction[]): Slot {
  const at = slot.occupancy
  switch (at.kind) {
    case 'vacant':
      return startIfDue(slot, nowMs, actions)
    case 'starting':
      // Before the keeper is spawned there is nothing to end; a thousand starts at once may well take longer than one keeper may.
      return at.spawnedMs === null || nowMs < at.spawnedMs + startLimitMs ? slot : giveUpStart(slot, at, nowMs)
    case 'live':
      return watchOver(slot, at, nowMs, actions)
    case 'ending':
      return moveEnding(slot, at, nowMs, actions)
  }
}

function wantsStart(slot: Slot): boolean {
  return slot.goal.kind === 'run' && slot.outcome?.identity !== slot.goal.spec.identity
}

/** `after` orders first starts. One that has run before does not wait again when it crashes: that would make one fault many. */
export function isGateOpen(slot: Slot): boolean {
  return slot.gate.open || (slot.goal.kind === 'run' && slot.ranIdentity === slot.goal.spec.identity)
}

function startIfDue(slot: Slot, nowMs: number, actions: SlotAction[]): Slot {
  if (slot.goal.kind !== 'run' || !wantsStart(slot) || !isGateOpen(slot) || nowMs < slot.notBeforeMs) return slot
  const { spec, claim } = slot.goal
  const floor = composeEpoch({ claim, start: 1 })
  const epoch = slot.lastEpoch === null ? floor : asEpoch(Math.max(floor, slot.lastEpoch + 1))
  const count = knownStarts(slot, spec) + 1
  actions.push({ kind: 'start', epoch, spec })
  return {
    ...slot,
    occupancy: { kind: 'starting', epoch, spec, sinceMs: nowMs, spawnedMs: null },
    lastEpoch: epoch,
    restarts: count - 1,
    ranIdentity: spec.identity,
    startsUnderIdentity: { identity: spec.identity, count },
  }
}

function watchOver(slot: Slot, at: Live, nowMs: number, actions: SlotAction[]): Slot {
  if (slot.goal.kind === 'stopped') return end(slot, { cause: slot.goal.because, atFault: false, nowMs }, actions)
  if (slot.goal.spec.identity !== at.spec.identity) {
    return end(slot, { cause: `replaced by revision ${slot.goal.spec.revision}`, atFault: false, nowMs }, actions)
  }
  const { health, update } = at.spec.service
  if (!at.health.isUp && !hasProbes(health) && nowMs >= at.sinceMs + update.minReadyMs) {
    const isUp = { ...at.health, isUp: true, isReady: true, provenAtMs: nowMs }
    if (!comesToAnEnd(at.spec.service)) emit(actions, 'ready', at.epoch, 'is ready', `was up for ${update.minReadyMs} ms`)
    return { ...slot, occupancy: { ...at, health: isUp }, lastFailure: null }
  }
  if (!at.health.isUp && hasProbes(health) && nowMs >= at.sinceMs + health.startPeriodMs) {
    const cause = `was not healthy within ${health.startPeriodMs / 1000} s: ${lastDetail(health, at.health) ?? 'no answer'}`
    emit(actions, 'unhealthy', at.epoch, 'never became healthy', cause)
    return end(slot, { cause, atFault: true, nowMs }, actions)
  }
  const orders = dueProbes(health, at.health, nowMs)
  let watch = at.health
  for (const order of orders) {
    actions.push({ kind: 'probe', epoch: at.epoch, ...order })
    watch = markAsked(watch, order.probes, nowMs)
  }
  return orders.length === 0 ? slot : { ...slot, occupancy: { ...at, health: watch } }
}

function knownStarts(slot: Slot, spec: InstanceSpec): number {
  return slot.startsUnderIdentity.identity === spec.identity ? slot.startsUnderIdentity.count : 0
}

// Small things --------------------------------------------------------------------------------------------------------

function isOccupiedBy(slot: Slot, epoch: Epoch): boolean {
  return slot.occupancy.kind !== 'vacant' && slot.occupancy.epoch === epoch
}

const epochOf = (slot: Slot): Epoch | null => (slot.occupancy.kind === 'vacant' ? null : slot.occupancy.epoch)

function startedMsOf(was: Former): number {
  return was.kind === 'ending' ? was.startedMs : was.sinceMs
}

const maxEpoch = (known: Epoch | null, other: Epoch): Epoch => (known !== null && known > other ? known : other)
