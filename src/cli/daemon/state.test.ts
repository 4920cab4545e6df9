import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { createContext, temporaryFolder } from '../../../test/cli/harness.ts'
import { Invocation } from '../tree/invocation.ts'
import { defaultState, evaluateConfig, resolveState } from './state.ts'

const file = '/srv/shop/daruma.config.ts'

test('--state wins over DARUMA_STATE, and both are relative to the folder', () => {
  const context = createContext({ cwd: '/srv', environment: { DARUMA_STATE: 'there' } })
  assert.equal(resolveState(context, new Invocation([], {})).directory, '/srv/there')
  assert.equal(resolveState(context, new Invocation([], { state: 'here' })).directory, '/srv/here')
})

test('without either every folder, config and stage means the same state, and no config is looked for', () => {
  using home = temporaryFolder()
  const directory = join(home.path, 'daruma')
  const absent = async (): Promise<never> => assert.fail('no config may be looked for')
  for (const [cwd, stage] of [
    ['/srv/shop', null],
    ['/srv/blog', 'prod'],
  ] as const) {
    const context = createContext({ cwd, environment: { XDG_STATE_HOME: home.path }, tools: { findConfig: absent } })
    assert.deepEqual(resolveState(context, new Invocation([], stage === null ? {} : { stage })), { directory, isUsed: false })
  }
  mkdirSync(directory)
  writeFileSync(join(directory, 'state.db'), '')
  const context = createContext({ environment: { XDG_STATE_HOME: home.path } })
  assert.deepEqual(resolveState(context, new Invocation([], {})), { directory, isUsed: true })
})

test('without a config those that were applied are named', async () => {
  using home = temporaryFolder()
  const directory = join(home.path, 'daruma')
  mkdirSync(directory)
  writeFileSync(join(directory, 'origins.json'), JSON.stringify([{ file, stage: 'prod', project: 'shop' }]))
  const context = createContext({ environment: { XDG_STATE_HOME: home.path }, tools: { findConfig: async () => null } })
  await assert.rejects(evaluateConfig(context, new Invocation([], {})), {
    code: 'E_CONFIG_MISSING',
    hint: `Name one with -f FILE. On this machine: shop_prod (${file}).`,
  })
})

test('a config with problems is refused with every one of them', async () => {
  const problem = {
    code: 'E_CONFIG_UNKNOWN_KEY',
    path: ['services', 'web', 'replcas'],
    message: 'unknown key',
    allowed: null,
    suggestion: 'replicas',
    file,
    line: 3,
    column: 5,
    source: null,
  }
  const context = createContext({
    tools: {
      findConfig: async () => file,
      loadConfig: async () => ({ ok: false, file, problems: [problem, { ...problem, line: 4 }] }),
    },
  })
  await assert.rejects(evaluateConfig(context, new Invocation([], {})), {
    code: 'E_CONFIG',
    message: /:3:5 [\s\S]*did you mean replicas\?[\s\S]*:4:5 /,
  })
})

test('root keeps state in /var/lib, others at home', () => {
  assert.equal(defaultState({ userId: 0, environment: { HOME: '/root' } }), '/var/lib/daruma')
  assert.equal(defaultState({ userId: 1000, environment: { HOME: '/home/ada' } }), '/home/ada/.local/state/daruma')
  assert.equal(defaultState({ userId: 1000, environment: { HOME: '/home/ada', XDG_STATE_HOME: '/x' } }), '/x/daruma')
  assert.equal(
    defaultState({ userId: 1000, environment: { HOME: '/home/ada', XDG_STATE_HOME: 'relative' } }),
    '/home/ada/.local/state/daruma',
  )
})
