/**
 * The slots of errands: what the agent runs once for a purpose of its own, a build or a command of `notify`, one at a time in each. A slot gives it
 * its cgroup, its log, its end, and the certainty that there is no second one. An errand is no instance: nobody adopts it.
 */

import { asServiceName, type SlotId, slotId } from './id.ts'

/** The '@' cannot be in a user's name. */
export const buildSlot: SlotId = slotId(asServiceName('@build'), 0)
export const noticeSlot: SlotId = slotId(asServiceName('@notify'), 0)

export const isErrand = (slot: SlotId): boolean => slot === buildSlot || slot === noticeSlot
