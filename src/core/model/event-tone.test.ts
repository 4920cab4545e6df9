import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toneOfEvent } from './event-tone.ts'

test('what went away is told as bad, its return as good, and a kind that nobody knows yet as neither', () => {
  const kinds = ['engine-away', 'engine-back', 'disk-full', 'disk-recovered', 'skipped', 'of-a-newer-daemon', 'toString']
  assert.deepEqual(kinds.map(toneOfEvent), ['bad', 'good', 'bad', 'good', 'uneasy', 'plain', 'plain'])
})
