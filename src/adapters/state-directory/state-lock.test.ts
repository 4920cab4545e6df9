import assert from 'node:assert/strict'
import { test } from 'node:test'

import { lockState } from './state-lock.ts'

test('without root the state id is locked by an abstract socket, until that is closed', async (t) => {
  const { geteuid } = process
  t.after(() => Object.assign(process, { geteuid }))
  Object.assign(process, { geteuid: () => 1000 })
  const stateId = `test-${process.pid}`
  const first = await lockState(stateId)
  assert.equal(first.kind, 'ours')
  assert.equal((await lockState(stateId)).kind, 'held')
  assert.equal((await lockState(`${stateId}-other`)).kind, 'ours')
  if (first.kind === 'ours') first.release()
  assert.equal((await lockState(stateId)).kind, 'ours')
})
