/**
 * Has the world moved since a plan was made? Over what would make the same plan do something else: the base, restarts and stops by
 * hand, and which slots run which revision; not over pids, restart counts or times, which move by themselves.
 */

import type { SlotId } from '../model/id.ts'
import { isRunSlot } from '../model/id.ts'
import { canonicalJson } from '../model/service.ts'
import type { InstanceStatus } from '../model/status.ts'
import type { Recorded } from './recorded.ts'

export function fingerprintOf(recorded: Recorded | null, observed: readonly InstanceStatus[]): string {
  const slots = observed
    .filter(({ slot }) => !movesByItself(slot))
    .map(({ slot, revision }) => `${slot}@${revision}`)
    .toSorted()
  return hash(
    canonicalJson([recorded?.revision ?? 0, recorded?.generations ?? {}, recorded?.stoppedByHand.toSorted() ?? [], slots]),
  )
}

/** Runs of schedules come and go by the clock; the balancer follows whatever applies. */
function movesByItself(slot: SlotId): boolean {
  return isRunSlot(slot) || slot.startsWith('@')
}

/**
 * FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) in two 32-bit lanes with different beginnings, over UTF-16 code units: pure and
 * fast, not secret. A collision, one in 2⁶⁴ by chance, would only lose the warning that the world has moved.
 */
function hash(text: string): string {
  let left = 0x811c9dc5
  let right = 0x2f0b4a1d
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    left = Math.imul(left ^ unit, 0x01000193)
    right = Math.imul(right ^ unit ^ (left >>> 15), 0x01000193)
  }
  return hex(left) + hex(right)
}

const hex = (lane: number): string => (lane >>> 0).toString(16).padStart(8, '0')
