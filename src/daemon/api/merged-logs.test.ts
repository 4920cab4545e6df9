import assert from 'node:assert/strict'
import { test } from 'node:test'

import { type SlotId, asServiceName, slotId } from '../../core/model/id.ts'
import type { LogEntry, LogPage, LogStart } from '../../ports/runtime/runtime.ts'
import { type LogQuery, sendLogs, sendNewLogs } from './merged-logs.ts'

const [a, b] = ['a', 'b'].map((name) => slotId(asServiceName(name), 0)) as [SlotId, SlotId]
const everything: LogQuery = { lines: null, sinceMs: null, untilMs: null, withOpenLines: true }

const entry = (text: string, wallMs: number, more: Partial<LogEntry> = {}): LogEntry => ({
  text,
  at: new Date(wallMs).toISOString(),
  wallMs,
  bootMs: wallMs,
  bootId: 'boot',
  epoch: null,
  droppedBytes: 0,
  isCut: false,
  goesOn: false,
  ...more,
})

/** A log in memory by the port's contract: an offset is an entry's number, a page holds two of them. */
class Logs {
  readonly #logs = new Map<SlotId, { begin: number; entries: LogEntry[]; open: LogEntry | null }>()
  pages = 0

  write(slot: SlotId, ...entries: readonly LogEntry[]): this {
    const log = this.#of(slot)
    log.entries.push(...entries)
    log.open = null
    return this
  }

  leaveOpen(slot: SlotId, open: LogEntry): this {
    this.#of(slot).open = open
    return this
  }

  trim(slot: SlotId, begin: number): this {
    this.#of(slot).begin = begin
    return this
  }

  async readLog(slot: SlotId, from: LogStart, _maxBytes: number): Promise<LogPage> {
    this.pages += 1
    const { begin, entries, open } = this.#of(slot)
    const first =
      'offset' in from
        ? Math.max(from.offset, begin)
        : 'lines' in from
          ? Math.max(begin, entries.length - from.lines)
          : entries.findIndex(({ wallMs }) => wallMs >= from.sinceMs)
    const start = first < 0 ? entries.length : Math.max(first, begin)
    const page = entries.slice(start, start + 2)
    const isEnd = start + page.length >= entries.length
    const length = entries.length + (open === null ? 0 : 1)
    return { entries: page, open: isEnd ? open : null, start, next: start + page.length, begin, end: length }
  }

  #of(slot: SlotId): { begin: number; entries: LogEntry[]; open: LogEntry | null } {
    const log = this.#logs.get(slot) ?? { begin: 0, entries: [], open: null }
    this.#logs.set(slot, log)
    return log
  }
}

async function collect(logs: Logs, query: Partial<LogQuery> = {}, slots: readonly SlotId[] = [a, b]) {
  const texts: string[] = []
  const sent = await sendLogs(logs, slots, { ...everything, ...query }, ({ entry: { text } }) => {
    texts.push(text)
    return true
  })
  return { texts, ...sent }
}

const two = (): Logs =>
  new Logs()
    .write(a, entry('a1', 1), entry('a2', 4), entry('a3', 5), entry('a4', 9))
    .write(b, entry('b1', 2), entry('b2', 3), entry('b3', 8))

test('entries of all slots come in the order of time', async () => {
  assert.deepEqual((await collect(two())).texts, ['a1', 'b1', 'b2', 'a2', 'a3', 'b3', 'a4'])
})

test('within one boot a time of day that was set back does not disturb the order', async () => {
  const logs = new Logs()
    .write(a, entry('before', 1000, { bootMs: 10 }), entry('after', 100, { bootMs: 30 }))
    .write(b, entry('between', 1500, { bootMs: 20 }))
  assert.deepEqual((await collect(logs)).texts, ['before', 'between', 'after'])
})

test('the last lines are the last of all together, and the memory of them is not the price', async () => {
  for (const lines of [0, 1, 3, 7, 100])
    assert.deepEqual(
      (await collect(two(), { lines })).texts,
      ['a1', 'b1', 'b2', 'a2', 'a3', 'b3', 'a4'].slice(Math.max(0, 7 - lines)),
    )
})

test('only what was read in the time asked for', async () => {
  assert.deepEqual((await collect(two(), { sinceMs: 4 })).texts, ['a2', 'a3', 'b3', 'a4'])
  assert.deepEqual((await collect(two(), { untilMs: 4 })).texts, ['a1', 'b1', 'b2', 'a2'])
  assert.deepEqual((await collect(two(), { sinceMs: 3, untilMs: 8, lines: 2 })).texts, ['a3', 'b3'])
})

test('a line without an end is sent once, and not where its end is awaited', async () => {
  const logs = new Logs().leaveOpen(a, entry('open', 1))
  assert.deepEqual((await collect(logs)).texts, ['open'])
  const { texts, place } = await collect(logs, { withOpenLines: false })
  assert.equal(texts.length, 0)
  logs.write(a, entry('open and its end', 1))
  await sendNewLogs(logs, [a], place, ({ entry: { text } }) => texts.push(text) > 0)
  assert.deepEqual(texts, ['open and its end'])
})

test('what comes later is sent once, of new slots from their beginning, and what was removed meanwhile leaves a mark', async () => {
  const logs = new Logs().write(a, entry('a1', 1))
  const { place } = await collect(logs, { withOpenLines: false }, [a])
  logs.write(a, entry('lost', 2), entry('a3', 3)).write(b, entry('b1', 4)).trim(a, 2)
  const seen: unknown[] = []
  const take = ({ entry: { text }, isAfterGap }: { entry: LogEntry; isAfterGap: boolean }): boolean =>
    seen.push([text, isAfterGap]) > 0
  await sendNewLogs(logs, [a, b], place, take)
  await sendNewLogs(logs, [a, b], place, take)
  assert.deepEqual(seen, [
    ['a3', true],
    ['b1', false],
  ])
})

test('a slot whose older lines were removed is named where they were asked for, and nowhere else', async () => {
  const logs = two().trim(a, 2)
  assert.deepEqual((await collect(logs)).shortened, [a])
  assert.deepEqual((await collect(logs, { lines: 100 })).shortened, [a])
  assert.deepEqual((await collect(logs, { lines: 4 })).shortened, [])
  assert.deepEqual((await collect(logs, { sinceMs: 4 })).shortened, [a])
  assert.deepEqual((await collect(logs, { sinceMs: 6 })).shortened, [])
})

test('a reader that has gone is sent nothing more', async () => {
  const logs = two()
  let sent = 0
  await sendLogs(logs, [a, b], everything, () => (sent += 1) < 2)
  assert.equal(sent, 2)
})
