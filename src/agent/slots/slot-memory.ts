/**
 * What the agent writes down of its slots: the ends that it has taken in, with the events that tell of them, and what a slot keeps across
 * lives (its port, its count of starts). An end and its events are one record: anything that finds the one finds the other. The server's word that
 * it has the events removes them, with the next write.
 */

import { newSlot } from '../../core/instance/slot.ts'
import type { Goal, InstanceSpec, Outcome, Slot } from '../../core/instance/slot.ts'
import { completeService } from '../../core/model/complete.ts'
import { asEpoch } from '../../core/model/id.ts'
import type { Epoch, SlotId } from '../../core/model/id.ts'
import type { Clock, Timer } from '../../ports/clock.ts'
import type { AgentEvent, EventId } from '../../ports/exchange.ts'
import { listRecords, put, readRecord } from '../../ports/storage/json-records.ts'
import { maxTransactionOperations } from '../../ports/storage/store.ts'
import type { Operation, Store } from '../../ports/storage/store.ts'

export interface SlotMemo {
  readonly port: number | null
  /** The last epoch whose end was taken in. */
  readonly settledEpoch: Epoch | null
  readonly outcome: Outcome | null
  readonly starts: { readonly identity: string | null; readonly count: number }
  /** The identity under which the slot's job last completed. */
  readonly completed: string | null
  /** What the slot was last told to run: its policies may be newer than those that its instance was started with. */
  readonly told: { readonly spec: InstanceSpec; readonly claim: number } | null
  /** Of the last end, until the server has them. */
  readonly events: readonly AgentEvent[]
}

export const emptyMemo: SlotMemo = {
  port: null,
  settledEpoch: null,
  outcome: null,
  starts: { identity: null, count: 0 },
  completed: null,
  told: null,
  events: [],
}

/** Events of ends that the server has not confirmed; a slot that falls on and on while no server is there keeps its last ones. */
const maxEventsOfSlot = 50

const prefix = 'agent/slot/'
const lifeKey = 'agent/life'
const retryMs = 1000

export interface SlotMemoryOptions {
  readonly store: Store
  readonly clock: Clock
  /** Why nothing can be written, or (null) that it can again. */
  readonly onCondition: (condition: string | null) => void
}

export class SlotMemory {
  readonly #options: SlotMemoryOptions
  readonly #memos = new Map<SlotId, SlotMemo>()
  /** Changed since they were written; a slot without a memo is to be forgotten. */
  readonly #dirty = new Set<SlotId>()
  readonly #withEvents = new Set<SlotId>()
  #life = 1
  #isLifeWritten = false
  #writing: Promise<void> | null = null
  #timer: Timer | null = null
  #isClosed = false

  constructor(options: SlotMemoryOptions) {
    this.#options = options
  }

  /** Greater than that of every agent before, as far as any of them could write. */
  get life(): number {
    return this.#life
  }

  async load(): Promise<void> {
    const { store } = this.#options
    this.#life = ((await readRecord<number>(store, lifeKey)) ?? 0) + 1
    for (const { key, record } of await listRecords<Partial<SlotMemo>>(store, prefix)) {
      const slot = key.slice(prefix.length) as SlotId
      const memo = { ...emptyMemo, ...record }
      this.#memos.set(slot, memo)
      if (memo.events.length > 0) this.#withEvents.add(slot)
    }
    await this.flush()
  }

  get(slot: SlotId): SlotMemo {
    return this.#memos.get(slot) ?? emptyMemo
  }

  entries(): Iterable<readonly [SlotId, SlotMemo]> {
    return this.#memos
  }

  note(slot: SlotId, change: Partial<SlotMemo>): void {
    const memo = { ...this.get(slot), ...change }
    this.#memos.set(slot, memo)
    if (memo.events.length > 0) this.#withEvents.add(slot)
    this.#dirty.add(slot)
    void this.flush()
  }

  /** The slot as it is to be begun with: vacant, and with the past that counts. `lastEpoch`: as far as its files tell. */
  restore(slot: SlotId, goal: Goal, lastEpoch: Epoch | null): Slot {
    const { outcome, starts, settledEpoch } = this.get(slot)
    const last = asEpoch(Math.max(lastEpoch ?? 0, settledEpoch ?? 0))
    const fresh = { ...newSlot(slot, last === 0 ? null : last, goal), outcome }
    return starts.count === 0 ? fresh : { ...fresh, restarts: starts.count - 1, startsUnderIdentity: starts }
  }

  noteTold(slot: SlotId, { spec, claim }: { readonly spec: InstanceSpec; readonly claim: number }): void {
    const { told } = this.get(slot)
    const isSame =
      told !== null && told.claim === claim && told.spec.identity === spec.identity && told.spec.revision === spec.revision
    if (!isSame) this.note(slot, { told: { spec, claim } })
  }

  /** The specification by what was last told, where that is of the same program: how it is probed, routed and ended may have changed. */
  withToldPolicies(slot: SlotId, spec: InstanceSpec): InstanceSpec {
    const told = this.get(slot).told?.spec ?? null
    return told !== null && told.identity === spec.identity ? { ...told, service: completeService(told.service) } : spec
  }

  /** An end, and the events that tell of it. Resolves when it is written, or could not be. */
  async noteEnd(slot: SlotId, change: Partial<SlotMemo>, events: readonly AgentEvent[]): Promise<void> {
    this.note(slot, { ...change, events: [...this.get(slot).events, ...events].slice(-maxEventsOfSlot) })
    await this.flush()
    // The flush that was under way may have been over its last look at what is to be written.
    if (this.#dirty.has(slot)) await this.flush()
  }

  forget(slot: SlotId): void {
    if (!this.#memos.delete(slot)) return
    this.#dirty.add(slot)
    void this.flush()
  }

  /** Events of this life up to `sequence`, and all of earlier lives, are the server's now. Not worth a write of its own. */
  dropEvents(taken: EventId): void {
    for (const slot of this.#withEvents) {
      const memo = this.get(slot)
      const events = memo.events.filter((event) => isAfter(event, taken))
      if (events.length === memo.events.length) continue
      this.#memos.set(slot, { ...memo, events })
      this.#dirty.add(slot)
      if (events.length === 0) this.#withEvents.delete(slot)
    }
  }

  /** Everything noted so far is written when this resolves, unless the store refuses it: then it is tried again each second. */
  flush(): Promise<void> {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null
    })
    return this.#writing
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.flush()
  }

  async #write(): Promise<void> {
    // Let everything that happens in this turn of the loop into one transaction.
    await Promise.resolve()
    try {
      if (!this.#isLifeWritten) await this.#options.store.transact({ then: [put(lifeKey, this.#life)] })
      this.#isLifeWritten = true
      while (this.#dirty.size > 0) await this.#writePart([...this.#dirty].slice(0, maxTransactionOperations))
      this.#options.onCondition(null)
    } catch (error) {
      this.#options.onCondition(error instanceof Error ? error.message : String(error))
      this.#timer?.cancel()
      if (!this.#isClosed) this.#timer = this.#options.clock.after(retryMs, () => void this.flush())
    }
  }

  async #writePart(slots: readonly SlotId[]): Promise<void> {
    for (const slot of slots) this.#dirty.delete(slot)
    const written = slots.map((slot) => [slot, this.#memos.get(slot)] as const)
    try {
      await this.#options.store.transact({
        then: written.map(([slot, memo]): Operation =>
          memo === undefined ? { kind: 'delete', key: `${prefix}${slot}` } : put(`${prefix}${slot}`, memo),
        ),
      })
    } catch (error) {
      for (const slot of slots) this.#dirty.add(slot)
      throw error
    }
  }
}

/** Whether an event was emitted after another one, of whichever life. */
export function isAfter(event: EventId, other: EventId): boolean {
  return event.life > other.life || (event.life === other.life && event.sequence > other.sequence)
}
