/**
 * The events of one project, or of the machine, kept in order and bounded. One goes at once to those who follow and is written with the next
 * group; a disk that is full keeps it in memory until there is space. What is kept and passed on holds no secret, whatever was emitted. Nothing waits for it: a start must not be late because its telling is.
 * Each log has a bound of its own, so that a project that crash-loops pushes out no other's events; the numbers are the machine's, so that
 * several logs can be read as one.
 *
 * What agents emitted is taken in once: the id of the last one is written in the same transaction.
 */

import type { RecordedEvent, Event } from '../core/model/event.ts'
import type { RevisionNumber } from '../core/model/id.ts'
import type { Clock } from '../ports/clock.ts'
import type { AgentEvent, EventId } from '../ports/exchange.ts'
import type { Store } from '../ports/storage/store.ts'
import { listRecords, put, readRecord, remove } from '../ports/storage/json-records.ts'
import { keys } from './records.ts'
import type { OutgoingEvent, Redact } from './redacted.ts'

/** Enough for weeks of ordinary life; about 2 MB in the database. */
const maxKept = 5000
/** What followers and `events` see without asking the database. */
const maxRecent = 1000
const maxUnwritten = 2000
const maxBatch = 500

export interface EventLogOptions {
  readonly store: Store
  readonly clock: Clock
  readonly numbers: EventNumbers
  readonly revision: () => RevisionNumber
  /** No secret goes into an event, wherever it came from. */
  readonly redact: Redact
  /** Events of the agent are written down: it need not keep them. */
  readonly onTaken: () => void
}

interface Unwritten {
  readonly event: OutgoingEvent
  /** Of an agent's event. */
  readonly id: EventId | null
}

const noEvent: EventId = { life: 0, sequence: 0 }

const isAfter = (event: EventId, other: EventId): boolean =>
  event.life > other.life || (event.life === other.life && event.sequence > other.sequence)

/** Numbers the events of all logs of one daemon, in the order in which they are told. */
export class EventNumbers {
  #last = 0

  take(): number {
    this.#last += 1
    return this.#last
  }

  /** An earlier daemon has used it. */
  note(number: number): void {
    this.#last = Math.max(this.#last, number)
  }
}

export class EventLog {
  readonly #store: Store
  readonly #clock: Clock
  readonly #revision: () => RevisionNumber
  readonly #redact: Redact
  readonly #onTaken: () => void
  readonly #followers = new Set<(event: RecordedEvent) => void>()
  #recent: RecordedEvent[] = []
  #unwritten: Unwritten[] = []
  #received: EventId = noEvent
  #taken: EventId = noEvent
  #writing: Promise<void> | null = null
  readonly #numbers: EventNumbers
  /** Of the events in the store, ascending. */
  #stored: number[] = []

  constructor(options: EventLogOptions) {
    this.#store = options.store
    this.#numbers = options.numbers
    this.#clock = options.clock
    this.#revision = options.revision
    this.#redact = options.redact
    this.#onTaken = options.onTaken
  }

  /** The last event of the agent that is here, and the last that is written down. */
  get agentEvents(): { readonly received: EventId; readonly taken: EventId } {
    return { received: this.#received, taken: this.#taken }
  }

  async load(): Promise<void> {
    const records = await listRecords<RecordedEvent>(this.#store, 'event/')
    this.#recent = records.slice(-maxRecent).map(({ record }) => record)
    this.#stored = records.map(({ record }) => record.number)
    this.#numbers.note(this.#stored.at(-1) ?? 0)
    this.#taken = (await readRecord<EventId>(this.#store, keys.eventsTaken)) ?? noEvent
    this.#received = this.#taken
  }

  emit(event: Event): void {
    this.#add({ ...event, at: this.#clock.wallTime() }, null)
    void this.flush()
  }

  /** Takes in those that are new. What there is no room for stays with its agent. */
  take(events: readonly AgentEvent[]): void {
    for (const { life, sequence, ...event } of events) {
      if (this.#unwritten.length >= maxUnwritten) break
      if (!isAfter({ life, sequence }, this.#received)) continue
      this.#received = { life, sequence }
      this.#add(event, this.#received)
    }
    void this.flush()
  }

  #add(event: Event & Pick<RecordedEvent, 'at'>, id: EventId | null): void {
    const { message, cause } = event
    const recorded: OutgoingEvent = {
      ...event,
      message: this.#redact(message),
      cause: cause === null ? null : this.#redact(cause),
      number: this.#numbers.take(),
      revision: this.#revision(),
    }
    this.#recent.push(recorded)
    if (this.#recent.length > maxRecent * 2) this.#recent = this.#recent.slice(-maxRecent)
    if (this.#unwritten.length < maxUnwritten) this.#unwritten.push({ event: recorded, id })
    for (const follower of this.#followers) follower(recorded)
  }

  /** Events above `since`, oldest first, at most `limit` of the newest. */
  async read(since: number, limit: number): Promise<readonly RecordedEvent[]> {
    if (limit === 0) return []
    const recent = this.#recent.filter((event) => event.number > since)
    const first = this.#recent[0]?.number ?? Number.POSITIVE_INFINITY
    const hasOlder = this.#stored.some((number) => number > since && number < first)
    if (recent.length >= limit || !hasOlder) return recent.slice(-limit)
    const stored = await listRecords<RecordedEvent>(this.#store, 'event/')
    const older = stored.map(({ record }) => record).filter((event) => event.number > since && event.number < first)
    return [...older, ...recent].slice(-limit)
  }

  follow(follower: (event: RecordedEvent) => void): () => void {
    this.#followers.add(follower)
    return () => this.#followers.delete(follower)
  }

  /** Writes what is unwritten; a failure leaves it for the next call and is not an error of the caller's. */
  flush(): Promise<void> {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null
    })
    return this.#writing
  }

  async #write(): Promise<void> {
    // Let everything that this turn of the loop tells into one transaction.
    await Promise.resolve()
    while (this.#unwritten.length > 0) {
      const batch = this.#unwritten.slice(0, maxBatch)
      const puts = batch.map(({ event }) => put(keys.event(event.number), event))
      const taken = batch.findLast(({ id }) => id !== null)?.id ?? null
      if (taken !== null) puts.push(put(keys.eventsTaken, taken))
      // A few more than there is no room for: so it is not done for each event.
      const excess = this.#stored.length + batch.length - maxKept
      const forgotten = excess > 0 ? this.#stored.slice(0, Math.min(excess + 10, maxBatch)) : []
      try {
        await this.#store.transact({ then: [...puts, ...forgotten.map((number) => remove(keys.event(number)))] })
      } catch {
        return
      }
      this.#stored = [...this.#stored.slice(forgotten.length), ...batch.map(({ event }) => event.number)]
      this.#unwritten = this.#unwritten.slice(batch.length)
      if (taken === null) continue
      this.#taken = taken
      this.#onTaken()
    }
  }
}
