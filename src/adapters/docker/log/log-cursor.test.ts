import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { asEpoch } from '../../../core/model/id.ts'
import { readCursor, sinceOf, TakenEntries, writeCursor } from './log-cursor.ts'

const nothing = { last: [], forgotten: '' } as const
const beganMs = Date.UTC(2026, 0, 1)

/** So many microseconds after the beginning, of stream 1 or 2. */
const moment = (us: number, stream: number = 1): string =>
  `${new Date(beganMs + Math.floor(us / 1000)).toISOString().slice(0, 23)}${`${us % 1000}`.padStart(3, '0')}000Z${stream}`

/** A while after all that is told. */
const nowMs = beganMs + 3_600_000

/** Those that are taken for fresh, of moments in microseconds. */
const fresh = (taken: TakenEntries, told: readonly number[]): readonly number[] =>
  told.filter((us) => taken.take(moment(us), nowMs))

const range = (from: number, to: number): readonly number[] => Array.from({ length: to - from }, (_, index) => from + index)

test('what is told again is known, however far back it begins, and what comes after it is fresh', () => {
  const taken = new TakenEntries(nothing, false)
  assert.deepEqual(fresh(taken, range(0, 5000)), range(0, 5000))
  assert.deepEqual(fresh(taken, range(0, 5010)), range(5000, 5010))
  assert.deepEqual(fresh(taken, range(5009, 5012)), range(5010, 5012), 'also the last one alone')
})

test('the next daemon goes on from the cursor, whatever the engine has forgotten meanwhile', () => {
  const before = new TakenEntries(nothing, false)
  fresh(before, range(0, 5000))
  for (const first of [0, 4000, 4990, 5000, 5003]) {
    const next = new TakenEntries(before.position, false)
    assert.deepEqual(fresh(next, range(first, 5010)), range(Math.max(first, 5000), 5010), `told from ${first} on`)
  }
  assert.equal(before.position.last.length, 32)
  assert.equal(new TakenEntries(before.position, false).since(nowMs), moment(4967))
})

test('of the little that there is in the beginning the next daemon is told everything', () => {
  const before = new TakenEntries(nothing, false)
  fresh(before, range(0, 10))
  const next = new TakenEntries(before.position, false)
  assert.equal(next.since(nowMs), '')
  assert.deepEqual(fresh(next, range(0, 12)), [10, 11])
})

test('the other stream may be a hair late, and two streams may share a moment', () => {
  const taken = new TakenEntries(nothing, false)
  fresh(taken, range(100, 2000))
  assert.equal(taken.take(moment(1900, 2), nowMs), true)
  assert.equal(taken.take(moment(1900, 2), nowMs), false)
  const next = new TakenEntries(taken.position, false)
  assert.equal(next.take(moment(1999, 1), nowMs), false)
  assert.equal(next.take(moment(1999, 2), nowMs), true)
})

test('lines that share a moment are counted, also over a daemon that died between them', () => {
  const before = new TakenEntries(nothing, true)
  assert.deepEqual(fresh(before, [1, 2, 2, 2]), [1, 2, 2, 2])
  const next = new TakenEntries(before.position, true)
  assert.deepEqual(fresh(next, [1, 2, 2, 2, 2, 2, 3]), [2, 2, 3])
})

test('a clock that is set back makes the past news, and hides nothing from the next daemon', () => {
  const taken = new TakenEntries(nothing, false)
  fresh(taken, range(3_000_000, 3_005_000))
  const setBackMs = beganMs + 1000
  const later = range(1_000_000, 1_003_000)
  const told = later.filter((us) => taken.take(moment(us), setBackMs + (us - 1_000_000) / 1000))
  assert.deepEqual(told, later)
  assert.ok(new TakenEntries(taken.position, false).since(setBackMs) <= moment(1_003_000))
  const untouched = new TakenEntries(nothing, false)
  fresh(untouched, range(3_000_000, 3_005_000))
  assert.equal(untouched.since(setBackMs), moment(1_000_000, 0).slice(0, 30), 'from now on')
})

test('a cursor is read as it was written, in place; a torn one and that of another epoch are not believed', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'daruma-cursor-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'log.cursor')
  const taken = new TakenEntries(nothing, false)
  fresh(taken, range(0, 5000))
  const cursor = { epoch: asEpoch(7), ...taken.position, logBytes: 123_456_789_012 }
  writeCursor(path, { epoch: asEpoch(7), ...nothing, logBytes: 0 })
  const { length } = readFileSync(path)
  writeCursor(path, cursor)
  assert.equal(readFileSync(path).length, length)
  assert.deepEqual(readCursor(path, asEpoch(7)), cursor)
  assert.equal(readCursor(path, asEpoch(8)), null)
  assert.equal(readCursor(join(folder, 'none'), asEpoch(7)), null)
})

test('the engine is asked for a moment in seconds', () => {
  assert.equal(sinceOf(''), undefined)
  assert.equal(sinceOf('2026-01-01T00:00:01.000002003Z2'), '1767225601.000002003')
})
