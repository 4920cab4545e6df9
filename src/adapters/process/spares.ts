/** Makes, in quiet moments, what the next start of each slot would else have to make itself (host/spare-epoch.ts). */

import { existsSync } from 'node:fs'

import type { SlotId } from '../../core/model/id.ts'
import { type SlotPaths, prepareNextEpoch } from '../../host/slot-files.ts'
import { hasCode } from '../../system/errno.ts'

/** A look costs some milliseconds. */
const slotsPerLook = 50

export class Spares {
  readonly #wanted = new Map<SlotId, SlotPaths>()
  readonly #onTrouble: (message: string, error: unknown) => void

  constructor(onTrouble: (message: string, error: unknown) => void) {
    this.#onTrouble = onTrouble
  }

  /** The slot has used what it had. */
  want(slot: SlotId, paths: SlotPaths): void {
    this.#wanted.set(slot, paths)
  }

  /** To be called once a second or so, while nothing is to start. */
  make(): void {
    for (const [slot, paths] of [...this.#wanted].slice(0, slotsPerLook)) {
      this.#wanted.delete(slot)
      try {
        prepareNextEpoch(paths)
      } catch (error) {
        // On a full disk again later: the oldest ended epoch serves until then.
        if (existsSync(paths.directory)) this.#wanted.set(slot, paths)
        if (!hasCode(error, 'ENOSPC') && !hasCode(error, 'EDQUOT'))
          this.#onTrouble('what the next start needs could not be made', error)
      }
    }
  }
}
