import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import type { LogEntry, LogStart } from '../../ports/runtime/runtime.ts'
import { readLastWords, readLog } from './read-log.ts'
import { SegmentWriter } from './segment-writer.ts'
import { listSegments, timesPath } from './segments.ts'

const kib = 1024

function makeDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'daruma-bed-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** What the collector does, with bytes that are known and a clock that is given. */
class Log {
  readonly directory: string
  readonly writer: SegmentWriter
  #nowMs = 1_000_000

  constructor(t: TestContext, boundBytes: number = 1 << 24) {
    this.directory = makeDirectory(t)
    this.writer = new SegmentWriter(this.directory, boundBytes)
    t.after(() => this.writer.close())
  }

  write(bytes: Buffer | string, how: { readonly epoch?: number; readonly dropped?: number; readonly atMs?: number } = {}): this {
    this.#nowMs = how.atMs ?? this.#nowMs + 10
    const all = Buffer.from(bytes)
    for (let from = 0; from < all.length;) {
      const stamp = { wallMs: this.#nowMs, bootMs: this.#nowMs - 900_000, epoch: how.epoch ?? 1, dropped: how.dropped ?? 0 }
      const room = this.writer.prepare(from === 0 ? stamp : { ...stamp, dropped: 0 })
      const written = writeSync(room.file, all, from, Math.min(all.length - from, room.bytes), room.offset)
      this.writer.added(written)
      from += written
    }
    return this
  }

  async all(from: LogStart = { offset: 0 }, maxBytes: number = 1 << 20): Promise<readonly LogEntry[]> {
    const entries: LogEntry[] = []
    let page = await readLog(this.directory, from, maxBytes)
    for (;;) {
      entries.push(...page.entries)
      const { next } = page
      page = await readLog(this.directory, { offset: next }, maxBytes)
      if (page.next === next) return page.open === null ? entries : [...entries, page.open]
    }
  }

  async texts(from?: LogStart, maxBytes?: number): Promise<readonly string[]> {
    return (await this.all(from, maxBytes)).map(({ text }) => text)
  }
}

test('each line has the time of its first byte and the instance that wrote it', async (t) => {
  const log = new Log(t)
    .write('one\ntw', { atMs: 5000 })
    .write('o\nthree\n', { atMs: 6000, epoch: 1 })
    .write('four\n', { atMs: 7000, epoch: 2 })
  assert.deepEqual(
    (await log.all()).map(({ text, wallMs, epoch, isCut, goesOn, droppedBytes }) => ({
      text,
      wallMs,
      epoch,
      isCut,
      goesOn,
      droppedBytes,
    })),
    [
      { text: 'one', wallMs: 5000, epoch: 1 },
      { text: 'two', wallMs: 5000, epoch: 1 },
      { text: 'three', wallMs: 6000, epoch: 1 },
      { text: 'four', wallMs: 7000, epoch: 2 },
    ].map((line) => ({ ...line, isCut: false, goesOn: false, droppedBytes: 0 })),
  )
})

test('an instance that ended within a line leaves it to nobody', async (t) => {
  const log = new Log(t).write('no end', { epoch: 1 }).write('begun\n', { epoch: 2 })
  assert.deepEqual(
    (await log.all()).map(({ text, epoch }) => [text, epoch]),
    [
      ['no end', 1],
      ['begun', 2],
    ],
  )
  assert.equal(await readLastWords(log.directory, 1), 'no end')
})

test('pages of any size give every line once and never half a character', async (t) => {
  const lines = Array.from({ length: 3000 }, (_, index) => `${index} aé達磨🎎 ${'x'.repeat(index % 97)}`)
  const log = new Log(t, 1024 * kib)
  for (const line of lines) log.write(`${line}\n`)
  for (const size of [4, 700, 64 * kib, 1 << 20]) assert.deepEqual(await log.texts({ offset: 0 }, size), lines, `${size}`)
})

test('the last lines are the last lines, over segments and however many are asked for', async (t) => {
  const log = new Log(t, 64 * kib)
  const lines = Array.from({ length: 900 }, (_, index) => `line ${index}`)
  for (const line of lines) log.write(`${line}\n`)
  assert.ok(listSegments(log.directory).length > 1)
  for (const count of [0, 1, 2, 500, 899])
    assert.deepEqual(await log.texts({ lines: count }), lines.slice(900 - count), `${count}`)
  log.write('no end')
  assert.deepEqual(await log.texts({ lines: 2 }), ['line 899', 'no end'])
})

test('a line far longer than memory should be is given in parts that say so, over segments', async (t) => {
  const log = new Log(t, 1 << 20)
  log
    .write('a\n')
    .write(Buffer.alloc(300 * kib, '達'))
    .write('\nb\n')
  const entries = await log.all({ offset: 0 }, 10)
  const long = entries.slice(1, -1)
  assert.equal(long.map(({ text }) => text).join(''), Buffer.alloc(300 * kib, '達').toString())
  assert.ok(long.length >= 5 && long.every(({ text }) => Buffer.byteLength(text) <= 64 * kib))
  assert.deepEqual(
    long.map(({ goesOn }) => goesOn),
    [...long.slice(1).map(() => true), false],
  )
  assert.deepEqual([entries[0]?.text, entries.at(-1)?.text], ['a', 'b'])
})

test('bytes that are no UTF-8 stop nobody and stay in the file as they were', async (t) => {
  const bytes = Buffer.from([0xff, 0xfe, 0x41, 0x80, 0x80, 0x80, 0x80, 0, 0x0a])
  const log = new Log(t).write(bytes)
  assert.deepEqual(await log.texts(), ['\ufffd\ufffdA\ufffd\ufffd\ufffd\ufffd\0'])
})

test('the bound holds after every write, times included, and what is kept is the newest', async (t) => {
  const boundBytes = 64 * kib
  const log = new Log(t, boundBytes)
  let number = 0
  for (let round = 0; round < 4000; round += 1) {
    log.write(`${'x'.repeat(round % 50)} ${(number += 1)}\n`)
    const files = readdirSync(log.directory)
    const bytes = files.reduce((sum, name) => sum + statSync(join(log.directory, name)).size, 0)
    assert.ok(bytes <= boundBytes, `${bytes} after ${round}`)
  }
  const kept = await log.all()
  assert.equal(kept.at(-1)?.text.endsWith(' 4000'), true)
  const numbers = kept.slice(1).map(({ text }) => Number(text.split(' ')[1]))
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, index) => 4001 - numbers.length + index),
  )
})

test('a line whose front was removed says so', async (t) => {
  const log = new Log(t, 64 * kib)
    .write(Buffer.alloc(100 * kib, 'x'))
    .write(' end\n')
    .write('next\n')
  const entries = await log.all()
  assert.equal(entries[0]?.isCut, true)
  assert.deepEqual(entries.at(-1)?.text, 'next')
  assert.equal(entries.at(-1)?.isCut, false)
})

test('what was lost is told at its place, and is no part of a line', async (t) => {
  const log = new Log(t).write('half').write('a line\n', { dropped: 4711 }).write('whole\n')
  assert.deepEqual(
    (await log.all()).map(({ text, droppedBytes }) => [text, droppedBytes]),
    [
      ['half', 0],
      ['a line', 4711],
      ['whole', 0],
    ],
  )
})

test('what was read since a time is found without what came before', async (t) => {
  const log = new Log(t, 64 * kib)
  for (let index = 0; index < 900; index += 1) log.write(`line ${index}\n`, { atMs: 10_000 + index * 10 })
  assert.deepEqual(await log.texts({ sinceMs: 18_980 }), ['line 898', 'line 899'])
  assert.deepEqual(await log.texts({ sinceMs: 99_999 }), [])
})

test('another writer goes on where one was killed: after a stamp without bytes, or before any', async (t) => {
  const log = new Log(t).write('one\n')
  log.writer.prepare({ wallMs: 2_000_000, bootMs: 1_100_000, epoch: 1, dropped: 0 })
  const next = new SegmentWriter(log.directory, 1 << 24)
  t.after(() => next.close())
  const room = next.prepare({ wallMs: 3_000_000, bootMs: 2_100_000, epoch: 1, dropped: 0 })
  next.added(writeSync(room.file, 'two\n', room.offset))
  assert.deepEqual(
    (await log.all()).map(({ text, wallMs }) => [text, wallMs]),
    [
      ['one', 1_000_010],
      ['two', 3_000_000],
    ],
  )
})

test('what is cut off takes its times along, and offsets never fall', async (t) => {
  const log = new Log(t, 64 * kib)
  for (let index = 0; index < 400; index += 1) log.write(`line ${index}\n`)
  const end = log.writer.position
  log.writer.truncate(20)
  log.write('anew\n')
  assert.deepEqual(await log.texts(), ['line 0', 'line 1', 'line 2anew'])
  assert.ok(end > 20)
})

for (const [what, break_] of [
  ['emptied', (segment: string): void => truncateSync(segment)],
  ['cut short', (segment: string): void => truncateSync(segment, 2)],
  ['removed', (segment: string): void => rmSync(segment)],
  ['left without its times', (segment: string): void => rmSync(timesPath(segment))],
] as const) {
  test(`a segment that somebody has ${what} is gone on behind, by the same writer and by the next`, async (t) => {
    for (const isSame of [true, false]) {
      const log = new Log(t).write('one\n').write('two\n')
      const [segment] = listSegments(log.directory)
      break_(segment?.path ?? '')
      const before = await readLog(log.directory, { offset: 0 }, 1 << 20)
      if (!isSame) log.writer.close()
      log.write('three\n')
      const texts = await log.texts()
      assert.equal(texts.at(-1), 'three', `${what} ${texts.join()}`)
      assert.deepEqual(await log.texts({ offset: before.end }), ['three'])
    }
  })
}

test('a slot that never wrote has an empty log, and an offset beyond the end is brought back', async (t) => {
  const directory = makeDirectory(t)
  assert.deepEqual(await readLog(directory, { lines: 5 }, 1000), {
    entries: [],
    open: null,
    start: 0,
    next: 0,
    begin: 0,
    end: 0,
  })
  const log = new Log(t).write('abc\n')
  assert.equal((await readLog(log.directory, { offset: 1000 }, 1000)).next, 4)
})

test('a log without times, such as a former Daruma wrote, is as old as its last change', async (t) => {
  const directory = makeDirectory(t)
  const segment = join(directory, 'log.0000000000000000')
  writeFileSync(segment, 'one\ntwo\n')
  const { entries } = await readLog(directory, { lines: 5 }, 1000)
  assert.deepEqual(
    entries.map(({ text, wallMs, epoch }) => [text, wallMs, epoch]),
    ['one', 'two'].map((text) => [text, statSync(segment).mtimeMs, null]),
  )
})
