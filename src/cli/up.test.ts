import assert from 'node:assert/strict'
import { defaultBalancer as balancer } from '../core/keys/balancer.ts'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import {
  type Answer,
  createContext,
  createScreen,
  fakeDaemon,
  type Rehearsal,
  runningVersion,
  type Screen,
  temporaryFolder,
  until,
  usedState,
} from '../../test/cli/harness.ts'
import type { Project } from '../core/model/service.ts'
import type { Plan } from '../core/plan/plan.ts'
import type { OperationLine, OperationRequest } from '../protocol/api.ts'
import { runCommandLine } from './tree/program.ts'
import type { Tools } from './tools.ts'

const project: Project = { name: 'shop', stage: null, balancer, notify: [], services: [] }
const step = { kind: 'create', service: 'web', what: '2 replicas', reasons: [], transition: null, warning: null } as never
const plan: Plan = { base: 3 as never, fingerprint: 'f3', steps: [step], unchanged: 0 }
const file = '/srv/shop/daruma.config.ts'

function contextFor(terminal: Screen = createScreen(), tools: Partial<Tools> = {}): Rehearsal {
  return createContext({
    terminal,
    tools: {
      ...tools,
      findConfig: async () => file,
      loadConfig: async () => ({ ok: true, file, project, warnings: [] }),
      resolveSecrets: async () => ({ ok: true, values: {}, warnings: [] }),
    },
  })
}

const accepted: Answer = { json: { id: 'op1', revision: 4, unchanged: false } }
const end = { kind: 'end', state: 'succeeded', rolledBack: false, revision: 4, durationMs: 2100 } as const
const quiet: Record<string, Answer | readonly Answer[]> = {
  'GET /v1/operations/current': { json: null },
  'POST /v1/plan': { json: { plan, project } },
}

const bodies = (daemon: { readonly requests: readonly { what: string; body: unknown }[] }): readonly OperationRequest[] =>
  daemon.requests.filter(({ what }) => what === 'POST /v1/operations').map(({ body }) => body as OperationRequest)

test('without a terminal and without -y nothing is applied, and the hint says what to type', async () => {
  using state = usedState()
  await using daemon = await fakeDaemon(state.path, quiet)
  const context = contextFor()
  assert.equal(await runCommandLine(context, ['up', '--state', state.path]), 1)
  assert.match(context.terminal.noted(), /needs confirmation[\s\S]*-y/)
  assert.deepEqual(bodies(daemon), [])
})

test('what cannot start is named before anybody is asked, all of it, and nothing is changed', async () => {
  using state = usedState()
  const web = { name: 'web', scale: { kind: 'singleton' }, after: [], port: { kind: 'fixed', port: 80 }, routes: [] } as never
  await using daemon = await fakeDaemon(state.path, {
    ...quiet,
    'POST /v1/plan': { json: { plan, project: { ...project, services: [web] } } },
    'GET /v1/status': { json: { instances: [{ pid: 7 }, { pid: null }] } },
  })
  const context = contextFor(createScreen({ answer: 'y' }), {
    preflight: async ({ services, ownPids, daemonPid }) => {
      assert.deepEqual([services.map(({ name }) => name), ownPids, daemonPid], [['web'], [7], runningVersion.pid])
      return [
        { service: 'web' as never, kind: 'user', message: 'there is no user nobdy' },
        { service: 'web' as never, kind: 'port', message: 'port 80 is held by nginx (pid 812)' },
      ]
    },
  })
  assert.equal(await runCommandLine(context, ['up', '--state', state.path]), 1)
  assert.match(
    context.terminal.noted(),
    /^error: 1 service cannot start as things are: \[E_PLAN_OBSTACLES\]\n {2}web {2}there is no user nobdy\n {2}web {2}port 80 is held by nginx \(pid 812\)\n→ /,
  )
  assert.deepEqual(bodies(daemon), [])
})

test('a rollback names what cannot start any more, and changes nothing', async () => {
  using state = usedState()
  const web = { name: 'web', scale: { kind: 'singleton' }, after: [], port: { kind: 'none' }, routes: [] } as never
  await using daemon = await fakeDaemon(state.path, {
    ...quiet,
    'GET /v1/revisions': { json: [{ number: 2 }, { number: 1 }] },
    'GET /v1/revisions/1': { json: { project } },
    'POST /v1/plan': { json: { plan, project: { ...project, services: [web] } } },
  })
  const missing = { service: 'web', kind: 'program', message: 'the program ./server (/srv/web/server) does not exist' } as never
  for (const flags of [[], ['--json', '--yes']]) {
    const context = contextFor(createScreen({ answer: 'y' }), { preflight: async () => [missing] })
    assert.equal(await runCommandLine(context, ['rollback', '1', ...flags, '--state', state.path]), 1)
    const said = `${context.terminal.printed()}${context.terminal.noted()}`
    assert.match(said, /E_PLAN_OBSTACLES/)
    assert.match(said, /the program \.\/server \(\/srv\/web\/server\) does not exist/)
    assert.match(said, /go back to another revision/)
  }
  assert.deepEqual(bodies(daemon), [])
})

test('anything but yes is no', async () => {
  for (const answer of ['', 'n', 'yep', 'Y E S']) {
    using state = usedState()
    await using daemon = await fakeDaemon(state.path, quiet)
    assert.equal(await runCommandLine(contextFor(createScreen({ answer })), ['up', '--state', state.path]), 1)
    assert.deepEqual(bodies(daemon), [], answer)
  }
})

test('an apply is shown step by step, as plain lines where there is no terminal', async () => {
  using state = usedState()
  const lines: OperationLine[] = [
    { kind: 'progress', service: 'web', slot: null, message: '0/2 ready', ready: 0, wanted: 2 },
    { kind: 'progress', service: 'web', slot: 'web/0', message: 'started', ready: 1, wanted: 2 },
    { kind: 'progress', service: 'web', slot: null, message: 'done', ready: 0, wanted: 0 },
    end,
  ]
  await using daemon = await fakeDaemon(state.path, {
    ...quiet,
    'POST /v1/operations': accepted,
    'GET /v1/operations/op1/stream': { lines },
  })
  const context = contextFor()
  assert.equal(await runCommandLine(context, ['up', '-y', '--state', state.path]), 0)
  assert.equal(
    context.terminal.printed(),
    `shop, on revision 3:

    + web 2 replicas

Plan: 1 to create, 0 unchanged.
web: 0/2 ready
web/0: started (1/2 ready)
web: done
✓ done in 2.1 s, now on revision 4
`,
  )
  const by = { pid: 4711, user: 'ada', command: 'up', file }
  assert.deepEqual(bodies(daemon), [{ kind: 'apply', by, project, secrets: {}, base: 3, fingerprint: null, only: null }])
})

test('a failure shows probe and last words where it happened, and a rolled-back apply exits 1', async () => {
  using state = usedState()
  const log = Array.from({ length: 12 }, (_, index) => `line ${index + 1}`)
  const failure = {
    service: 'web',
    slot: 'web/2',
    message: 'never became healthy within 60 s',
    probe: 'GET http://127.0.0.1:20001/healthz → 503 "no database"',
    log,
  }
  await using _daemon = await fakeDaemon(state.path, {
    ...quiet,
    'POST /v1/operations': accepted,
    'GET /v1/operations/op1/stream': {
      lines: [
        { kind: 'failure', failure },
        { ...end, state: 'failed', rolledBack: true, revision: 3 },
      ],
    },
  })
  const context = contextFor()
  assert.equal(await runCommandLine(context, ['up', '-y', '--state', state.path]), 1)
  assert.equal(
    context.terminal.printed().split('unchanged.\n')[1],
    `✗ web/2  never became healthy within 60 s
    probe  GET http://127.0.0.1:20001/healthz → 503 "no database"
    its last 10 lines:
${log
  .slice(2)
  .map((line) => `    │ ${line}`)
  .join('\n')}
✗ revision 4 failed and was rolled back after 2.1 s; revision 3 is active again
`,
  )
})

test('a second up does nothing and says so', async () => {
  using state = usedState()
  await using daemon = await fakeDaemon(state.path, {
    ...quiet,
    'POST /v1/plan': { json: { plan: { ...plan, steps: [], unchanged: 2 }, project } },
  })
  const context = contextFor()
  assert.equal(await runCommandLine(context, ['up', '--state', state.path]), 0)
  assert.equal(context.terminal.printed(), 'shop: no changes (on revision 3, 2 services up to date)\n')
  assert.deepEqual(bodies(daemon), [])
})

const busyView = {
  id: 'op0',
  kind: 'apply',
  revision: 3,
  by: { pid: 7, user: 'grace', command: 'up', file },
  startedAt: new Date().toISOString(),
  state: 'running',
}

test('an up while somebody applies is told who; with --wait it plans anew when they are done', async () => {
  using state = usedState()
  const answers = {
    ...quiet,
    'GET /v1/operations/current': [{ json: busyView }, { json: busyView }, { json: busyView }, { json: null }],
    'POST /v1/operations': accepted,
    'GET /v1/operations/op1/stream': { lines: [end] },
  }
  await using daemon = await fakeDaemon(state.path, answers)
  const refused = contextFor()
  assert.equal(await runCommandLine(refused, ['up', '-y', '--state', state.path]), 1)
  assert.match(refused.terminal.noted(), /applying revision 3, for .* \(up by grace, pid 7\)[\s\S]*--wait/)
  assert.deepEqual(bodies(daemon), [])
  const waiting = contextFor()
  assert.equal(await runCommandLine(waiting, ['up', '-y', '--wait', '--state', state.path]), 0)
  assert.match(waiting.terminal.noted(), /^waiting: .*grace/)
  assert.equal(bodies(daemon).length, 1)
})

test('when the world moves while a person reads, they read the new plan before anything happens', async () => {
  using state = usedState()
  const moved = { ...plan, base: 4 as never, fingerprint: 'f4' }
  await using daemon = await fakeDaemon(state.path, {
    'GET /v1/operations/current': { json: null },
    'POST /v1/plan': [{ json: { plan, project } }, { json: { plan: moved, project } }],
    'POST /v1/operations': [{ status: 409, code: 'E_PLAN_STALE', message: 'revision 4 is active now' }, accepted],
    'GET /v1/operations/op1/stream': { lines: [end] },
  })
  const context = contextFor(createScreen({ answer: 'y' }))
  assert.equal(await runCommandLine(context, ['up', '--state', state.path]), 0)
  assert.deepEqual(
    bodies(daemon).map((body) => body.kind === 'apply' && [body.base, body.fingerprint]),
    [
      [3, 'f3'],
      [4, 'f4'],
    ],
  )
  assert.equal(context.terminal.printed().split('Apply this?').length, 3)
})

test('with -y a stale plan is refused rather than applied unseen', async () => {
  using state = usedState()
  await using daemon = await fakeDaemon(state.path, {
    ...quiet,
    'POST /v1/operations': { status: 409, code: 'E_PLAN_STALE', message: 'revision 4 is active now' },
  })
  const context = contextFor()
  assert.equal(await runCommandLine(context, ['up', '-y', '--state', state.path]), 1)
  assert.equal(bodies(daemon).length, 1)
})

test('Ctrl-C ends the watching, not the apply', async () => {
  using state = usedState()
  await using daemon = await fakeDaemon(state.path, {
    ...quiet,
    'POST /v1/operations': accepted,
    'GET /v1/operations/op1/stream': (_request, response) =>
      void response.write(
        `${JSON.stringify({ kind: 'progress', service: 'web', slot: null, message: '0/2 ready', ready: 0, wanted: 2 })}\n`,
      ),
  })
  const context = contextFor()
  const running = runCommandLine(context, ['up', '-y', '--state', state.path])
  await until(() => context.terminal.printed().includes('0/2 ready'))
  context.interrupt()
  assert.equal(await running, 130)
  assert.match(context.terminal.noted(), /The daemon continues/)
  assert.equal(
    daemon.requests.some(({ what }) => what.includes('stop')),
    false,
  )
})

test('a daemon that dies in the middle is waited for, and the end is not missed', async () => {
  using state = usedState()
  await using _daemon = await fakeDaemon(state.path, {
    ...quiet,
    'POST /v1/operations': accepted,
    'GET /v1/operations/op1/stream': [
      (_request, response) => void response.write('\n', () => response.destroy()),
      { lines: [end] },
    ],
  })
  const context = contextFor()
  assert.equal(await runCommandLine(context, ['up', '-y', '--state', state.path]), 0)
  assert.match(context.terminal.printed(), /lost the daemon[\s\S]*done in 2\.1 s, now on revision 4/)
})

test('an operation that ended while no daemon could tell is judged by its revision', async () => {
  const revision = { number: 4, createdAt: '', by: 'ada', cause: 'up', summary: '' }
  for (const [state4, code] of [
    ['applied', 0],
    ['failed', 1],
  ] as const) {
    using state = usedState()
    const revisions = [
      { ...revision, state: state4 },
      { ...revision, number: 3, state: state4 === 'failed' ? 'applied' : 'superseded' },
    ]
    await using _daemon = await fakeDaemon(state.path, {
      ...quiet,
      'POST /v1/operations': accepted,
      'GET /v1/operations/op1/stream': { status: 404, code: 'E_OPERATION_UNKNOWN', message: 'no operation op1' },
      'GET /v1/revisions': { json: revisions },
    })
    const context = contextFor()
    assert.equal(await runCommandLine(context, ['up', '-y', '--state', state.path]), code)
    assert.match(context.terminal.printed(), state4 === 'failed' ? /revision 3 is active again/ : /now on revision 4/)
  }
})

test('a saved plan holds no secret, is private, and is applied only as it was shown', async () => {
  using state = usedState()
  using folder = temporaryFolder()
  const secretive = {
    ...project,
    services: [
      {
        name: 'web',
        runs: { kind: 'process', command: ['serve'] },
        scale: { kind: 'singleton' },
        port: { kind: 'none' },
        routes: [],
        update: { drainMs: 0 },
        secrets: { DB: { source: { from: 'environment', name: 'DB' }, digest: 'd1' } },
        after: [],
      },
    ],
  } as unknown as Project
  const planned = { plan, project: secretive, warnings: [] }
  await using daemon = await fakeDaemon(state.path, {
    'GET /v1/operations/current': { json: null },
    'POST /v1/plan': [
      { json: planned },
      { json: planned },
      { json: { ...planned, plan: { ...plan, fingerprint: 'moved' } } },
      { json: { ...planned, plan: { ...plan, base: 4 } } },
      {
        json: {
          plan,
          project: {
            ...secretive,
            services: [
              { ...secretive.services[0], secrets: { DB: { source: { from: 'environment', name: 'DB' }, digest: 'd2' } } },
            ],
          },
        },
      },
    ],
    'POST /v1/operations': accepted,
    'GET /v1/operations/op1/stream': { lines: [end] },
  })
  const out = join(folder.path, 'shop.plan')
  const context = (): Rehearsal =>
    createContext({
      tools: {
        findConfig: async () => file,
        loadConfig: async () => ({ ok: true, file, project: secretive, warnings: [] }),
        resolveSecrets: async () => ({ ok: true, values: { web: { DB: 'hunter22' } }, warnings: [] }),
      },
    })
  assert.equal(await runCommandLine(context(), ['plan', '--exit-code', '--out', out, '--state', state.path]), 2)
  assert.equal(statSync(out).mode & 0o777, 0o600)
  assert.ok(!readFileSync(out, 'utf8').includes('hunter22'))
  const applying = context()
  assert.equal(await runCommandLine(applying, ['up', '--plan', out]), 0, applying.terminal.noted())
  assert.deepEqual(bodies(daemon), [
    {
      kind: 'apply',
      by: { pid: 4711, user: 'ada', command: 'up --plan', file },
      project: secretive,
      secrets: { web: { DB: 'hunter22' } },
      base: 3,
      fingerprint: 'f3',
      only: null,
    },
  ])
  for (const why of [/the state has changed/i, /made on revision 3, and revision 4/, /secret web\.DB has changed/]) {
    const refused = context()
    assert.equal(await runCommandLine(refused, ['up', '--plan', out]), 1)
    assert.match(refused.terminal.noted(), why)
  }
  assert.equal(bodies(daemon).length, 1)
  assert.ok(existsSync(out))
})

test('with --json every line is an object, and the last one is the end', async () => {
  using state = usedState()
  await using _daemon = await fakeDaemon(state.path, {
    ...quiet,
    'POST /v1/operations': accepted,
    'GET /v1/operations/op1/stream': { lines: [end] },
  })
  const context = contextFor()
  assert.equal(await runCommandLine(context, ['up', '-y', '--json', '--state', state.path]), 0)
  const kinds = context.terminal
    .printed()
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { kind: string }).kind)
  assert.deepEqual(kinds, ['plan', 'operation', 'end'])
})

test('--only takes the other services from the revision that applies', async () => {
  using state = usedState()
  const service = (name: string, command: string, after: readonly string[] = []): object => ({
    name,
    runs: { kind: 'process', command: [command] },
    after: after.map((other) => ({ service: other, condition: 'started' })),
    secrets: {},
  })
  const wanted = {
    ...project,
    services: [service('api', 'new'), service('job', 'new'), service('web', 'new', ['job'])],
  } as unknown as Project
  const recorded = { ...project, services: [service('api', 'old'), service('old', 'old'), service('web', 'old')] }
  await using daemon = await fakeDaemon(state.path, {
    ...quiet,
    'GET /v1/status': { json: { revision: 3 } },
    'GET /v1/revisions/3': { json: { project: recorded } },
  })
  const context = (): Rehearsal =>
    createContext({
      tools: {
        findConfig: async () => file,
        loadConfig: async () => ({ ok: true, file, project: wanted, warnings: [] }),
        resolveSecrets: async () => ({ ok: true, values: {}, warnings: [] }),
      },
    })
  assert.equal(await runCommandLine(context(), ['plan', '--only', 'api', '--only', 'old', '--state', state.path]), 0)
  const asked = daemon.requests.find(({ what }) => what === 'POST /v1/plan')?.body as { project: Project }
  assert.deepEqual(
    asked.project.services.map(({ name, runs }) => [name, runs.command?.[0]]),
    [
      ['api', 'new'],
      ['web', 'old'],
    ],
  )
  const dependent = context()
  assert.equal(await runCommandLine(dependent, ['plan', '--only', 'web', '--state', state.path]), 1)
  assert.match(dependent.terminal.noted(), /web waits for job[\s\S]*--only job/)
})
