import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { normaliseConfig } from '../../core/config/normalise.ts'
import { asRevisionNumber } from '../../core/model/id.ts'
import { readPlan, writePlan } from './saved-plan.ts'

const context = { directory: '/srv', stage: null, root: true, hostMemoryBytes: 2 ** 34, wallTime: null }
const plan = { base: asRevisionNumber(3), fingerprint: 'f', steps: [], unchanged: 1 }

test('a plan that an earlier version saved is read in the words of this one', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'daruma-plan-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const answer = normaliseConfig({ name: 'shop', services: { web: { command: 'x', update: { order: 'stop-first' } } } }, context)
  assert.ok(answer.ok)
  const [web] = answer.project.services
  const { runs, routes: _routes, update, ...rest } = web!
  const program = { command: runs.command, directory: runs.directory, user: runs.user }
  const { order, deadlineMs, minReadyMs } = update
  const older = { name: 'shop', stage: null, services: [{ ...rest, ...program, update: { order, deadlineMs, minReadyMs } }] }
  const path = join(directory, 'saved.json')
  writeFileSync(path, JSON.stringify({ format: 'daruma-plan-1', file: '/srv/a.ts', state: '/state', project: older, plan }))
  const saved = {
    format: 'daruma-plan-1',
    file: '/srv/a.ts',
    state: '/state',
    project: answer.project,
    only: null,
    plan,
    handOver: null,
  } as const
  assert.deepEqual(readPlan(path), saved)
  rmSync(path)
  writePlan(path, saved)
  assert.deepEqual(readPlan(path), saved)
})

test('a file whose project has no services holds no plan', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'daruma-plan-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'saved.json')
  for (const project of [{}, null, { services: 3 }]) {
    writeFileSync(path, JSON.stringify({ format: 'daruma-plan-1', file: '/srv/a.ts', state: '/state', project, plan }))
    assert.throws(() => readPlan(path), { code: 'E_PLAN_FILE' })
  }
})
