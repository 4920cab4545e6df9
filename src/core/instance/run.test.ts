import assert from 'node:assert/strict'
import { test } from 'node:test'
import { updatePace } from '../keys/service/update.ts'
import { asEpoch, asRevisionNumber, asServiceName, runSlotId } from '../model/id.ts'
import type { Service } from '../model/service.ts'
import { newSlot } from './slot.ts'
import { stepSlot } from './step.ts'

const schedule = {
  cron: '@daily',
  timezone: 'UTC',
  missed: 'skip',
  overlap: 'forbid',
  timeoutMs: null,
  retries: 0,
  retryLost: false,
  keep: 1,
} as const
const service = {
  name: asServiceName('report'),
  scale: { kind: 'schedule', schedule },
  runs: { kind: 'process', command: ['true'], source: null, directory: '/', user: null },
  environment: {},
  secrets: {},
  port: { kind: 'none' },
  routes: [],
  volumes: [],
  health: { startup: null, readiness: null, liveness: null, startPeriodMs: 1000 },
  limits: { cpuCores: null, memoryBytes: null, pids: null },
  after: [],
  stop: { signal: 'SIGTERM', gracePeriodMs: 1000, to: 'leader' },
  restart: { policy: 'no', delayMs: 100, maxDelayMs: 1000, resetAfterMs: 1000, budget: 5 },
  update: { order: 'stop-first', deadlineMs: 1000, minReadyMs: 100, ...updatePace },
  guarantee: 'strict',
  protect: false,
  envFile: [],
  ulimits: {},
  logs: { maxBytes: 1000 },
} satisfies Service

test('a run that somebody else has begun is not begun again: what became of it is not known', () => {
  const id = runSlotId(service.name, '2026-11-22T03:00:00Z')
  const spec = { service, identity: 'x', generation: 1, revision: asRevisionNumber(1) }
  const waiting = newSlot(id, null, { kind: 'run', spec, claim: 1 })
  const started = stepSlot(waiting, { kind: 'gate', open: true, because: null }, 0)
  const [order] = started.actions
  assert.equal(order?.kind, 'start')
  const epoch = order?.kind === 'start' ? order.epoch : asEpoch(1)
  const refusal = { kind: 'superseded', by: asEpoch(epoch + 5) } as const
  const refused = stepSlot(started.slot, { kind: 'refused', epoch, refusal, jitter: 0 }, 1)
  assert.deepEqual(refused.actions, [])
  assert.deepEqual(refused.slot.outcome, { kind: 'failed', identity: 'x', exit: { kind: 'unknown' } })
  assert.deepEqual(stepSlot(refused.slot, { kind: 'tick' }, 100_000).actions, [])
})
