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
}

/** How many instances beyond the wanted number a start-first update may run for a moment. */
const surge = 1

export function planRollout(input: RolloutInput): readonly Move[] {
  const { wanted } = input
  if (wanted === null) return input.mayEmpty ? retireAll(input) : []
  const current = input.slots.filter((slot) => slot.goalIdentity !== null)
  const fresh = current.filter((slot) => slot.goalIdentity === wanted.identity)
  const stale = current.filter((slot) => slot.goalIdentity !== wanted.identity)
  const mayOverlap = wanted.service.update.order === 'start-first' && wanted.service.scale.kind === 'replicas'
  if (stale.length === 0) return mayOverlap ? fill(input.slots, fresh, wanted) : fillWithoutOverlap(input.slots, fresh, wanted)
  if (!input.mayReplace) return []
  return mayOverlap ? replaceStartFirst(input.slots, fresh, stale, wanted) : replaceStopFirst(input.slots, fresh, stale, wanted)
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
function replaceStartFirst(
  slots: readonly SlotView[],
  fresh: readonly SlotView[],
  stale: readonly SlotView[],
  wanted: Wanted,
): readonly Move[] {
  const count = slotCount(wanted.service)
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
  const missing = Math.min(count - fresh.length, count + surge - running)
  for (const index of freeIndices(slots, missing)) moves.push({ kind: 'assign', index })
  return moves
}

/** It should rest, and something is still in it. */
const isLeaving = (slot: SlotView): boolean => slot.goalIdentity === null && !slot.isVacant

const isCarrying = (slot: SlotView): boolean => slot.isReady || slot.isDone

const unreadyFirst = (a: SlotView, b: SlotView): number => Number(isCarrying(a)) - Number(isCarrying(b)) || a.index - b.index

/**
 * In place, one at a time, the next only when the one before is ready. What is surplus leaves first. A single slot is simply given its
 * new goal: the slot itself stops the old instance, sees it gone, and starts the new one.
 */
function replaceStopFirst(
  slots: readonly SlotView[],
  fresh: readonly SlotView[],
  stale: readonly SlotView[],
  wanted: Wanted,
): readonly Move[] {
  const count = slotCount(wanted.service)
  const surplus = fresh.length + stale.length - count
  if (surplus > 0) {
    const leaving = stale.toSorted((a, b) => b.index - a.index).slice(0, surplus)
    return leaving.map((slot) => ({ kind: 'retire', index: slot.index, because: 'fewer replicas are wanted' }))
  }
  if (!fresh.every(isCarrying) || slots.some(isLeaving)) return []
  const next = stale.toSorted(unreadyFirst)[0]
  return next === undefined ? [] : [{ kind: 'assign', index: next.index }]
}

/** The lowest places that nobody holds: neither a goal nor a former instance that is still leaving. */
function freeIndices(slots: readonly SlotView[], count: number): readonly number[] {
  const taken = new Set(slots.filter((slot) => slot.goalIdentity !== null || !slot.isVacant).map((slot) => slot.index))
  const free: number[] = []
  for (let index = 0; free.length < count; index += 1) if (!taken.has(index)) free.push(index)
  return free
}
