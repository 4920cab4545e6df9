/**
 * Whether a change of one service is done, still moving, or has failed. A clock runs only while something could move: a service that
 * waits for another one is not late, and each slot that becomes ready gives the rest its full time again.
 */

import type { SlotId } from '../model/id.ts'
import type { SlotState } from '../model/status.ts'
import { isSettled } from './rollout.ts'
import type { ServiceView } from './order.ts'

export interface SlotProgress {
  readonly slot: SlotId
  readonly state: SlotState
  readonly isReady: boolean
  /** Whether the slot is to run what the change wants. */
  readonly isFresh: boolean
  /** Its start waits in the host's own queue: the time until it has been handed over is not its own. */
  readonly isQueued: boolean
  readonly reason: string | null
  /** What is in the slot was asked to go, for no fault of its own: that happens once, where a failing one comes and goes forever. */
  readonly isLeaving: boolean
  /** Of what is in the slot, by its own config; 0 when the slot is vacant. */
  readonly gracePeriodMs: number
}

export interface ServiceProgress {
  /** Changes whenever something has moved. */
  readonly mark: string
  /** The most that were ready at once: one that comes and goes again and again gets nobody any further. */
  readonly ready: number
  readonly sinceMs: number
}

export type ProgressVerdict =
  | { readonly kind: 'done' }
  | {
      readonly kind: 'moving'
      readonly progress: ServiceProgress
      /** When the verdict becomes "too late", unless something moves before. */
      readonly deadlineMs: number
      readonly ready: number
      readonly wanted: number
    }
  | { readonly kind: 'failed'; readonly slot: SlotId | null; readonly message: string }

export interface ProgressInput {
  readonly view: ServiceView
  readonly slots: readonly SlotProgress[]
  readonly isWaiting: boolean
  /** Whether the balancer's table is of this world; true where there is no route. */
  readonly isRouted: boolean
  readonly before: ServiceProgress | null
  readonly nowMs: number
}

export function judgeProgress(input: ProgressInput): ProgressVerdict {
  const { view, slots, before, nowMs } = input
  const hasSettled = view.isJobDone ? slots.every((slot) => slot.isFresh || isAtRest(slot)) : isSettled(view)
  if (hasSettled && input.isRouted) return { kind: 'done' }
  const fresh = slots.filter((slot) => slot.isFresh)
  const broken = fresh.find((slot) => slot.state === 'failed' || slot.state === 'crash-looping')
  if (broken !== undefined) {
    const how = broken.state === 'failed' ? 'failed' : 'fails again and again'
    return { kind: 'failed', slot: broken.slot, message: `${broken.slot} ${how}: ${broken.reason ?? 'no reason is known'}` }
  }
  const mark = JSON.stringify(slots.map((slot) => [slot.slot, slot.isFresh, isAtRest(slot), slot.isLeaving]))
  const ready = fresh.filter((slot) => slot.isReady).length
  const isQueuing = fresh.some((slot) => slot.isQueued) && fresh.every((slot) => slot.isReady || slot.isQueued)
  const hasMoved = before === null || before.mark !== mark || ready > before.ready || input.isWaiting || isQueuing
  const progress = hasMoved ? { mark, ready: Math.max(ready, before?.ready ?? 0), sinceMs: nowMs } : before
  const limitMs = limitOf(view, slots)
  if (hasSettled && nowMs - progress.sinceMs >= limitMs)
    return {
      kind: 'failed',
      slot: null,
      message: `the balancer has not taken the routes of ${view.name} within ${limitMs / 1000} s`,
    }
  if (nowMs - progress.sinceMs >= limitMs) {
    const late = fresh.find((slot) => !slot.isReady) ?? slots.find((slot) => !isAtRest(slot)) ?? null
    const what = late === null ? view.name : late.slot
    const why = late?.reason === null || late === null ? '' : `: ${late.reason}`
    const end =
      view.wanted === null ? 'has not ended' : view.wanted.service.scale.kind === 'job' ? 'has not completed' : 'was not ready'
    return { kind: 'failed', slot: late?.slot ?? null, message: `${what} ${end} within ${limitMs / 1000} s${why}` }
  }
  const wanted = view.wanted === null ? 0 : view.wanted.service.scale.kind === 'replicas' ? view.wanted.service.scale.count : 1
  return { kind: 'moving', progress, deadlineMs: progress.sinceMs + limitMs, ready, wanted }
}

const isAtRest = (slot: SlotProgress): boolean =>
  slot.state === 'stopped' || slot.state === 'completed' || slot.state === 'failed'

/** What is being emptied has its grace period and then the kill; that is bounded by the kernel, with room for a slow disk. */
const emptyingLimitMs = 120_000

/** What leaves has its own grace period, by the config that it runs under, besides the new one's deadline. */
function limitOf(view: ServiceView, slots: readonly SlotProgress[]): number {
  const { wanted } = view
  const leaving = wanted === null ? slots : slots.filter((slot) => slot.isLeaving)
  const graceMs = Math.max(0, ...leaving.map((slot) => slot.gracePeriodMs))
  return graceMs + (wanted === null ? emptyingLimitMs : wanted.service.update.deadlineMs)
}
