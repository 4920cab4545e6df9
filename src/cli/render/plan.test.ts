import assert from 'node:assert/strict'
import { test } from 'node:test'

import { normaliseConfig } from '../../core/config/normalise.ts'
import { asRevisionNumber, asServiceName } from '../../core/model/id.ts'
import type { Plan, Step } from '../../core/plan/plan.ts'
import { colour, noColour } from '../screen/colour.ts'
import { renderPlan, renderUnasked } from './plan.ts'

const step = (fields: Partial<Step> & Pick<Step, 'kind'> & { readonly name: string }): Step => ({
  service: asServiceName(fields.name),
  what: 'singleton',
  reasons: [],
  transition: null,
  warning: null,
  ...fields,
})

const plan: Plan = {
  base: asRevisionNumber(3),
  fingerprint: 'f',
  unchanged: 2,
  steps: [
    step({
      kind: 'remove',
      name: 'cache',
      reasons: [{ field: '', from: null, to: null, note: 'left the config' }],
      warning: 'volume "data" stays',
    }),
    step({
      kind: 'replace',
      name: 'web',
      what: '3 replicas',
      transition: 'start-first, no gap',
      reasons: [
        { field: 'environment.LOG_LEVEL', from: '"info"', to: '"debug"', note: null },
        { field: 'environment.NEW', from: null, to: '"1"', note: null },
      ],
    }),
    step({
      kind: 'update',
      name: 'api',
      transition: 'no restart',
      reasons: [{ field: 'health.intervalMs', from: '1000', to: '2000', note: null }],
    }),
    step({ kind: 'create', name: 'worker' }),
    step({ kind: 'run-job', name: 'migrate', what: 'job' }),
  ],
}

test('a plan puts every reason on a line of its own and ends in one summary line', () => {
  assert.equal(
    renderPlan(plan, 'shop', { palette: noColour, columns: Infinity }).join('\n'),
    `shop, on revision 3:

    - cache   singleton
        left the config
      ! volume "data" stays
  -/+ web     3 replicas  start-first, no gap
        environment.LOG_LEVEL: "info" → "debug"
        environment.NEW: unset → "1"
    ~ api     singleton   no restart
        health.intervalMs: 1000 → 2000
    + worker  singleton
    + migrate job

Plan: 1 to create, 1 to run, 1 to change, 1 to replace, 1 to remove, 2 unchanged.`,
  )
})

test('a plan without steps is one line that says so', () => {
  assert.deepEqual(renderPlan({ ...plan, steps: [] }, 'shop', { palette: noColour, columns: Infinity }), [
    'shop: no changes (on revision 3, 2 services up to date)',
  ])
})

test('colour changes nothing but colour', () => {
  const plain = renderPlan(plan, 'shop', { palette: noColour, columns: Infinity }).join('\n')
  const coloured = renderPlan(plan, 'shop', { palette: colour, columns: Infinity }).join('\n')
  assert.notEqual(coloured, plain)
  assert.equal(coloured.replaceAll(/\u001B\[\d+m/g, ''), plain)
})

test('who pulls always is told where a plan does not look, unless the tag cannot move or is pulled anyway', () => {
  const service = (image: string, pull: 'always' | 'missing'): object => ({ image, pull, singleton: true })
  const answer = normaliseConfig(
    {
      name: 'shop',
      services: {
        moves: service('r.example/a:latest', 'always'),
        fixed: service(`r.example/a@sha256:${'0'.repeat(64)}`, 'always'),
        api: service('r.example/b:1', 'always'),
        here: service('r.example/c:1', 'missing'),
        process: { command: 'true' },
      },
    },
    { directory: '/srv', stage: null, root: true, hostMemoryBytes: 2 ** 34, wallTime: null },
  )
  assert.ok(answer.ok)
  assert.deepEqual(renderUnasked(answer.project, plan), [
    'moves: whether r.example/a:latest has moved is not asked for a plan; it is pulled when an up changes the service.',
  ])
})

test('in a narrow terminal a line is broken at a space, and goes on below what it says', () => {
  const name = step({
    kind: 'replace',
    name: 'web',
    what: '3 replicas',
    transition: '10 % of the requests for 40s, then start-first, no gap',
  })
  const lines = renderPlan({ ...plan, steps: [name] }, 'shop', { palette: noColour, columns: 60 })
  assert.deepEqual(lines[2]!.split('\n'), [
    '  -/+ web 3 replicas  10 % of the requests for 40s, then',
    '          start-first, no gap',
  ])
})
