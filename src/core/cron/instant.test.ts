import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatInstant, parseInstant } from './instant.ts'

test('an instant has the name that ISO 8601 gives it, and is found again by it', () => {
  assert.equal(formatInstant(0), '1970-01-01T00:00:00Z')
  assert.equal(formatInstant(951_782_400_001), '2000-02-29T00:00:00.001Z')
  fc.assert(
    fc.property(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), (ms) => {
      assert.equal(formatInstant(ms), new Date(ms).toISOString().replace('.000Z', 'Z'))
      assert.equal(parseInstant(formatInstant(ms)), ms)
      assert.equal(parseInstant(new Date(ms).toISOString()), ms)
    }),
    { numRuns: 2000 },
  )
})

test('what is no instant is none', () => {
  for (const text of ['', 'yesterday', '2026-11-22', '2026-11-22T03:00Z', '2026-11-22T03:00:00+01:00', '2026-11-22T03:00:00.1Z'])
    assert.ok(Number.isNaN(parseInstant(text)), text)
})
