import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { createContext, createScreen, escapeCharacter, fakeDaemon, until, usedState } from '../../../test/cli/harness.ts'
import type { StatusAnswer } from '../../protocol/api.ts'
import { runCommandLine } from './program.ts'
import { commands } from './tree.ts'

const status: StatusAnswer = {
  project: 'shop',
  stage: null,
  revision: 1,
  daemon: { pid: 99, startedAt: '2026-11-22T09:00:00.000Z', memoryBytes: 1, condition: null },
  operation: null,
  services: [
    {
      service: 'web' as never,
      kind: 'replicas',
      desired: 1,
      ready: 1,
      guarantee: 'strict',
      stoppedByHand: false,
      routes: [],
      gap: null,
      canary: null,
    },
  ],
  instances: [],
}

async function run(words: readonly string[], context = createContext()): Promise<{ code: number; out: string; note: string }> {
  const code = await runCommandLine(context, words)
  return { code, out: context.terminal.printed(), note: context.terminal.noted() }
}

test('a misspelt command or flag is refused with the nearest right spelling', async () => {
  const command = await run(['statsu'])
  assert.equal(command.code, 1)
  assert.match(command.note, /unknown command 'statsu'[\s\S]*Did you mean status\?/)
  const flag = await run(['up', '--wiat'])
  assert.equal(flag.code, 1)
  assert.match(flag.note, /unknown option '--wiat'[\s\S]*Did you mean --wait\?/)
  assert.match(flag.note, /\[E_USAGE\]/)
})

test('what cannot be parsed is told to a machine in the form of every other error', async () => {
  const { code, out, note } = await run(['up', '--wiat', '--json'])
  assert.deepEqual([code, note], [1, ''])
  assert.deepEqual(JSON.parse(out), {
    error: { code: 'E_USAGE', message: "unknown option '--wiat'.", hint: 'Did you mean --wait?' },
  })
  // Behind `--` the word belongs to another's program.
  const exec = await run(['scale', '--', '--json', 'too', 'many'])
  assert.deepEqual([exec.code, exec.out], [1, ''])
  assert.match(exec.note, /E_USAGE/)
})

test('help lists every command that is not hidden, and each command has examples and exit codes', async () => {
  const { out, code } = await run(['--help'])
  assert.equal(code, 0)
  for (const spec of commands) assert.equal(out.includes(`\n  ${spec.name}`), spec.isHidden !== true, spec.name)
  for (const spec of commands.filter((candidate) => candidate.isHidden !== true)) {
    const help = await run([spec.name, '--help'])
    assert.equal(help.code, 0)
    assert.match(help.out, /Examples:\n {2}\S/, spec.name)
    assert.match(help.out, /Exit codes:\n {2}0/, spec.name)
    assert.doesNotMatch(help.out, new RegExp(escapeCharacter))
  }
})

test('flags count before the command and after it, and the later one wins', async () => {
  using state = usedState()
  await using _daemon = await fakeDaemon(state.path, { 'GET /v1/status': { json: status } })
  for (const words of [
    ['--json', '--state', state.path, 'status'],
    ['status', '--json', '--state', state.path],
    ['--state', '/nowhere', '--json', 'ps', '--state', state.path],
  ]) {
    const { code, out } = await run(words)
    assert.equal(code, 0)
    assert.deepEqual(JSON.parse(out), { ...status, jobs: [], troubles: [] })
  }
})

test('-f follows in logs and names the config elsewhere', async () => {
  using state = usedState()
  await using daemon = await fakeDaemon(state.path, {
    'GET /v1/status': { json: status },
    'GET /v1/events?limit=50': { lines: [] },
    'GET /v1/events?since=0&follow=1': (_request, response) => void response.write('\n'),
  })
  const context = createContext()
  const following = runCommandLine(context, ['events', '-f', '--state', state.path])
  await until(() => daemon.requests.length === 3)
  context.interrupt()
  assert.equal(await following, 0)
})

test('a state in which nothing was ever applied says so, and no daemon is started for it', async () => {
  const { code, note } = await run(['status', '--state', '/nowhere/at/all'])
  assert.equal(code, 1)
  assert.match(note, /nothing has been applied here[\s\S]*daruma up/i)
})

test('with --json an error is one object on stdout', async () => {
  const { code, out, note } = await run(['status', '--json', '--state', '/nowhere/at/all'])
  assert.equal(code, 1)
  assert.equal(note, '')
  assert.equal((JSON.parse(out) as { error: { code: string } }).error.code, 'E_STATE_UNUSED')
})

test('output that is not a terminal has no escape characters, whatever the services print', async () => {
  using state = usedState()
  await using _daemon = await fakeDaemon(state.path, {
    'GET /v1/status': { json: { ...status, services: [{ ...status.services[0], stoppedByHand: true }] } },
    'GET /v1/logs': { lines: [{ service: 'web', slot: 'web/0', line: '\u001B[31mred\u001B[2J\u0007' }] },
    'GET /v1/events?limit=50': {
      lines: [
        {
          number: 1,
          at: '2026-11-22T09:00:00.000Z',
          revision: 1,
          kind: 'exited',
          slot: 'web/0',
          epoch: 7,
          message: 'ended \u001B[1m',
          cause: 'exit code 1',
        },
      ],
    },
    'GET /v1/revisions': {
      json: [{ number: 1, createdAt: '2026-11-22T09:00:00.000Z', by: 'ada', cause: 'up', state: 'applied', summary: '1 to add' }],
    },
    'GET /v1/doctor': { json: { findings: [{ name: 'kernel', state: 'good', message: '6.18', hint: null }] } },
  })
  for (const command of ['status', 'logs', 'events', 'history', 'doctor']) {
    const { code, out } = await run([command, '--state', state.path])
    assert.equal(code, 0, command)
    assert.ok(out.length > 10, command)
    assert.ok(!out.includes(escapeCharacter), `${command}: ${JSON.stringify(out)}`)
  }
})

test('a colour terminal gets colour', async () => {
  using state = usedState()
  await using _daemon = await fakeDaemon(state.path, { 'GET /v1/status': { json: status } })
  const { out } = await run(['status', '--state', state.path], createContext({ terminal: createScreen({ interactive: true }) }))
  assert.ok(out.includes(`${escapeCharacter}[`))
})

test('an unknown service is refused with the nearest name', async () => {
  using state = usedState()
  await using daemon = await fakeDaemon(state.path, { 'GET /v1/status': { json: status }, 'GET /v1/revisions': { json: [] } })
  for (const words of [
    ['logs', 'wbe'],
    ['restart', 'wbe'],
    ['events', 'wbe/0'],
    ['scale', 'wbe=2'],
    ['status', '--only', 'wbe'],
    ['status', 'wbe'],
  ]) {
    const { code, note } = await run([...words, '--state', state.path])
    assert.equal(code, 1)
    assert.match(note, /there is no service "wbe.*Did you mean web\?/is, words.join(' '))
  }
  assert.ok(daemon.requests.every((request) => /^GET \/v1\/(?:status|revisions)$/.test(request.what)))
})

test('a daemon that speaks another API is refused with what to do; one of another version is only mentioned', async () => {
  using state = usedState()
  const version = { api: 1, version: '0.0.9', pid: 99, state: state.path, runs: 'supervised' }
  await using _daemon = await fakeDaemon(state.path, {
    'GET /v1/version': [{ json: { ...version, api: 2 } }, { json: version }],
    'GET /v1/status': { json: status },
  })
  const refused = await run(['status', '--state', state.path])
  assert.equal(refused.code, 1)
  assert.match(refused.note, /speaks API 2[\s\S]*daruma daemon restart/)
  const mentioned = await run(['status', '--state', state.path])
  assert.equal(mentioned.code, 0)
  assert.match(mentioned.note, /daemon is version 0\.0\.9[\s\S]*daruma daemon restart/)
})

test('exec passes the exit code on, and the environment of the instance instead of its own', async () => {
  using state = usedState()
  await using daemon = await fakeDaemon(state.path, {
    'POST /v1/exec': (_request, response, body) => {
      const { command } = body as { readonly command: readonly string[] }
      response.end(JSON.stringify({ slot: 'web/0', command, environment: { DARUMA_SLOT: 'web/0', PATH: process.env['PATH'] } }))
    },
  })
  const script = 'test "$DARUMA_SLOT" = web/0 && test -z "$SECRET" && exit 7'
  const context = createContext({ environment: { SECRET: 'x' } })
  assert.equal((await run(['exec', '--state', state.path, 'web', '--', 'sh', '-c', script], context)).code, 7)
  assert.equal((await run(['exec', '--state', state.path, 'web', 'sh', '-c', 'kill -TERM $$'])).code, 128 + 15)
  assert.equal((await run(['exec', '--state', state.path, 'web', '--', '/no/such/program'])).code, 127)
  assert.deepEqual(daemon.requests[1]?.body, { target: 'web', command: ['sh', '-c', 'kill -TERM $$'] })
})

test('completion names are those of the running daemon, and nothing is said without one', async () => {
  using state = usedState()
  await using _daemon = await fakeDaemon(state.path, { 'GET /v1/status': { json: status } })
  assert.deepEqual(await run(['__complete', 'services', '--state', state.path]), { code: 0, out: 'web\n', note: '' })
  assert.deepEqual(await run(['__complete', 'services', '--state', '/nowhere']), { code: 0, out: '', note: '' })
  assert.deepEqual(await run(['__complete', 'services']), { code: 0, out: '', note: '' })
})

test('a daemon that refuses to start is reported with its own words at once, not after the time limit', async () => {
  using state = usedState()
  const launchDaemon = async (): Promise<void> => {
    mkdirSync(join(state.path, 'host'))
    writeFileSync(join(state.path, 'host/stopped'), '78\n')
    writeFileSync(join(state.path, 'daemon.log'), 'daruma: this is a copy of /elsewhere (E_STATE_COPIED)\n')
  }
  const startedMs = performance.now()
  const { code, note } = await run(['status', '--state', state.path], createContext({ tools: { launchDaemon } }))
  assert.equal(code, 1)
  assert.match(note, /The daemon refused to start[\s\S]*E_STATE_COPIED/)
  assert.ok(performance.now() - startedMs < 5000)
})

test('rolling back asks for the plan of a way back, on which no job runs', async () => {
  using state = usedState()
  const plan = {
    base: 2,
    fingerprint: 'f',
    unchanged: 1,
    steps: [{ kind: 'run-job', service: 'migrate', what: 'job', reasons: [], transition: null, warning: null }],
  }
  await using daemon = await fakeDaemon(state.path, {
    'GET /v1/operations/current': { json: null },
    'GET /v1/revisions': { json: [{ number: 2 }, { number: 1 }] },
    'GET /v1/revisions/1': { json: { project: { name: 'shop', stage: null, services: [] } } },
    'POST /v1/plan': { json: { plan, project: { name: 'shop', stage: null, services: [] } } },
    'POST /v1/operations': { json: { id: '', revision: 2, unchanged: true } },
  })
  const { code } = await run(['rollback', '1', '-y', '--state', state.path])
  assert.equal(code, 0)
  const asked = daemon.requests.find(({ what }) => what === 'POST /v1/plan')?.body as { isRollback: boolean }
  assert.equal(asked.isRollback, true)
  assert.equal((await run(['rollback', '7', '-y', '--state', state.path])).code, 1)
})
