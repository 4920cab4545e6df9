import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAge, formatBytes, formatCores, formatDuration, formatLatency, formatRate, plural } from './format.ts'

test('quantities are short, have a unit, and never more digits than can be meant', () => {
  assert.deepEqual([0, 999, 1000, 50 * 2 ** 20, 99.96 * 2 ** 30, null].map(formatBytes), [
    '0 B',
    '999 B',
    '1.0 KiB',
    '50.0 MiB',
    '100 GiB',
    '–',
  ])
  assert.deepEqual([0, 0.004, 9.99, 12.34, null].map(formatCores), ['0.00', '0.00', '9.99', '12.3', '–'])
  assert.deepEqual([0, 0.04, 9.94, 9.96, 12_345, null].map(formatRate), ['0', '0.0', '9.9', '10', '12,345', '–'])
  assert.deepEqual([0.5, 9.96, 950, 12_000, null].map(formatLatency), ['0.5 ms', '10 ms', '950 ms', '12.0 s', '–'])
})

test('durations have at most two units, and none is below zero', () => {
  assert.deepEqual([-5, 999, 59_999, 60_000, 250_000, 3_600_000, 11_100_000, 200_000_000].map(formatDuration), [
    '0 s',
    '0 s',
    '59 s',
    '1m',
    '4m 10s',
    '1h',
    '3h 5m',
    '2d 7h',
  ])
  assert.deepEqual([formatAge(null, 0), formatAge('1970-01-01T00:00:01Z', 3000)], ['–', '2 s'])
})

test('one is one, and others are many', () => {
  assert.deepEqual([plural(1, 'event'), plural(0, 'event'), plural(1200, 'event')], ['1 event', '0 events', '1,200 events'])
})
