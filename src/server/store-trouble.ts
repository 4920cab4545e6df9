/** What cannot be written down is told once, and once when all of it can be again. Several may write, and one have nothing to write meanwhile. */

import { DarumaError } from '../ports/error.ts'
import type { Log } from '../ports/log.ts'
import type { Event } from '../core/model/event.ts'
import type { World } from './world/world.ts'

type Writer = 'reconciler' | 'operation'

export class StoreTrouble {
  readonly #options: { readonly world: World; readonly log: Log; readonly emit: (event: Event) => void }
  readonly #hindered = new Set<Writer>()
  #isLost = false

  constructor(options: { readonly world: World; readonly log: Log; readonly emit: (event: Event) => void }) {
    this.#options = options
  }

  /** The store's worker is gone for good: only another daemon can write again. */
  get isStoreLost(): boolean {
    return this.#isLost
  }

  hindered(who: Writer, error: unknown): void {
    const code = error instanceof DarumaError ? error.code : null
    // The next daemon finds out what can be had without a damaged one.
    if (code === 'E_STORE_CRASHED' || code === 'E_STORE_CORRUPT') this.#isLost = true
    if (code === 'E_STORE_REPLACED' || code === 'E_STORE_CLOSED') return
    const { world, log, emit } = this.#options
    const cause = error instanceof Error ? error.message : String(error)
    if (this.#hindered.size === 0) {
      const kind = code === 'E_STORE_FULL' ? 'disk-full' : 'start-failed'
      const message = 'nothing new can be written down, so nothing new is started'
      emit({ kind, slot: null, epoch: null, message, cause })
      log.write('error', `${who}: ${cause}`)
    }
    this.#hindered.add(who)
    world.condition = cause
  }

  recovered(who: Writer): void {
    if (!this.#hindered.delete(who) || this.#hindered.size > 0) return
    const { world, emit } = this.#options
    world.condition = null
    emit({ kind: 'disk-recovered', slot: null, epoch: null, message: 'writing works again', cause: null })
  }
}
