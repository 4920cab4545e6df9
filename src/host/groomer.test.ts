import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { hostScripts, isRunning, kill, processesNaming, until } from '../../test/support/runtime-bed.ts'
import { usualLogBytes } from './slot-files.ts'

const kib = 1024

/** A groomer that is never told to sleep for long would hide a race; only its pace is changed, in a copy. */
function startGroomer(t: TestContext, state: string): ChildProcess {
  const script = join(state, 'groomer-under-test.sh')
  writeFileSync(script, readFileSync(join(hostScripts, 'groomer.sh'), 'utf8').replace('sleep 5', 'sleep 0.05'))
  const groomer = spawn('/bin/sh', [script, state, '/bin/false', 'none', '/bin/false', '/usr/bin/flock', '/usr/bin/fallocate'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => kill(groomer.pid ?? 0))
  return groomer
}

function makeState(t: TestContext): string {
  const state = mkdtempSync(join(tmpdir(), 'daruma-bed-'))
  mkdirSync(join(state, 'host'))
  // Nobody to get up here.
  writeFileSync(join(state, 'host', 'supervised-by'), 'systemd\n')
  writeFileSync(join(state, 'host', 'groomer.pid'), ' '.repeat(1024))
  t.after(async () => {
    for (const pid of processesNaming(state)) kill(pid)
    await until(() => processesNaming(state).length === 0, 'all ended')
    rmSync(state, { recursive: true, force: true })
  })
  return state
}

function makeLog(state: string, slot: string, boundBytes: number | null, content: string): string {
  const directory = join(state, 'slots', slot)
  mkdirSync(directory, { recursive: true })
  const pad = (value: number): string => `${`${value}`.padStart(16, '0')}\n`
  for (const [name, text] of [
    ['log', content],
    ['log.head', pad(0)],
    ...(boundBytes === null ? [] : [['log.bound', pad(boundBytes)] as const]),
  ] as const) {
    writeFileSync(join(directory, name), text)
  }
  return join(directory, 'log')
}

const usedBytes = (path: string): number => statSync(path).blocks * 512

test('logs are bounded while no daemon runs: the disk gets the space back and what is kept is unharmed', async (t) => {
  const state = makeState(t)
  const content = Array.from({ length: 20_000 }, (_, index) => `line ${index}\n`).join('')
  const big = makeLog(state, 'web.0', 64 * kib, content)
  const small = makeLog(state, 'web.1', 10 * 1024 * kib, content)
  startGroomer(t, state)
  await until(() => usedBytes(big) <= 68 * kib, 'the log is bounded')
  const head = Number(readFileSync(`${big}.head`, 'utf8'))
  assert.equal(head, Math.floor((content.length - 64 * kib) / 4096) * 4096)
  assert.equal(statSync(big).size, content.length)
  const after = readFileSync(big, 'utf8')
  assert.equal(after.slice(head), content.slice(head))
  assert.equal(after.slice(0, head), '\0'.repeat(head))
  assert.equal(readFileSync(small, 'utf8'), content)
})

test('a slot without a bound of its own has the usual one', async (t) => {
  const state = makeState(t)
  const line = `${'x'.repeat(1023)}\n`
  const log = makeLog(state, 'web.0', null, line.repeat(usualLogBytes / line.length))
  startGroomer(t, state)
  appendFileSync(log, line.repeat(64))
  await until(() => existsSync(`${log}.head`) && Number(readFileSync(`${log}.head`, 'utf8')) === 64 * kib, 'the log is bounded')
})

test('no line is lost while a program writes and its log is being bounded', async (t) => {
  const state = makeState(t)
  const log = makeLog(state, 'web.0', 32 * kib, '')
  const lines = 30_000
  const writer = spawn('/bin/sh', ['-c', `i=0; while [ $i -lt ${lines} ]; do echo "line $i"; i=$((i+1)); done >>"$0"`, log], {
    stdio: 'ignore',
  })
  startGroomer(t, state)
  await until(() => writer.exitCode !== null, 'all is written')
  await until(() => usedBytes(log) <= 36 * kib, 'the log is bounded')
  const kept = readFileSync(log, 'utf8').replaceAll('\0', '').split('\n').slice(1, -1)
  const first = Number(kept[0]?.slice(5))
  assert.ok(first > 0 && kept.length > 1000)
  assert.deepEqual(
    kept,
    Array.from({ length: lines - first }, (_, index) => `line ${first + index}`),
  )
})

test('there is one groomer for a state directory, however many are started', async (t) => {
  const state = makeState(t)
  const first = startGroomer(t, state)
  await until(
    () => readFileSync(join(state, 'host', 'groomer.pid'), 'utf8').startsWith(`${first.pid} `),
    'the first holds the lock',
  )
  const second = startGroomer(t, state)
  await until(() => second.exitCode !== null, 'the second left')
  assert.equal(second.exitCode, 0)
  assert.equal(isRunning(first.pid ?? 0), true)
})

test('after a wanted stop it stays while an instance holds its slot, and then ends', async (t) => {
  const state = makeState(t)
  makeLog(state, 'web.0', 64 * kib, '')
  const holder = spawn('flock', [join(state, 'slots', 'web.0'), '-c', 'read line'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const groomer = startGroomer(t, state)
  const idle = (): boolean => readFileSync(`/proc/${groomer.pid}/task/${groomer.pid}/children`, 'utf8') !== ''
  await until(idle, 'it rests')
  writeFileSync(join(state, 'host', 'stopped'), '')
  for (let round = 0; round < 5; round++) {
    await until(() => !idle(), 'it works')
    await until(idle, 'it rests')
  }
  assert.equal(groomer.exitCode, null)
  holder.stdin?.end()
  await until(() => groomer.exitCode !== null, 'it ended')
  assert.equal(groomer.exitCode, 0)
})

test('a removed state directory ends it', async (t) => {
  const state = makeState(t)
  const groomer = startGroomer(t, state)
  rmSync(join(state, 'host'), { recursive: true })
  await until(() => groomer.exitCode !== null, 'it ended')
})

test('where holes cannot be punched it says so once and goes on', async (t) => {
  const state = makeState(t)
  makeLog(state, 'web.0', 4 * kib, 'x'.repeat(64 * kib))
  const script = join(state, 'groomer-under-test.sh')
  writeFileSync(script, readFileSync(join(hostScripts, 'groomer.sh'), 'utf8').replace('sleep 5', 'sleep 0.02'))
  const groomer = spawn('/bin/sh', [script, state, '/bin/false', 'none', '/bin/false', '/usr/bin/flock', '/bin/false'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.after(() => kill(groomer.pid ?? 0))
  let said = ''
  groomer.stdout?.on('data', (part: Buffer) => (said += part.toString()))
  await until(() => said !== '', 'it says so')
  makeLog(state, 'web.1', 4 * kib, 'x'.repeat(64 * kib))
  const began = performance.now()
  await until(() => performance.now() - began > 200, 'ten more rounds')
  assert.equal(said.split('\n').length, 2, said)
  assert.equal(groomer.exitCode, null)
})
