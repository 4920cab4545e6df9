import assert from 'node:assert/strict'
import { test } from 'node:test'

import { serviceOf } from '../../../test/support/config-bed.ts'
import { medianOf, noTimes, withStart, withStop } from './learned-times.ts'
import { describeTransition } from './transition.ts'

const service = serviceOf({ command: 'serve', singleton: true, health: { http: '/', interval: '1s' } })

test('a gap is the median of the last few starts and stops, so that one slow start does not foretell the next', () => {
  const slow = [20_000, 900, 1100, 1000, 1050].reduce(withStart, noTimes)
  const known = [300, 200, 9000].reduce(withStop, slow)
  assert.equal(
    describeTransition(service, service, known),
    'stop-first, gap about 1.4 s (as measured: 0.3 s to stop, 1.1 s to start)',
  )
  // Of five the first is forgotten with the sixth.
  assert.deepEqual(withStart(slow, 950).startsMs, [900, 1100, 1000, 1050, 950])
})

test('what was never seen is bounded by the config, and said to be no more than that', () => {
  assert.equal(describeTransition(service, service), 'stop-first, gap at least 1 s plus at most 10 s to stop')
  assert.equal(
    describeTransition(service, service, withStart(noTimes, 19_960)),
    'stop-first, gap about 20 s to start plus at most 10 s to stop',
  )
})

test('the median of nothing is nothing, of two their middle', () => {
  assert.deepEqual([medianOf([]), medianOf([7]), medianOf([1, 4]), medianOf([9, 1, 2])], [null, 7, 2.5, 2])
})
