/**
 * The story, kept in order and bounded. An event is told at once to those who follow and written in the next group; a disk that is full
 * keeps it in memory until there is space. Whoever tells says what it likes: what is kept and passed on holds no secret. Nothing waits for it: a start must not be late because its telling is.
 */

import type { EventKind, RecordedEvent, Story } from '../core/model/event.ts'
import type { RevisionNumber } from '../core/model/id.ts'
import type { Clock } from '../ports/clock.ts'
import type { Store } from '../ports/store.ts'
import { keys, listRecords, put, remove } from './records.ts'
import type { OutgoingEvent, Redact } from './redacted.ts'

/** Enough for weeks of ordinary life; about 2 MB in the database. */
const maxKept = 5000
/** What followers and `events` see without asking the database. */
const maxRecent = 1000
const maxUnwritten = 2000
const maxBatch = 500

export class EventLog {
  readonly #store: Store
  readonly #clock: Clock
  readonly #revision: () => RevisionNumber
  readonly #redact: Redact
  readonly #followers = new Set<(event: RecordedEvent) => void>()
  #recent: RecordedEvent[] = []
  #unwritten: OutgoingEvent[] = []
  #writing: Promise<void> | null = null
  #next = 1
  #oldest = 1
  /** Ends that earlier daemons told. One that died before it had written down that it took in an end leaves that to the next. */
  readonly #told = new Set<string>()

  constructor(options: {
    readonly store: Store
    readonly clock: Clock
    readonly revision: () => RevisionNumber
    readonly redact: Redact
  }) {
    this.#redact = options.redact
    this.#store = options.store
    this.#clock = options.clock
    this.#revision = options.revision
  }

  async load(): Promise<void> {
    const records = await listRecords<RecordedEvent>(this.#store, 'event/')
    this.#recent = records.slice(-maxRecent).map(({ record }) => record)
    this.#next = (this.#recent.at(-1)?.number ?? 0) + 1
    this.#oldest = records[0]?.record.number ?? this.#next
    for (const { record } of records) {
      const ending = nameOfEnding(record)
      if (ending !== null) this.#told.add(ending)
    }
  }

  tell(story: Story): void {
    if (this.#told.has(nameOfEnding(story) ?? '')) return
    const event: OutgoingEvent = {
      number: this.#next,
      at: this.#clock.wallTime(),
      revision: this.#revision(),
      ...story,
      message: this.#redact(story.message),
      cause: story.cause === null ? null : this.#redact(story.cause),
    }
    this.#next += 1
    this.#recent.push(event)
    if (this.#recent.length > maxRecent * 2) this.#recent = this.#recent.slice(-maxRecent)
    if (this.#unwritten.length < maxUnwritten) this.#unwritten.push(event)
    for (const follower of this.#followers) follower(event)
    void this.flush()
  }

  /** Events above `since`, oldest first, at most `limit` of the newest. */
  async read(since: number, limit: number): Promise<readonly RecordedEvent[]> {
    const first = this.#recent[0]?.number ?? this.#next
    const wanted = Math.max(since + 1, this.#next - limit)
    if (wanted >= first) return this.#recent.filter((event) => event.number >= wanted)
    const stored = await listRecords<RecordedEvent>(this.#store, 'event/')
    const older = stored.map(({ record }) => record).filter((event) => event.number >= wanted && event.number < first)
    return [...older, ...this.#recent].slice(-limit)
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
      const puts = batch.map((event) => put(keys.event(event.number), event))
      const forgotten = this.#surplus(batch.length)
      try {
        await this.#store.transact({ then: [...puts, ...forgotten.map((number) => remove(keys.event(number)))] })
      } catch {
        return
      }
      this.#oldest += forgotten.length
      this.#unwritten = this.#unwritten.slice(batch.length)
    }
  }

  /** Numbers of the oldest events that must make room. */
  #surplus(room: number): readonly number[] {
    const count = Math.max(0, Math.min(room + 10, this.#next - this.#oldest - maxKept))
    return Array.from({ length: count }, (_, index) => this.#oldest + index)
  }
}

/** An epoch ends once, and in one way; what follows from that is told once too. */
const endings: ReadonlySet<EventKind> = new Set<EventKind>([
  'exited',
  'stopped',
  'completed',
  'failed',
  'lost',
  'backing-off',
  'crash-looping',
])

const nameOfEnding = ({ kind, slot, epoch }: Story): string | null =>
  endings.has(kind) && slot !== null && epoch !== null ? `${kind} ${slot} ${epoch}` : null
