import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeCanary } from './canary.ts'
import type { CanaryInput, CanaryVerdict } from './canary.ts'

const policy = { share: 0.05, forMs: 120_000, errorRate: 0.01 }
const judge = (over: Partial<CanaryInput>): CanaryVerdict =>
  judgeCanary({
    policy,
    heldMs: 33_000,
    canary: { requests: 1203, failed: 0 },
    old: { requests: 23_000, failed: 0 },
    ...over,
  })

test('a canary that goes well is held for its time, tells how far it is, and is then promoted', () => {
  assert.deepEqual(judge({}), { kind: 'hold', message: '5 % of requests, 90 s left, 1,203 requests, 0 failed' })
  assert.deepEqual(judge({ heldMs: 112_500 }), { kind: 'hold', message: '5 % of requests, 8 s left, 1,203 requests, 0 failed' })
  assert.deepEqual(judge({ canary: { requests: 1, failed: 0 } }), {
    kind: 'hold',
    message: '5 % of requests, 90 s left, 1 request, 0 failed',
  })
  assert.deepEqual(judge({ heldMs: 120_000 }), { kind: 'promote', message: '1,203 requests, 0 failed' })
})

test('it is rolled back for failures beyond those of the old revision, with the numbers', () => {
  assert.deepEqual(judge({ canary: { requests: 100, failed: 4 }, old: { requests: 1000, failed: 10 } }), {
    kind: 'fail',
    message: "4 of 100 (4 %) of the canary's requests failed, of the old revision 10 of 1,000 (1 %); at most 1 % more is allowed",
  })
})

test('what fails in both revisions alike is not held against the new one', () => {
  assert.equal(judge({ canary: { requests: 100, failed: 20 }, old: { requests: 1000, failed: 200 } }).kind, 'hold')
})

test('few requests decide nothing before the time is over, and everything then', () => {
  assert.equal(judge({ canary: { requests: 19, failed: 19 } }).kind, 'hold')
  assert.equal(judge({ canary: { requests: 100, failed: 2 } }).kind, 'hold')
  assert.equal(judge({ canary: { requests: 2, failed: 1 }, heldMs: 120_000 }).kind, 'fail')
  assert.equal(judge({ canary: { requests: 0, failed: 0 }, heldMs: 120_000 }).kind, 'promote')
})
