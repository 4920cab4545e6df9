/** The ends of `daruma dev` while it plans, waits, and starts its daemon. With real daemons and programs: `test/dev.test.ts`. */

import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import {
  type Answer,
  createContext,
  createScreen,
  type FakeDaemon,
  fakeDaemon,
  type Rehearsal,
  runningVersion,
  temporaryFolder,
  until,
  usedState,
} from '../../../../test/cli/harness.ts'
import { defaultBalancer as balancer } from '../../../core/keys/balancer.ts'
import { devMark } from '../../../host/dev-state.ts'
import { DarumaError } from '../../../ports/error.ts'
import type { SourceWatchOptions } from '../../../ports/runtime/source.ts'
import { aService } from '../../../sim/services.ts'
import type { LoadedConfig, Tools } from '../../tools.ts'
import { runCommandLine } from '../../tree/program.ts'

const file = '/srv/shop/daruma.config.ts'
const project = { name: 'shop', stage: null, balancer, notify: [], services: [aService('web', 'serve')] }
const loaded: LoadedConfig = { ok: true, file, project, warnings: [] }

/** A `dev` in front, and what may be done to it. */
class Front {
  readonly context: Rehearsal
  readonly #outputClosed = new AbortController()
  #onChange: SourceWatchOptions['onChange'] = () => {}
  #code: number | null = null

  constructor(state: string, tools: Partial<Tools>) {
    this.context = createContext({
      terminal: { ...createScreen(), outputClosed: this.#outputClosed.signal },
      tools: {
        findConfig: async () => file,
        loadConfig: async () => loaded,
        resolveSecrets: async () => ({ ok: true, values: {}, warnings: [] }),
        watchSources: async ({ onChange }) => {
          this.#onChange = onChange
          return { [Symbol.dispose]: () => {} }
        },
        ...tools,
      },
    })
    void runCommandLine(this.context, ['dev', '--state', state]).then((code) => (this.#code = code))
  }

  save(path: string): void {
    this.#onChange([path])
  }

  closeOutput(): void {
    this.#outputClosed.abort()
  }

  async says(pattern: RegExp): Promise<void> {
    await until(() => pattern.test(this.context.terminal.noted()))
  }

  async code(): Promise<number | null> {
    await until(() => this.#code !== null)
    return this.#code
  }
}

/** It plans until the config is given. */
async function planning(state: string): Promise<{ readonly front: Front; readonly give: (config: LoadedConfig) => void }> {
  const config = Promise.withResolvers<LoadedConfig>()
  let isAsked = false
  const front = new Front(state, {
    loadConfig: () => {
      isAsked = true
      return config.promise
    },
  })
  await until(() => isAsked)
  return { front, give: config.resolve }
}

test('what was being planned when Ctrl-C came is not applied, and no daemon is started for it', async () => {
  using folder = temporaryFolder()
  const state = join(folder.path, 'state')
  for (const end of ['SIGINT', 'output'] as const) {
    const { front, give } = await planning(state)
    if (end === 'SIGINT') front.context.interrupt()
    else {
      front.closeOutput()
      // Of the same terminal.
      front.context.interrupt('SIGHUP')
    }
    give(loaded)
    assert.equal(await front.code(), 0, front.context.terminal.noted())
    assert.ok(!existsSync(state))
  }
})

test('the second Ctrl-C leaves at once also while it plans; after an output that was closed, the first one does', async () => {
  using folder = temporaryFolder()
  const { front: twice } = await planning(folder.path)
  twice.context.interrupt()
  twice.context.interrupt()
  assert.equal(await twice.code(), 130)
  const { front: closed } = await planning(folder.path)
  closed.closeOutput()
  closed.context.interrupt()
  assert.equal(await closed.code(), 130)
})

test('the state is marked as one of dev before its daemon can make anything in it', async () => {
  using folder = temporaryFolder()
  const state = join(folder.path, 'state')
  let isMarked: boolean | null = null
  const front = new Front(state, {
    launchDaemon: async () => {
      isMarked = existsSync(join(state, devMark))
      throw new DarumaError('E_DAEMON_NO_START', 'no')
    },
  })
  await front.says(/E_DAEMON_NO_START[\s\S]*Retrying/)
  assert.equal(isMarked, true)
  front.context.interrupt()
  assert.equal(await front.code(), 0)
})

const step = { kind: 'update', service: 'web', what: '1 replica', reasons: [], transition: null, warning: null }
const end = { kind: 'end', state: 'succeeded', rolledBack: false, revision: 4, durationMs: 2100 }
const underWay = {
  id: 'op0',
  kind: 'apply',
  revision: 3,
  by: { pid: 7, user: 'grace', command: 'up', file },
  startedAt: new Date().toISOString(),
  state: 'running',
}
const operating = 'POST /v1/operations?project=shop'

/** A daemon that has the project, and of it nothing that is left to be taken down. */
function daemonOf(state: string, answers: Readonly<Record<string, Answer | readonly Answer[]>>): Promise<FakeDaemon> {
  let isStopped = false
  const version: Answer = (_request, response) => {
    if (isStopped) response.destroy()
    else response.end(JSON.stringify({ ...runningVersion, projects: [{ id: 'shop', stage: null, file }] }))
  }
  return fakeDaemon(state, {
    'GET /v1/version': version,
    'GET /v1/version?project=shop': version,
    'GET /v1/projects': { json: [] },
    'GET /v1/projects?project=shop': { json: [] },
    'GET /v1/operations/current?project=shop': { json: null },
    'POST /v1/plan?project=shop': { json: { plan: { base: 3, fingerprint: 'f3', steps: [step], unchanged: 0 }, project } },
    'POST /v1/daemon/stop': (_request, response) => {
      isStopped = true
      response.end('{}')
    },
    ...answers,
  })
}

function usedByDev(): ReturnType<typeof usedState> {
  const state = usedState()
  writeFileSync(join(state.path, devMark), '')
  return state
}

test('Ctrl-C ends the waiting for those who are at work, before the plan and after it, and nothing is asked for afterwards', async () => {
  {
    using state = usedByDev()
    await using daemon = await daemonOf(state.path, {
      'GET /v1/operations/current?project=shop': { json: underWay },
    })
    const front = new Front(state.path, {})
    await front.says(/waiting: applying revision 3/)
    front.context.interrupt()
    assert.equal(await front.code(), 0, front.context.terminal.noted())
    assert.ok(!daemon.requests.some(({ what }) => what === operating))
  }
  using state = usedByDev()
  let asked = 0
  await using _daemon = await daemonOf(state.path, {
    [operating]: (_request, response) => {
      asked += 1
      front.context.interrupt()
      response.writeHead(409).end(JSON.stringify({ error: { code: 'E_OPERATION_BUSY', message: 'busy', hint: null } }))
    },
  })
  const front = new Front(state.path, { preflight: async () => [] })
  assert.equal(await front.code(), 0, front.context.terminal.noted())
  assert.equal(asked, 1)
})

test('logs that could not be followed at one apply are followed at the next', async () => {
  using state = usedByDev()
  await using daemon = await daemonOf(state.path, {
    [operating]: { json: { id: 'op1', revision: 4, unchanged: false } },
    'GET /v1/operations/op1/stream?project=shop': { lines: [end] },
    'GET /v1/status?project=shop': [{ status: 500, code: 'E_INTERNAL', message: 'not now' }, { json: { instances: [] } }],
  })
  const front = new Front(state.path, {})
  await front.says(/not now[\s\S]*Retrying/)
  front.save(file)
  await until(() => daemon.requests.some(({ what }) => what.startsWith('GET /v1/logs')))
  front.context.interrupt()
  assert.equal(await front.code(), 0, front.context.terminal.noted())
})
