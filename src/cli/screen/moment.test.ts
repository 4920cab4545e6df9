import assert from 'node:assert/strict'
import { test } from 'node:test'

import { DarumaError } from '../../ports/error.ts'
import { parseMoment } from './moment.ts'

const nowMs = Date.parse('2026-11-22T12:00:00')

for (const [text, expected] of [
  ['10m', '2026-11-22T11:50:00'],
  ['1h30m', '2026-11-22T10:30:00'],
  ['9:05', '2026-11-22T09:05:00'],
  ['09:05:06.5', '2026-11-22T09:05:06.500'],
  ['2026-11-21', '2026-11-21T00:00:00'],
  ['2026-11-21 23:59', '2026-11-21T23:59:00'],
  ['2026-11-21T23:59:58Z', '2026-11-21T23:59:58Z'],
  ['2026-11-21T23:59:58.25+02:00', '2026-11-21T21:59:58.250Z'],
] as const) {
  test(`"${text}" is ${expected}`, () => assert.equal(parseMoment(text, '--since', nowMs), Date.parse(expected)))
}

for (const text of ['', 'yesterday', '25:00', '12:60', '2026-13-01', '22.11.2026', '-5m', '10']) {
  test(`"${text}" is no time, and says what is one`, () =>
    assert.throws(
      () => parseMoment(text, '--since', nowMs),
      (error) => error instanceof DarumaError && error.code === 'E_USAGE' && error.message.includes(`"${text}"`),
    ))
}
