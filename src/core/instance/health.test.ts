import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Health } from '../model/service.ts'
import { answer, beginWatch } from './health.ts'
import type { Verdict } from './health.ts'

const probe = {
  check: { kind: 'http', path: '/', port: null, host: null },
  intervalMs: 1000,
  timeoutMs: 1000,
  retries: 2,
} as const
const onlyLiveness: Health = { startup: null, readiness: null, liveness: probe, startPeriodMs: 10_000 }

test('a liveness probe that stands alone counts failures only after its first success', () => {
  let watch = beginWatch(onlyLiveness, 0)
  const verdicts = [false, false, false, true, false, false].map((ok, index): Verdict => {
    const taken = answer(onlyLiveness, watch, { probes: ['liveness'], ok, detail: '', nowMs: index * 1000 })
    watch = taken.watch
    return taken.verdict
  })
  assert.deepEqual(verdicts, ['none', 'none', 'none', 'became-ready', 'none', 'not-alive'])
})
