/** The agent's end of the exchange, in its own words: what it reports, what it was told, and the events on their way. */

import { isSameReport } from '../core/instance/report.ts'
import type { SlotReport } from '../core/instance/report.ts'
import type { Event } from '../core/model/event.ts'
import type { SlotId } from '../core/model/id.ts'
import type { Clock } from '../ports/clock.ts'
import type { AgentEvent, AgentLink, Assignment, Down, DownEntry, RoutingWish, Up, UpEntry } from '../ports/exchange.ts'
import { Endpoint } from '../protocol/exchange/endpoint.ts'
import type { Taken } from '../protocol/exchange/picture.ts'
import { EventOutbox } from './event-outbox.ts'

export interface ServerLineOptions {
  readonly life: number
  readonly clock: Clock
  readonly link: AgentLink
  /** Events that an earlier life wrote down and the server may not have. */
  readonly unsent: readonly AgentEvent[]
  readonly onMessage: (message: Down, taken: Taken | null) => void
}

const slotPrefix = 'slot/'

/** The slot that an entry is about; null for the others. */
export const slotOfKey = (key: string): SlotId | null =>
  key.startsWith(slotPrefix) ? (key.slice(slotPrefix.length) as SlotId) : null

export class ServerLine {
  readonly #endpoint: Endpoint<UpEntry, DownEntry, Up, Down>
  readonly #outbox: EventOutbox

  constructor({ life, clock, link, unsent, onMessage }: ServerLineOptions) {
    this.#outbox = new EventOutbox({ life, clock, unsent })
    this.#endpoint = new Endpoint<UpEntry, DownEntry, Up, Down>({
      life,
      clock,
      link,
      complete: (message) => ({ ...message, events: this.#outbox.toSend() }),
      onMessage: (message, taken) => {
        this.#outbox.note(message.events)
        onMessage(message, taken)
        return false
      },
    })
  }

  open(): void {
    this.#endpoint.open()
  }

  close(): void {
    this.#endpoint.close()
  }

  // What was told ------------------------------------------------------------------------------------------------------

  get routing(): RoutingWish | null {
    const wish = this.#endpoint.other.entries.get('routing')
    return wish?.kind === 'routing' ? wish : null
  }

  assignmentOf(slot: SlotId): Assignment | null {
    const entry = this.#endpoint.other.entries.get(`${slotPrefix}${slot}`)
    return entry?.kind === 'slot' ? entry : null
  }

  assignments(): readonly Assignment[] {
    return [...this.#endpoint.other.entries.values()].filter((entry) => entry.kind === 'slot')
  }

  // What is reported ---------------------------------------------------------------------------------------------------

  hasReported(slot: SlotId): boolean {
    return this.#endpoint.own.get(`${slotPrefix}${slot}`) !== undefined
  }

  report(report: SlotReport): void {
    const key = `${slotPrefix}${report.slot}`
    const before = this.#endpoint.own.get(key)
    if (before?.kind === 'slot' && isSameReport(before, report)) return
    this.#endpoint.set(key, { kind: 'slot', ...report })
  }

  removeReport(slot: SlotId): void {
    this.#endpoint.remove(`${slotPrefix}${slot}`)
  }

  /** What says the same as before is not sent. */
  set(entry: Exclude<UpEntry, { readonly kind: 'slot' }>): void {
    const before = this.#endpoint.own.get(entry.kind)
    if (before === undefined || JSON.stringify(before) !== JSON.stringify(entry)) this.#endpoint.set(entry.kind, entry)
  }

  // Events -------------------------------------------------------------------------------------------------------------

  emit(event: Event): void {
    this.#outbox.add(event)
    this.#endpoint.sendSoon()
  }

  /** Events of an end: they wait, and with them all that come later, until they are {@link release}d. */
  hold(events: readonly Event[]): readonly AgentEvent[] {
    const numbered = events.map((event) => this.#outbox.add(event))
    this.#outbox.hold(numbered)
    return numbered
  }

  release(events: readonly AgentEvent[]): void {
    this.#outbox.release(events)
    this.#endpoint.sendSoon()
  }

  /** Sends what was sent and lost. */
  sendAgain(): void {
    if (this.#outbox.toSend().length > 0) this.#endpoint.sendSoon()
  }
}
