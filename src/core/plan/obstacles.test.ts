import assert from 'node:assert/strict'
import { test } from 'node:test'

import { projectOf } from '../../../test/support/config-bed.ts'
import { asServiceName } from '../model/id.ts'
import { sortObstacles, startedBy, type Obstacle } from './obstacles.ts'
import { planChanges } from './plan-changes.ts'

const project = projectOf({
  services: {
    build: { command: 'make', job: true },
    api: { command: './api', after: ['build'] },
    web: { command: './web', after: ['api'] },
    alone: { command: './alone' },
  },
})

const outcome = planChanges({ desired: project, recorded: null, observed: [], isRollback: false, only: null })
assert.ok('plan' in outcome)
const { plan } = outcome

const missing = (service: string, kind: Obstacle['kind']): Obstacle => ({ service: asServiceName(service), kind, message: 'x' })

test('what a job of the same change may still make is open, whatever is between them; a user or a port is not made by a job', () => {
  const { certain, open } = sortObstacles(
    [
      missing('web', 'program'),
      missing('web', 'directory'),
      missing('web', 'user'),
      missing('api', 'port'),
      missing('alone', 'program'),
    ],
    plan,
    project,
  )
  assert.deepEqual(
    certain.map(({ service, kind }) => `${service} ${kind}`),
    ['web user', 'api port', 'alone program'],
  )
  assert.deepEqual(
    open.map(({ service, kind, job }) => `${service} ${kind} ${job}`),
    ['web program build', 'web directory build'],
  )
})

test('a job that does not run in this change makes nothing', () => {
  const without = { ...plan, steps: plan.steps.filter(({ kind }) => kind !== 'run-job') }
  assert.equal(sortObstacles([missing('web', 'program')], without, project).certain.length, 1)
})

test('only what a plan starts anew is looked at: not what goes, and not what runs on under another policy', () => {
  const steps = plan.steps.map((step) =>
    step.service === 'api'
      ? { ...step, kind: 'update' as const }
      : step.service === 'web'
        ? { ...step, kind: 'remove' as const }
        : step,
  )
  assert.deepEqual(
    startedBy({ ...plan, steps }, project).map(({ name }) => name),
    ['alone', 'build'],
  )
})
