/** Why a start did not happen, in the port's words: what went wrong here, and what its keeper said when it left. */

import { asEpoch } from '../../core/model/id.ts'
import { hasCode } from '../../system/errno.ts'
import { type SlotPaths, readNumber } from '../../host/slot-files.ts'
import type { ProcessIdentity, StartOrder, StartRefusal } from '../../ports/runtime/runtime.ts'

/** A start that wants space is tried again when there is some. */
export function explainStartFailure(error: unknown, order: Pick<StartOrder, 'slot'>): StartRefusal {
  const message = `${order.slot}: ${error instanceof Error ? error.message : String(error)}`
  const isFull = hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT')
  return isFull ? { kind: 'no-space', message } : { kind: 'failed', message }
}

/** `word` is what the keeper wrote into `started`. */
export async function explainRefusal(
  word: string,
  holders: () => Promise<readonly ProcessIdentity[]>,
  paths: SlotPaths,
): Promise<StartRefusal> {
  switch (word) {
    case 'locked':
      return { kind: 'occupied', holders: await holders() }
    case 'superseded':
      return { kind: 'superseded', by: asEpoch(readNumber(paths.epoch) ?? 0) }
    case 'mute':
      return { kind: 'failed', message: "the epoch's pipe was removed before its keeper started" }
    default:
      return { kind: 'failed', message: 'the epoch was abandoned before its keeper started' }
  }
}
