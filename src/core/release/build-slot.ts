/** The slot in which builds run, one at a time: it gives a build its cgroup, its log, its end, and the certainty that there is no second one. */

import { asServiceName, slotId } from '../model/id.ts'
import type { SlotId } from '../model/id.ts'

/** The '@' cannot be in a user's name. */
export const buildSlot: SlotId = slotId(asServiceName('@build'), 0)
