import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { createContext, temporaryFolder } from '../../../test/cli/harness.ts'
import { isDevState } from '../../host/dev-state.ts'
import { DarumaError } from '../../ports/error.ts'
import { Invocation } from '../tree/invocation.ts'
import { devStateOf } from './dev-state.ts'

const context = createContext({ environment: { XDG_STATE_HOME: '/home/ada/state', DARUMA_STATE: '/srv/production' } })
const plain = new Invocation([], {})

test('two folders of one name, and two stages, do not meet; the same config finds its own again; DARUMA_STATE is not developed in', () => {
  const states = [
    devStateOf(context, plain, '/srv/a/shop/daruma.config.ts'),
    devStateOf(context, plain, '/srv/b/shop/daruma.config.ts'),
    devStateOf(context, new Invocation([], { stage: 'test' }), '/srv/b/shop/daruma.config.ts'),
  ]
  for (const state of states) assert.match(state, /^\/home\/ada\/state\/daruma-dev\/shop-[0-9a-f]{8}$/)
  assert.equal(new Set(states).size, 3)
  assert.equal(devStateOf(context, plain, '/srv/a/shop/daruma.config.ts'), states[0])
  assert.ok(states.every(isDevState))
  assert.equal(isDevState('/home/ada/state/daruma/shop'), false)
})

test('a state that is named may be new or made by dev, and not one that up made', () => {
  using folder = temporaryFolder()
  const directory = join(folder.path, 'state')
  const named = new Invocation([], { state: directory })
  assert.equal(devStateOf(context, named, '/srv/daruma.config.ts'), directory)
  mkdirSync(directory)
  writeFileSync(join(directory, 'state.db'), '')
  assert.throws(
    () => devStateOf(context, named, '/srv/daruma.config.ts'),
    (error) => error instanceof DarumaError && error.code === 'E_DEV_STATE',
  )
  writeFileSync(join(directory, 'dev'), '')
  assert.equal(devStateOf(context, named, '/srv/daruma.config.ts'), directory)
  assert.ok(isDevState(directory))
})
