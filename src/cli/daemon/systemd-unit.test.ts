import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { createContext, fakeDaemon, runningVersion, temporaryFolder } from '../../../test/cli/harness.ts'
import { runCommandLine } from '../tree/program.ts'
import { renderUnit, unitName, unitOf } from './systemd-unit.ts'

const underSystemd = { ...runningVersion, runs: 'systemd' }

test('a path with spaces, quotes and percent signs reaches the daemon as it is', () => {
  const unit = renderUnit({ node: '/opt/no de', entry: '/opt/100%/cli.js', state: '/var/lib/a"b$c' })
  assert.match(
    unit,
    /^ExecStart="\/opt\/no de" --max-semi-space-size=1 --max-opt=2 --no-parallel-scavenge \/opt\/100%%\/cli\.js daemon run --state "\/var\/lib\/a\\"b\$\$c"$/m,
  )
})

test('stopping the unit leaves the instances alone, and a refusal is not tried again', () => {
  const unit = renderUnit({ node: '/n', entry: '/e', state: '/s' })
  for (const line of [
    'Restart=always',
    'KillMode=process',
    'Delegate=yes',
    'RestartPreventExitStatus=78',
    'WantedBy=multi-user.target',
  ]) {
    assert.ok(unit.split('\n').includes(line), line)
  }
})

test('the machine has one unit, and any other state directory one of its own', () => {
  const names = ['/var/lib/daruma', '/var/lib/daruma/shop', '/var/lib/daruma/shop@prod', '/srv/a b'].map(unitName)
  assert.deepEqual(names, ['daruma.service', 'daruma-shop.service', 'daruma-shop.prod.service', 'daruma-a-b.service'])
  const describe = (state: string): string | undefined =>
    /^Description=(.*)$/m.exec(renderUnit({ node: '/n', entry: '/e', state }))?.[1]
  assert.deepEqual(['/var/lib/daruma', '/srv/50%'].map(describe), ['Daruma daemon of this machine', 'Daruma daemon of /srv/50%%'])
})

test('a unit that was installed under another name keeps it, so that there is never a second one', async () => {
  using folder = temporaryFolder()
  const state = join(folder.path, 'elsewhere')
  mkdirSync(state)
  const calls: string[] = []
  const units = join(folder.path, 'units')
  mkdirSync(units)
  let daemon: Awaited<ReturnType<typeof fakeDaemon>> | null = null
  const control = async (words: readonly string[]): Promise<string> => {
    calls.push(words.join(' '))
    if (words.includes('--now') || words[0] === 'stop') await daemon?.[Symbol.asyncDispose]()
    daemon =
      words[0] === 'enable' || words[0] === 'start'
        ? await fakeDaemon(state, { 'GET /v1/version': { json: underSystemd } })
        : null
    return ''
  }
  const daruma = async (command: string): Promise<void> => {
    const context = createContext({ userId: 0, tools: { systemd: { isRunning: () => true, control, unitDirectory: units } } })
    assert.equal(await runCommandLine(context, ['daemon', command, '--state', state]), 0, context.terminal.noted())
  }
  try {
    await daruma('install')
    const name = 'daruma-shop.service'
    renameSync(join(units, 'daruma-elsewhere.service'), join(units, name))
    writeFileSync(join(state, 'host/unit'), `${name}\n`)
    for (const command of ['stop', 'install', 'uninstall']) await daruma(command)
    assert.deepEqual(
      calls.filter((words) => words !== 'daemon-reload'),
      ['enable --now daruma-elsewhere.service', `stop ${name}`, `enable --now ${name}`, `disable --now ${name}`],
    )
    assert.deepEqual(readdirSync(units), [])
    assert.deepEqual(
      ['supervised-by', 'unit'].map((mark) => existsSync(join(state, 'host', mark))),
      [false, false],
    )
    assert.equal(unitOf(state), 'daruma-elsewhere.service')
  } finally {
    await (daemon as Awaited<ReturnType<typeof fakeDaemon>> | null)?.[Symbol.asyncDispose]()
  }
})

test('a daemon that answers no more but still lives is waited for: it holds the lock of its successor', async () => {
  using folder = temporaryFolder()
  const state = join(folder.path, 'shop')
  mkdirSync(state)
  const lingering = spawn('sleep', ['0.4'])
  const ended = new Promise<number>((resolve) => lingering.once('exit', () => resolve(performance.now())))
  let close = async (): Promise<void> => undefined
  const daemon = await fakeDaemon(state, {
    'GET /v1/version': { json: { ...runningVersion, pid: lingering.pid } },
    'POST /v1/daemon/stop': (_request, response) => void response.end('{}', () => void close()),
  })
  close = async () => daemon[Symbol.asyncDispose]()
  const context = createContext({ userId: 0 })
  assert.equal(await runCommandLine(context, ['daemon', 'stop', '--state', state]), 0, context.terminal.noted())
  assert.ok(performance.now() >= (await ended))
})

test('install is refused without systemd and without root, and prints the unit all the same', async () => {
  const printing = createContext()
  assert.equal(await runCommandLine(printing, ['daemon', 'install', '--print', '--state', '/s/shop']), 0)
  assert.match(
    printing.terminal.printed(),
    /^ExecStart=\/opt\/node --max-semi-space-size=1 --max-opt=2 --no-parallel-scavenge \/opt\/daruma\/dist\/main\/cli\.js daemon run --state \/s\/shop$/m,
  )
  const withoutSystemd = createContext({ userId: 0 })
  assert.equal(await runCommandLine(withoutSystemd, ['daemon', 'install', '--state', '/s/shop']), 1)
  assert.match(withoutSystemd.terminal.noted(), /init of this machine is not systemd/)
  const systemd = { isRunning: () => true, control: async () => '', unitDirectory: '/nowhere' }
  const withoutRoot = createContext({ tools: { systemd } })
  assert.equal(await runCommandLine(withoutRoot, ['daemon', 'install', '--state', '/s/shop']), 1)
  assert.match(withoutRoot.terminal.noted(), /only root/i)
})

test('install hands a running daemon over: it ends before systemd starts its successor', async () => {
  using folder = temporaryFolder()
  const state = join(folder.path, 'shop')
  mkdirSync(state)
  const calls: string[] = []
  let stopDaemon = async (): Promise<void> => undefined
  const daemon = await fakeDaemon(state, {
    'POST /v1/daemon/stop': (_request, response) => {
      calls.push('daemon stopped')
      response.end('{}', () => void stopDaemon())
    },
  })
  stopDaemon = async () => daemon[Symbol.asyncDispose]()
  let next: Awaited<ReturnType<typeof fakeDaemon>> | null = null
  const control = async (words: readonly string[]): Promise<string> => {
    calls.push(words.join(' '))
    if (words[0] === 'enable') next = await fakeDaemon(state, {})
    return ''
  }
  const context = createContext({ userId: 0, tools: { systemd: { isRunning: () => true, control, unitDirectory: folder.path } } })
  try {
    assert.equal(await runCommandLine(context, ['daemon', 'install', '--state', state]), 0, context.terminal.noted())
    assert.deepEqual(calls, ['daemon-reload', 'daemon stopped', 'enable --now daruma-shop.service'])
    assert.equal(readFileSync(join(state, 'host/supervised-by'), 'utf8'), 'systemd\n')
    const twin = createContext({ userId: 0, tools: { systemd: { isRunning: () => true, control, unitDirectory: folder.path } } })
    assert.equal(await runCommandLine(twin, ['daemon', 'install', '--state', join(folder.path, 'elsewhere/shop')]), 1)
    assert.match(twin.terminal.noted(), /belongs to something else/)
  } finally {
    await (next as Awaited<ReturnType<typeof fakeDaemon>> | null)?.[Symbol.asyncDispose]()
  }
})

test('install names the units that earlier versions installed for single projects, and no others', async () => {
  using folder = temporaryFolder()
  const [state, units] = ['state', 'units'].map((name) => join(folder.path, name)) as [string, string]
  for (const path of [state, units]) mkdirSync(path)
  const write = (name: string, at: string): void =>
    writeFileSync(join(units, name), renderUnit({ node: '/n', entry: '/e', state: at }))
  write('daruma-shop.prod.service', join(state, 'shop@prod'))
  write('daruma-other.service', '/srv/other')
  writeFileSync(join(units, 'daruma-mine.service'), `ExecStart=/mine --state ${join(state, 'mine')}\n`)
  await using closing = new AsyncDisposableStack()
  const control = async (words: readonly string[]): Promise<string> => {
    if (words[0] === 'enable') closing.use(await fakeDaemon(state, {}))
    return ''
  }
  const context = createContext({ userId: 0, tools: { systemd: { isRunning: () => true, control, unitDirectory: units } } })
  assert.equal(await runCommandLine(context, ['daemon', 'install', '--state', state]), 0, context.terminal.noted())
  assert.deepEqual(context.terminal.noted().match(/daruma-\S+\.service runs .*|`daruma .*`/g), [
    `daruma-shop.prod.service runs the daemon of ${state}/shop@prod, a state directory of an earlier version. ` +
      `Once that is down, \`daruma daemon uninstall --state ${state}/shop@prod\` removes it.`,
  ])
})
