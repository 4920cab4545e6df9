import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backoffMs, renewalMoment } from './renewal.ts'

const dayMs = 86_400_000

test('a certificate is due when a third of its life is left, however long that is', () => {
  assert.equal(renewalMoment({ fromMs: 0, toMs: 90 * dayMs }), 60 * dayMs)
  assert.equal(renewalMoment({ fromMs: dayMs, toMs: 7 * dayMs }), 5 * dayMs)
})

test('failures are at most five in the first hour, the rest grows to half a day, and what the server asks for is kept', () => {
  let [atMs, inTheFirstHour] = [0, 1]
  for (let failures = 1; atMs < 3_600_000; failures += 1) {
    atMs += backoffMs(failures, 0, null)
    if (atMs < 3_600_000) inTheFirstHour += 1
  }
  assert.ok(inTheFirstHour <= 5, `${inTheFirstHour}`)
  assert.equal(backoffMs(1, 0, null), 60_000)
  assert.equal(backoffMs(1, 0.999, null) <= 75_000, true)
  assert.equal(backoffMs(40, 0, null), 12 * 3_600_000)
  assert.equal(backoffMs(1, 0, 3_600_000), 3_600_000)
})
