/**
 * One service replaced by its next revision, one look at a time. It takes no hint of what changed: it is given what should be and
 * what is, and answers with the few moves that are safe now; asked again after each of them, it ends with nothing to do. The same
 * function fills a service for the first time, scales it, replaces it, and empties it.
 *
 * A replica's number is a place, not a rank: a start-first update puts the new instance into a free slot and then
 * retires an old one, so no slot ever holds two (decision 2).
 */

import type { Service } from '../model/service.ts'
import { slotCount } from '../model/service.ts'

export interface SlotView {
  readonly index: number
  /** Identity of the goal; null when the slot should rest. */
  readonly goalIdentity: string | null
  readonly isVacant: boolean
  readonly isReady: boolean
  /** It has failed a short while ago: whether it is ready now says little. */
  readonly isFlapping: boolean
  /** Its work has come to its own end: nothing more will be started under this identity. */
  readonly isDone: boolean
}

export interface Wanted {
  readonly service: Service
  readonly identity: string
}

export type Move =
  /** Give the slot the wanted spec; an occupant of another identity is stopped first, in place. */
  | { readonly kind: 'assign'; readonly index: number }
  | { readonly kind: 'retire'; readonly index: number; readonly because: string }

export interface RolloutInput {
  /** Null: the service should not be. */
  readonly wanted: Wanted | null
  /** Why it should not be: "left the config", "stopped by hand". */
  readonly because: string
  readonly slots: readonly SlotView[]
  /** Dependencies of the new spec are far enough: only then is anything that runs given up for it. */
  readonly mayReplace: boolean
  /** Services that come after this one are gone: only then may it be emptied. */
  readonly mayEmpty: boolean
  /** The last batch is ready, and the rest after it is not over yet. */
  readonly isPausing: boolean
  /** The new identity is only being tried: so many of it beside all of the old ones. Null: it is to replace them. */
  readonly trial: number | null
}

export function planRollout(input: RolloutInput): readonly Move[] {
  const { wanted } = input
  if (wanted === null) return input.mayEmpty ? retireAll(input) : []
  const current = input.slots.filter((slot) => slot.goalIdentity !== null)
  const fresh = current.filter((slot) => slot.goalIdentity === wanted.identity)
  const stale = current.filter((slot) => slot.goalIdentity !== wanted.identity)
  const mayOverlap = wanted.service.update.order === 'start-first' && wanted.service.scale.kind === 'replicas'
  if (input.trial !== null && stale.length > 0) return tryOut(input, fresh, input.trial)
  if (stale.length === 0) return mayOverlap ? fill(input.slots, fresh, wanted) : fillWithoutOverlap(input.slots, fresh, wanted)
  if (!input.mayReplace || isFailing(fresh, stale)) return []
  const parts = { ...input, wanted, fresh, stale }
  return mayOverlap ? replaceStartFirst(parts) : replaceStopFirst(parts)
}

/** New ones that fall each time after they were ready would have the old ones, which do not, given up one by one until none is left. */
function isFailing(fresh: readonly SlotView[], stale: readonly SlotView[]): boolean {
  return fresh.some((slot) => slot.isFlapping) && stale.some(isCarrying)
}

/** How many instances try a new revision out: as many as its share of the requests needs, and at least one. */
export function trialCount(service: Service): number {
  const { canary } = service.update
  return canary === null ? 0 : Math.max(1, Math.ceil(canary.share * slotCount(service)))
}

/** The canary comes on top: nobody leaves for it. */
function tryOut(input: RolloutInput, fresh: readonly SlotView[], trial: number): readonly Move[] {
  if (!input.mayReplace) return []
  return freeIndices(input.slots, trial - fresh.length).map((index) => ({ kind: 'assign', index }))
}

interface Replacement extends RolloutInput {
  readonly wanted: Wanted
  readonly fresh: readonly SlotView[]
  readonly stale: readonly SlotView[]
}

/** Whether nothing is left to do and everything that should run is ready (a job: has ended). */
export function isSettled(input: Pick<RolloutInput, 'wanted' | 'slots'>): boolean {
  const { wanted, slots } = input
  if (wanted === null) return slots.every((slot) => slot.goalIdentity === null && slot.isVacant)
  const fresh = slots.filter((slot) => slot.goalIdentity === wanted.identity)
  const others = slots.filter((slot) => slot.goalIdentity !== wanted.identity)
  return fresh.length === slotCount(wanted.service) && fresh.every(isCarrying) && others.every((slot) => slot.isVacant)
}

function retireAll(input: RolloutInput): readonly Move[] {
  return input.slots
    .filter((slot) => slot.goalIdentity !== null)
    .map((slot) => ({ kind: 'retire', index: slot.index, because: input.because }))
}

/** Nothing to replace: add what is missing in the lowest free places, or take away what is too much, the unready and highest first. */
function fill(slots: readonly SlotView[], fresh: readonly SlotView[], wanted: Wanted): readonly Move[] {
  const missing = slotCount(wanted.service) - fresh.length
  return missing >= 0 ? freeIndices(slots, missing).map((index) => ({ kind: 'assign', index })) : takeAway(fresh, -missing)
}

function takeAway(fresh: readonly SlotView[], count: number): readonly Move[] {
  return fresh
    .toSorted((a, b) => Number(a.isReady) - Number(b.isReady) || b.index - a.index)
    .slice(0, count)
    .map((slot) => ({ kind: 'retire', index: slot.index, because: 'fewer replicas are wanted' }))
}

/**
 * The same for what must not run beside itself, a singleton above all: a former instance that is still leaving is waited for, in its
 * own place by the slot itself, in any other place here.
 */
function fillWithoutOverlap(slots: readonly SlotView[], fresh: readonly SlotView[], wanted: Wanted): readonly Move[] {
  const missing = slotCount(wanted.service) - fresh.length
  if (missing < 0) return takeAway(fresh, -missing)
  const held = new Set(fresh.map((slot) => slot.index))
  const places: number[] = []
  for (let index = 0; places.length < missing; index += 1) if (!held.has(index)) places.push(index)
  if (slots.some((slot) => isLeaving(slot) && !places.includes(slot.index))) return []
  return places.map((index) => ({ kind: 'assign', index }))
}

/**
 * At most `surge` more than wanted run, and a ready old one leaves only when as many as wanted are ready without it. An old one that
 * is not ready carries nothing: it leaves as soon as somebody has taken its number.
 */
function replaceStartFirst({ slots, fresh, stale, wanted, isPausing }: Replacement): readonly Move[] {
  const count = slotCount(wanted.service)
  const { surge } = wanted.service.update
  let running = fresh.length + stale.length
  let carrying = [...fresh, ...stale].filter(isCarrying).length
  const moves: Move[] = []
  for (const slot of stale.toSorted(unreadyFirst)) {
    const isSpare = isCarrying(slot) ? carrying > count : running > count
    if (!isSpare) continue
    moves.push({ kind: 'retire', index: slot.index, because: 'its successor is ready' })
    running -= 1
    if (isCarrying(slot)) carrying -= 1
  }
  const missing = isPausing ? 0 : Math.min(count - fresh.length, count + surge - running)
  for (const index of freeIndices(slots, missing)) moves.push({ kind: 'assign', index })
  return moves
}

/** It should rest, and something is still in it. */
const isLeaving = (slot: SlotView): boolean => slot.goalIdentity === null && !slot.isVacant

const isCarrying = (slot: SlotView): boolean => slot.isReady || slot.isDone

const unreadyFirst = (a: SlotView, b: SlotView): number => Number(isCarrying(a)) - Number(isCarrying(b)) || a.index - b.index

/**
 * In place, `parallel` at a time, and never so many that fewer than `minHealthy` are ready. What is surplus leaves first. A single slot is
 * simply given its new goal: the slot itself stops the old instance, sees it gone, and starts the new one.
 */
function replaceStopFirst({ slots, fresh, stale, wanted, isPausing }: Replacement): readonly Move[] {
  const count = slotCount(wanted.service)
  const { parallel, minHealthy } = wanted.service.update
  const surplus = fresh.length + stale.length - count
  if (surplus > 0) {
    const leaving = stale.toSorted((a, b) => b.index - a.index).slice(0, surplus)
    return leaving.map((slot) => ({ kind: 'retire', index: slot.index, because: 'fewer replicas are wanted' }))
  }
  if (isPausing) return []
  // One has to go: a floor that forbids it (after a scale, say) would end all change.
  const floor = Math.min(minHealthy ?? 0, count - 1)
  let carrying = [...fresh, ...stale].filter(isCarrying).length
  let underWay = fresh.filter((slot) => !isCarrying(slot)).length + slots.filter(isLeaving).length
  const moves: Move[] = []
  for (const slot of stale.toSorted(unreadyFirst)) {
    if (underWay >= parallel || (isCarrying(slot) && carrying <= floor)) break
    moves.push({ kind: 'assign', index: slot.index })
    underWay += 1
    if (isCarrying(slot)) carrying -= 1
  }
  return moves
}

/** The lowest places that nobody holds: neither a goal nor a former instance that is still leaving. */
function freeIndices(slots: readonly SlotView[], count: number): readonly number[] {
  const taken = new Set(slots.filter((slot) => slot.goalIdentity !== null || !slot.isVacant).map((slot) => slot.index))
  const free: number[] = []
  for (let index = 0; free.length < count; index += 1) if (!taken.has(index)) free.push(index)
  return free
}
