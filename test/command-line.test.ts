/** What commands say of a real project: each is read as a person or a script would. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { baseEnvironment, Machine } from './daemon-harness.ts'
import { until } from './processes.ts'

const sleeper = { command: 'exec sleep 1000', update: { minReady: '0s' } }

test('a schedule that fails is trouble: in the header, under its row, in the exit code and for machines', async () => {
  await using machine = new Machine()
  await machine.up({ web: sleeper, bad: { command: 'echo oh no; exit 4', schedule: '* * * * * *' } })
  const outcome = await until('status exits 2', 60_000, async () => {
    const now = await machine.run(['status'])
    return now.code === 2 && /the last run failed/.test(now.stdout) ? now : null
  })
  assert.equal(outcome.code, 2)
  assert.match(outcome.stdout, /1 of 1 ready · in trouble: bad · /)
  assert.match(outcome.stdout, /SERVICE .* LAST +NEXT\n/)
  assert.match(outcome.stdout, /\nbad .* failed [\d.]+ s ago[\s\S]*\n {4}└ the last run failed: exit code 4/)
  const { troubles } = JSON.parse((await machine.run(['status', '--json'])).stdout) as { troubles: { service: string }[] }
  assert.deepEqual([...new Set(troubles.map(({ service }) => service))], ['bad'])
  const named = await machine.run(['status', 'web'])
  assert.equal(named.code, 0, 'only what was named counts')
  assert.match(named.stdout, /^web · 1 of 1 ready · .*\n {2}command +exec sleep 1000\n/)
})

test('after a first up that failed, its logs and events are there by name', async () => {
  await using machine = new Machine()
  machine.writeConfig({ a: { command: 'echo why I fall; exit 3', restart: { delay: '10ms' } } })
  assert.equal((await machine.run(['up', '-y'])).code, 1)
  for (const again of [false, true]) {
    if (again) assert.equal((await machine.run(['daemon', 'restart'])).code, 0)
    const logs = await machine.run(['logs', 'a'])
    assert.deepEqual([logs.code, logs.stderr], [0, ''])
    assert.match(logs.stdout, /why I fall/)
  }
  assert.match((await machine.run(['events', 'a/0'])).stdout, /exit code 3/)
  assert.match(
    (await machine.run(['status'])).stdout,
    /Revision 1 failed and was rolled back: `daruma events` and `daruma logs` tell why\./,
  )
  assert.match((await machine.run(['logs', 'zzz'])).stderr, /There is no service "zzz"\. .*\n→ There are: a\./)
})

test('what was stopped by hand stays stopped while it is scaled, until it is started', async () => {
  await using machine = new Machine()
  await machine.up({ w: { ...sleeper, replicas: 2 } })
  assert.equal((await machine.run(['stop', 'w'])).code, 0)
  const scaled = await machine.run(['scale', 'w=1'])
  assert.equal(scaled.code, 0)
  assert.match(scaled.stderr, /w is stopped by hand, and stays so: `daruma start w` starts it\./)
  assert.deepEqual(machine.find('instance', 'w/0'), [])
  assert.equal((await machine.run(['start', 'w'])).code, 0)
  assert.deepEqual(
    (await machine.waitUntilSettled()).services.map(({ desired, ready }) => [desired, ready]),
    [[1, 1]],
  )
})

test('the gap in a plan is what starts and stops took, also for the next daemon', async () => {
  await using machine = new Machine()
  const slow = (version: number): object => ({
    command: 'sleep 2; touch ready; exec sleep 1000',
    singleton: true,
    environment: { VERSION: String(version) },
    health: { exec: ['test', '-e', 'ready'], interval: '100ms' },
  })
  await machine.up({ s: slow(1) as Record<string, unknown> })
  machine.writeConfig({ s: slow(2) as Record<string, unknown> })
  const before = await machine.run(['plan'])
  assert.match(before.stdout, /stop-first, gap about [2-9][\d.]* s to start plus at most 10 s to stop/)
  assert.equal((await machine.run(['restart', '-y', 's'])).code, 0)
  assert.equal((await machine.run(['daemon', 'restart'])).code, 0)
  assert.match((await machine.run(['plan'])).stdout, /gap about [\d.]+ s \(as measured: [\d.]+ s to stop, [\d.]+ s to start\)/)
})

test('small things: where a config runs, whole values for machines, what ends with 0, what runs on, back without a number', async () => {
  await using machine = new Machine()
  const long = (letter: string): string => letter.repeat(300)
  await machine.up({ web: { ...sleeper, environment: { TEXT: long('a') } } })
  const elsewhere = spawnSync(machine.launcher, ['status'], {
    cwd: dirname(machine.config),
    env: { ...baseEnvironment(), DARUMA_STATE: join(machine.workshop, 'nowhere') },
    encoding: 'utf8',
  })
  assert.match(elsewhere.stderr, new RegExp(`This config runs with --state ${machine.state}: `))

  machine.writeConfig({ web: { ...sleeper, environment: { TEXT: long('b') } } })
  const { steps } = JSON.parse((await machine.run(['plan', '--json'])).stdout) as { steps: { reasons: { to: string }[] }[] }
  assert.equal(steps[0]?.reasons[0]?.to, JSON.stringify(long('b')))
  assert.match((await machine.run(['plan'])).stdout, /TEXT: "a{60,70}… → "b{60,70}…/)
  await machine.up()
  const back = await machine.run(['rollback', '-y'])
  assert.match(back.stdout, /back to revision 1 \(the last that was good\)/)
  assert.equal(back.code, 0)

  machine.writeConfig({ web: sleeper, once: { command: 'true', restart: { delay: '10ms' } } })
  assert.match((await machine.run(['up', '-y'])).stdout, /exit code 0 \(a program that is meant to end is a job: `job: true`/)
  assert.match((await machine.run(['daemon', 'stop'])).stdout, /^The daemon has ended\. 1 instance keeps running\. /)
  assert.equal((await machine.run(['down', '-y'])).code, 0)
  assert.match((await machine.run(['daemon', 'stop'])).stdout, /^The daemon has ended\. None of its instances is running\. /)
})
