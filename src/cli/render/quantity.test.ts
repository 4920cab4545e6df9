import assert from 'node:assert/strict'
import { test } from 'node:test'

import { formatAge, formatBytes, formatDuration, plural } from './quantity.ts'

test('durations have one unit or two, and none says 60 s', () => {
  const inputs = [
    -5, 0, 40, 400, 949, 950, 1234, 9949, 9950, 59_499, 59_500, 60_000, 250_000, 3_600_000, 11_520_000, 86_400_000, 450_000_000,
  ]
  assert.deepEqual(inputs.map(formatDuration), [
    '0 s',
    '0 s',
    '0 s',
    '0.4 s',
    '0.9 s',
    '0.9 s',
    '1.2 s',
    '9.9 s',
    '10 s',
    '59 s',
    '1m',
    '1m',
    '4m 10s',
    '1h',
    '3h 12m',
    '1d',
    '5d 5h',
  ])
})

test('an instant in the future is no negative age', () => {
  assert.equal(formatAge('2026-11-22T12:00:05.000Z', Date.parse('2026-11-22T12:00:00.000Z')), '0 s')
  assert.equal(formatAge(null, 0), '-')
})

test('bytes have three digits at most before the unit changes', () => {
  assert.deepEqual([null, 0, 999, 1024, 35_756_441, 1024 ** 3 - 1, 5 * 1024 ** 4].map(formatBytes), [
    '-',
    '0 B',
    '999 B',
    '1.0 KiB',
    '34.1 MiB',
    '1.0 GiB',
    '5.0 TiB',
  ])
})

test('one is singular', () => {
  assert.deepEqual(
    [plural(0, 'service'), plural(1, 'service'), plural(10_000, 'service')],
    ['0 services', '1 service', '10,000 services'],
  )
})
