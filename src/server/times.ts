/**
 * Learns from the events how long services take to start and to stop. Seeded from the events that are kept, so that a new daemon
 * knows what the last one saw; kept by service, so that a busy schedule does not push a quiet service out.
 */

import { noTimes, withStart, withStop, type LearnedTimes } from '../core/plan/learned-times.ts'
import type { RecordedEvent } from '../core/model/event.ts'
import { parseInstant } from '../core/cron/instant.ts'
import { isRunSlot, parseSlotId, type ServiceName } from '../core/model/id.ts'

interface Pending {
  readonly key: string
  readonly atMs: number
}

/** A slot that never becomes ready, and is gone, must not be remembered forever. */
const maxPending = 10_000

export class Times {
  readonly #times = new Map<ServiceName, LearnedTimes>()
  readonly #starting = new Map<string, Pending>()
  readonly #stopping = new Map<string, Pending>()

  of(name: ServiceName): LearnedTimes {
    return this.#times.get(name) ?? noTimes
  }

  note({ kind, slot, epoch, at }: RecordedEvent): void {
    if (slot === null || epoch === null || isRunSlot(slot)) return
    const mark = { key: `${slot}@${epoch}`, atMs: parseInstant(at) }
    const { service } = parseSlotId(slot)
    switch (kind) {
      case 'started':
        remember(this.#starting, slot, mark)
        return
      case 'ready':
        this.#learn(service, take(this.#starting, slot, mark), withStart)
        return
      case 'draining':
        remember(this.#stopping, slot, mark)
        return
      case 'stopping':
        // With a route the way out began when it was given no new requests.
        if (this.#stopping.get(slot)?.key !== mark.key) remember(this.#stopping, slot, mark)
        return
      case 'stopped':
        this.#learn(service, take(this.#stopping, slot, mark), withStop)
        return
      default:
    }
  }

  /** The wall's clock may have been set in between. */
  #learn(service: ServiceName, ms: number | null, add: typeof withStart): void {
    if (ms !== null && ms >= 0) this.#times.set(service, add(this.of(service), ms))
  }
}

function remember(pending: Map<string, Pending>, slot: string, mark: Pending): void {
  if (pending.size >= maxPending) pending.clear()
  pending.set(slot, mark)
}

function take(pending: Map<string, Pending>, slot: string, mark: Pending): number | null {
  const begun = pending.get(slot)
  pending.delete(slot)
  return begun?.key === mark.key ? mark.atMs - begun.atMs : null
}
