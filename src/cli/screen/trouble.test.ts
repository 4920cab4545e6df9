import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { InstanceStatus, SlotState } from '../../core/model/status.ts'
import type { JobView, RunView, StatusAnswer } from '../../protocol/api.ts'
import { exitCodeOf, findTroubles } from './trouble.ts'

const instance = (state: SlotState, health: InstanceStatus['health'] = 'none'): InstanceStatus =>
  ({ service: 'web', slot: 'web/0', state, health, reason: null }) as InstanceStatus

const status = (ready: number, instances: readonly InstanceStatus[] = [], condition: string | null = null): StatusAnswer =>
  ({ daemon: { condition }, services: [{ service: 'web', ready, desired: 1 }], instances }) as unknown as StatusAnswer

const code = (answer: StatusAnswer, jobs: readonly JobView[] = []): number => exitCodeOf(answer, findTroubles(answer, jobs))

const job = (state: RunView['state'], kind: JobView['kind'] = 'schedule', fault: string | null = null): JobView =>
  ({ service: 'web', kind, fault, last: { slot: 'web/x', state, exit: null, message: null } }) as JobView

test('status exits 0 where all is well, 2 where something needs a person, 3 where it is only not ready yet', () => {
  assert.equal(code(status(1, [instance('running', 'healthy')])), 0)
  assert.equal(code(status(1, [instance('completed')])), 0)
  for (const state of ['crash-looping', 'backing-off', 'failed', 'blocked'] as const)
    assert.equal(code(status(0, [instance(state)])), 2)
  assert.equal(code(status(1, [instance('running', 'unhealthy')])), 2)
  assert.equal(code(status(1, [], 'disk full')), 2)
  for (const state of ['pending', 'starting', 'stopping', 'stopped'] as const) assert.equal(code(status(0, [instance(state)])), 3)
  assert.equal(code(status(0)), 3)
})

test('a schedule is in trouble by its last run, unless a person or a newer run ended that one', () => {
  for (const state of ['failed', 'timed-out', 'lost'] as const) assert.equal(code(status(1), [job(state)]), 2, state)
  for (const state of ['succeeded', 'running', 'stopped', 'replaced', 'cancelled'] as const)
    assert.equal(code(status(1), [job(state)]), 0, state)
  assert.equal(code(status(1), [job('succeeded', 'schedule', 'no such timezone')]), 2)
  // A job tells by its slot, which has a state of its own.
  assert.equal(code(status(1), [job('failed', 'job')]), 0)
})
