/** What programs print, from their pipes to `daruma logs`, through real daemons: in order, with times, whole, or saying what is missing. */

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { promisify } from 'node:util'

import type { LogLine, LogNote } from '../src/protocol/api.ts'
import { baseEnvironment, Machine, type Services } from './daemon-harness.ts'
import { until } from './processes.ts'

const run = promisify(execFile)

async function onMachine(services: Services, act: (machine: Machine) => Promise<void>): Promise<void> {
  await using machine = new Machine()
  await machine.up(services)
  await act(machine)
}

async function read(machine: Machine, words: readonly string[]): Promise<readonly (LogLine | LogNote)[]> {
  const { code, stdout, stderr } = await machine.run(['logs', '--json', ...words])
  assert.equal(code, 0, stderr)
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogLine | LogNote)
}

const linesOf = (all: readonly (LogLine | LogNote)[]): readonly LogLine[] => all.filter((line) => 'line' in line)

/** Prints and stays. */
const printing = (script: string): Services[string] => ({ command: `${script}; exec sleep 100000`, singleton: true })

test('what a program writes to /dev/stderr cuts off nothing that it wrote before', () =>
  onMachine({ a: printing('echo one; echo two; echo three > /dev/stderr') }, async (machine) => {
    const lines = await until('three lines', 20_000, async () => {
      const found = linesOf(await read(machine, ['a']))
      return found.length >= 3 ? found : null
    })
    assert.deepEqual(
      lines.map(({ line }) => line),
      ['one', 'two', 'three'],
    )
  }))

test('as many lines as asked for, to a reader as slow as it likes', () =>
  onMachine({ a: printing('seq 1 60000') }, async (machine) => {
    await until('all is there', 60_000, async () => linesOf(await read(machine, ['-n', '1', 'a']))[0]?.line === '60000' || null)
    const { stdout } = await run(
      '/bin/sh',
      [
        '-c',
        `"$0" logs -n 50000 a --state "$1" --hide-time | { sleep 1; cat; } | sed 's/.* //'`,
        machine.launcher,
        machine.state,
      ],
      { maxBuffer: 1 << 26, env: { ...process.env, DARUMA_NODE: process.execPath } },
    )
    assert.deepEqual(
      stdout.trimEnd().split('\n'),
      Array.from({ length: 50_000 }, (_, index) => `${10_001 + index}`),
    )
  }))

test('a log that has not so many lines says why, and what is there is the newest', () =>
  onMachine({ a: { ...printing('seq 1 100000'), logs: { maxSize: '64KiB' } } }, async (machine) => {
    await until('all is there', 60_000, async () => linesOf(await read(machine, ['-n', '1', 'a']))[0]?.line === '100000' || null)
    const all = await read(machine, ['-n', '50000', 'a'])
    const note = all.find((line) => 'note' in line)
    assert.deepEqual(note, {
      service: 'a',
      slot: 'a/0',
      note: 'Older lines of a/0 were removed: its log keeps 64KiB (logs.maxSize).',
    })
    const lines = linesOf(all)
    assert.ok(lines.length > 1000 && lines.length < 50_000)
    assert.equal(lines.at(-1)?.line, '100000')
    assert.equal((await read(machine, ['-n', '100', 'a'])).length, 100, 'nothing is said where nothing is missing')
  }))

test('lines of several slots come in the order of time, and only those of the time asked for', () => {
  const ticking = (name: string): Services[string] =>
    printing(`i=0; while [ $i -lt 15 ]; do echo "${name} $i"; i=$((i+1)); sleep 0.1; done`)
  return onMachine({ a: ticking('a'), b: ticking('b') }, async (machine) => {
    const lines = await until('all is there', 30_000, async () => {
      const found = linesOf(await read(machine, ['-n', '1000']))
      return found.length >= 30 ? found : null
    })
    const times = lines.map(({ at }) => at)
    assert.deepEqual(times, times.toSorted())
    assert.deepEqual(new Set(lines.map(({ slot }) => slot)), new Set(['a/0', 'b/0']))
    for (const name of ['a', 'b'])
      assert.deepEqual(
        lines.filter(({ service }) => service === name).map(({ line }) => line),
        Array.from({ length: 15 }, (_, index) => `${name} ${index}`),
      )
    const middle = lines[15] ?? assert.fail()
    assert.deepEqual(
      await read(machine, ['--since', middle.at]),
      lines.filter(({ at }) => at >= middle.at),
    )
    assert.deepEqual(
      await read(machine, ['--since', '1h', '--until', middle.at]),
      lines.filter(({ at }) => at <= middle.at),
    )
    assert.deepEqual(await read(machine, ['-n', '7']), lines.slice(-7))
    assert.deepEqual(await read(machine, ['--until', '1h']), [])
    const { stdout } = await machine.run(['logs', '-n', '1', 'a'])
    assert.match(stdout, /^\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} a\/0 │ a 14\n$/)
    assert.equal((await machine.run(['logs', '-n', '1', 'a', '--hide-time'])).stdout, 'a/0 │ a 14\n')
    const refused = await machine.run(['logs', '--since', 'yesterday'])
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /--since is "yesterday", which is not a time/)
  })
})

test('old and new instances of a slot are told apart, and a line without an end is left to the one that wrote it', () =>
  onMachine({ a: printing('printf "begun by $DARUMA_EPOCH"') }, async (machine) => {
    await until('the first has written', 20_000, async () => linesOf(await read(machine, ['a'])).length > 0 || null)
    await machine.kill('instance')
    const lines = await until('its successor has', 30_000, async () => {
      const found = linesOf(await read(machine, ['a']))
      return found.length > 1 ? found : null
    })
    // The keeper's shell may have a word to say of the kill.
    assert.deepEqual(
      lines.map(({ line }) => /^begun by (\d+)/.exec(line)?.[1]),
      lines.map(({ epoch }) => `${epoch}`),
    )
    assert.equal(new Set(lines.map(({ epoch }) => epoch)).size, 2)
  }))

test('a followed log misses nothing and shows nothing twice while daemons and collectors die', () =>
  onMachine({ a: printing('i=0; while [ $i -lt 400 ]; do echo "line $i"; i=$((i+1)); sleep 0.02; done') }, async (machine) => {
    const following = machine.start(['logs', '-f', '-n', '1000000', '--hide-time', 'a'])
    let seen = ''
    following.child.stdout?.on('data', (piece: Buffer) => (seen += piece.toString()))
    for (let round = 0; round < 3; round += 1) {
      const before = seen.length
      await until('it goes on', 30_000, () => seen.length > before + 100 || null)
      await machine.kill('collector')
      await machine.kill('daemon')
    }
    await until('the last line', 60_000, () => seen.includes('line 399\n') || null)
    following.child.kill('SIGINT')
    await following.outcome
    assert.deepEqual(
      seen.trimEnd().split('\n'),
      Array.from({ length: 400 }, (_, index) => `a/0 │ line ${index}`),
    )
  }))

test('who follows all projects sees those that come and nothing twice, is not cut off by one that is removed, and hears of both', async () => {
  await using machine = new Machine({ name: 'one' })
  await using second = new Machine({ name: 'two', state: machine.state })
  const counting = printing('i=0; while [ $i -lt 10000 ]; do echo "line $i"; i=$((i+1)); sleep 0.05; done')
  await machine.up({ a: counting })
  // No config is in reach there.
  const follow = (...words: readonly string[]) => {
    const child = spawn(machine.launcher, [...words, '-f', '--state', machine.state], {
      cwd: machine.workshop,
      env: baseEnvironment(),
    })
    const seen = { text: '', errors: '', child, end: once(child, 'exit') }
    child.stdout.on('data', (piece: Buffer) => (seen.text += piece.toString()))
    child.stderr.on('data', (piece: Buffer) => (seen.errors += piece.toString()))
    return seen
  }
  const logs = follow('logs', '-n', '1000000', '--hide-time')
  const events = follow('events', '--json')
  await until('the first is followed', 30_000, () => logs.text.includes('a/0 │ line 1\n') && events.text.includes('"ready"'))

  await second.up({ a: counting })
  await until('the second is followed too', 30_000, () => logs.text.includes('two/a/0 │ line 1\n'))
  const alone = follow('logs', '-p', 'two')
  await until('it is followed alone', 30_000, () => alone.text.includes('a/0 │ '))
  assert.equal((await second.run(['down', '--yes'])).code, 0)
  assert.equal((await second.run(['project', 'rm', 'two', '--yes'])).code, 0)
  assert.deepEqual(await alone.end, [1, null])
  assert.match(alone.errors, /There is no project two .*\[E_PROJECT_UNKNOWN\]/)

  const before = logs.text.length
  await until('the first is followed still', 30_000, () => logs.text.length > before + 200)
  for (const { child, end, errors } of [logs, events]) {
    child.kill('SIGINT')
    await end
    assert.equal(errors, '')
  }
  const own = logs.text.split('\n').filter((line) => /^(?:one\/)?a\/0 +│ /.test(line))
  assert.deepEqual(
    own.map((line) => line.replace(/^.*│ /, '')),
    own.map((_, index) => `line ${index}`),
  )
  const told = events.text.split('\n').filter((line) => line.includes('"project":"two"'))
  for (const kind of ['operation-started', 'started', 'stopped'])
    assert.ok(
      told.some((line) => line.includes(`"kind":"${kind}"`)),
      `${kind}: ${told.join('\n')}`,
    )
})
