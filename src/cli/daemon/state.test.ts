import assert from 'node:assert/strict'
import { defaultBalancer as balancer } from '../../core/keys/balancer.ts'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { createContext, temporaryFolder } from '../../../test/cli/harness.ts'
import type { Context } from '../context.ts'
import { Invocation } from '../tree/invocation.ts'
import { defaultRoot, resolveState } from './state.ts'

const file = '/srv/shop/daruma.config.ts'

function contextIn(home: string, options: { readonly evaluated?: string[]; readonly found?: string | null } = {}): Context {
  return createContext({
    environment: { XDG_STATE_HOME: home },
    tools: {
      findConfig: async () => (options.found === undefined ? file : options.found),
      loadConfig: async ({ stage, files }) => {
        // Where the state is does not hang on what is in an image.
        assert.equal(files, 'leave')
        options.evaluated?.push(file)
        return { ok: true, file, project: { name: 'shop', stage, balancer, notify: [], services: [] }, warnings: [] }
      },
    },
  })
}

function plant(home: string, name: string, origin: unknown): string {
  const directory = join(home, 'daruma', name)
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'origins.json'), typeof origin === 'string' ? origin : JSON.stringify([origin]))
  return directory
}

test('--state wins over DARUMA_STATE, and both are relative to the folder', async () => {
  const context = createContext({ cwd: '/srv', environment: { DARUMA_STATE: 'there' } })
  assert.equal((await resolveState(context, new Invocation([], {}))).directory, '/srv/there')
  assert.equal((await resolveState(context, new Invocation([], { state: 'here' }))).directory, '/srv/here')
})

test('a state that was made from this config file is found without evaluating it', async () => {
  using home = temporaryFolder()
  plant(home.path, 'other', { file: '/srv/other/daruma.config.ts', stage: null, project: 'other' })
  plant(home.path, 'broken', '{"file": ')
  const wanted = plant(home.path, 'renamed', { file, stage: null, project: 'renamed' })
  writeFileSync(join(wanted, 'state.db'), '')
  const evaluated: string[] = []
  assert.deepEqual(await resolveState(contextIn(home.path, { evaluated }), new Invocation([], {})), {
    directory: wanted,
    isUsed: true,
  })
  assert.deepEqual(evaluated, [])
})

test('another stage of the same file is another state', async () => {
  using home = temporaryFolder()
  plant(home.path, 'shop@prod', { file, stage: 'prod', project: 'shop' })
  const context = contextIn(home.path)
  assert.equal((await resolveState(context, new Invocation([], {}))).directory, join(home.path, 'daruma/shop'))
  assert.equal(
    (await resolveState(context, new Invocation([], { stage: 'prod' }))).directory,
    join(home.path, 'daruma/shop@prod'),
  )
  assert.equal(
    (await resolveState(context, new Invocation([], { stage: 'test' }))).directory,
    join(home.path, 'daruma/shop@test'),
  )
})

test('a config that is gone still names the state that it made', async () => {
  using home = temporaryFolder()
  const wanted = plant(home.path, 'shop', { file, stage: null, project: 'shop' })
  const context = contextIn(home.path, { found: null })
  assert.equal((await resolveState(context, new Invocation([], { file }))).directory, wanted)
})

test('without a config the projects of this machine are named', async () => {
  using home = temporaryFolder()
  const directory = plant(home.path, 'shop@prod', { file, stage: 'prod', project: 'shop' })
  await assert.rejects(resolveState(contextIn(home.path, { found: null }), new Invocation([], {})), {
    code: 'E_CONFIG_MISSING',
    hint: `Name one with -f FILE, or the state with --state DIR. On this machine: shop@prod (${directory}).`,
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
  await assert.rejects(resolveState(context, new Invocation([], {})), {
    code: 'E_CONFIG',
    message: /:3:5 [\s\S]*did you mean replicas\?[\s\S]*:4:5 /,
  })
})

test('root keeps state in /var/lib, others at home', () => {
  assert.equal(defaultRoot({ userId: 0, environment: { HOME: '/root' } }), '/var/lib/daruma')
  assert.equal(defaultRoot({ userId: 1000, environment: { HOME: '/home/ada' } }), '/home/ada/.local/state/daruma')
  assert.equal(defaultRoot({ userId: 1000, environment: { HOME: '/home/ada', XDG_STATE_HOME: '/x' } }), '/x/daruma')
  assert.equal(
    defaultRoot({ userId: 1000, environment: { HOME: '/home/ada', XDG_STATE_HOME: 'relative' } }),
    '/home/ada/.local/state/daruma',
  )
})
