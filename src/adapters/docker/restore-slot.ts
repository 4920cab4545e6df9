/** Makes the files of a slot again that somebody has removed under its running container; who runs there is its last epoch. */

import { existsSync } from 'node:fs'
import { dirname } from 'node:path'

import type { Epoch } from '../../core/model/id.ts'
import { commitEpoch, ensureSlot, readNumber, type SlotPaths } from '../../host/slot-files.ts'

/** False where the state directory itself is not there: nobody makes that again but a daemon that begins. */
export async function restoreSlot(
  paths: SlotPaths,
  { epoch, maxLogBytes }: { readonly epoch: Epoch; readonly maxLogBytes: number },
): Promise<boolean> {
  if (!existsSync(dirname(paths.directory))) return false
  ensureSlot(paths, maxLogBytes)
  if ((readNumber(paths.epoch) ?? 0) < epoch) await commitEpoch(paths, epoch)
  return true
}
