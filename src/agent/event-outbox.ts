/**
 * Events on their way to the server, oldest first, each until the server has written it down. They are numbered within one life of the agent;
 * those of an end that an earlier life has taken in come first, under the numbers that they had, and the server takes none twice.
 *
 * What tells of an end is held back until the end is written down, and with it all that comes later: an agent that dies in between finds the
 * end again, and tells of it once.
 */

import type { Event } from '../core/model/event.ts'
import type { Clock } from '../ports/clock.ts'
import type { AgentEvent, EventId } from '../ports/exchange.ts'
import { isAfter } from './slots/slot-memory.ts'

/** A server that is away for long: the oldest are dropped then, since what is now matters more. */
const maxKept = 4000

export class EventOutbox {
  readonly #life: number
  readonly #clock: Clock
  readonly #events: AgentEvent[]
  readonly #held = new Set<AgentEvent>()
  #sequence = 0
  /** What the server has in its memory, as it last said: not sent again, and not dropped either. */
  #received: EventId | null = null

  constructor(options: { readonly life: number; readonly clock: Clock; readonly unsent: readonly AgentEvent[] }) {
    this.#life = options.life
    this.#clock = options.clock
    this.#events = options.unsent.toSorted((a, b) => a.life - b.life || a.sequence - b.sequence)
  }

  /** Those that the server is not known to have, up to the first that is held back. */
  toSend(): readonly AgentEvent[] {
    const received = this.#received
    const first = received === null ? 0 : this.#events.findLastIndex((event) => !isAfter(event, received)) + 1
    const held = this.#held.size === 0 ? -1 : this.#events.findIndex((event) => this.#held.has(event))
    return this.#events.slice(first, held < 0 ? undefined : Math.max(first, held))
  }

  hold(events: readonly AgentEvent[]): void {
    for (const event of events) this.#held.add(event)
  }

  release(events: readonly AgentEvent[]): void {
    for (const event of events) this.#held.delete(event)
  }

  add(event: Event): AgentEvent {
    this.#sequence += 1
    const numbered = { ...event, at: this.#clock.wallTime(), life: this.#life, sequence: this.#sequence }
    this.#events.push(numbered)
    if (this.#events.length > maxKept) this.#events.shift()
    return numbered
  }

  note({ received, taken }: { readonly received: EventId; readonly taken: EventId }): void {
    this.#received = received
    const kept = this.#events.findIndex((event) => isAfter(event, taken))
    this.#events.splice(0, kept < 0 ? this.#events.length : kept)
  }
}
