/** The late keeper, the held lock, the foreign process: each rule of "never twice on one host" shown against the real kernel. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { listSegments } from '../../host/logs/segments.ts'
import type { Epoch } from '../../core/model/id.ts'
import {
  RuntimeBed,
  instance,
  instrumentKeeper,
  isRunning,
  kill,
  needsRoot,
  until,
  web,
} from '../../../test/support/runtime-bed.ts'

/** Each instance says its epoch here while it lives: the witness. */
const witness = (epoch: number): readonly string[] => ['/bin/sh', '-c', `echo ${epoch} >>ran; exec sleep 1000`]

for (const force of [{}, { killing: 'v1' }, { killing: 'process-group' }] as const) {
  const name = 'killing' in force ? force.killing : 'v2'
  test(
    `${name}: a keeper that stands still after it has joined is found, and ended when it is late`,
    { skip: needsRoot },
    async (t) => {
      for (const point of ['told', 'joined', 'locked', 'compared']) {
        const { bed, keeper } = await startLateKeeper(t, point, { force, arrivalLimitMs: 200 })
        assert.equal((await bed.runtime.start(bed.order(2, witness(2))))?.kind, 'occupied')
        assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'unknown' })
        assert.equal(isRunning(keeper), false)
        await bed.run(2, witness(2), { directory: bed.state })
        await ran(bed, '2\n')
      }
    },
  )

  test(`${name}: a keeper that joined before the next daemon looked is adopted, not doubled`, { skip: needsRoot }, async (t) => {
    const { bed, letGo } = await startLateKeeper(t, 'compared', { force })
    assert.deepEqual(
      bed.discovery.occupants.map(({ epoch, state, pid }) => ({ epoch, state, pid })),
      [{ epoch: 1, state: 'running', pid: null }],
    )
    assert.equal((await bed.runtime.start(bed.order(2, witness(2))))?.kind, 'occupied')
    letGo()
    await bed.event('started', 1)
    await ran(bed, '1\n')
    await bed.runtime.kill(instance(1), 5000)
    await bed.event('gone', 1)
    await bed.run(2, witness(2), { directory: bed.state })
    await ran(bed, '1\n2\n')
  })
}

test('kill reaches a keeper wherever it stands', { skip: needsRoot }, async (t) => {
  for (const point of ['told', 'joined', 'locked', 'compared']) {
    const bed = await RuntimeBed.open(t)
    await bed.reopen({ scripts: instrumentKeeper(bed, point, standHere) })
    assert.equal(await bed.runtime.start(bed.order(1, witness(1), { directory: bed.state })), null)
    const keeper = await standingKeeper(bed)
    await bed.runtime.kill(instance(1), 5000)
    await until(() => !isRunning(keeper), 'the keeper is gone')
    assert.deepEqual(bed.events, [{ kind: 'gone', slot: web, epoch: 1, exit: { kind: 'signal', signal: 'SIGKILL' } }])
    assert.equal(existsSync(bed.path('ran')), false)
  }
})

for (const point of ['told', 'joined', 'locked', 'compared']) {
  test(`a keeper killed at "${point}" has run nothing, and that is told once`, { skip: needsRoot }, async (t) => {
    const bed = await RuntimeBed.open(t)
    await bed.reopen({ scripts: instrumentKeeper(bed, point, standHere) })
    await bed.runtime.start(bed.order(1, witness(1), { directory: bed.state }))
    kill(await standingKeeper(bed))
    const message = 'the keeper ended before it could start the command'
    assert.deepEqual(await bed.event('refused', 1), { kind: 'refused', ...instance(1), refusal: { kind: 'failed', message } })
    assert.equal(existsSync(bed.path('ran')), false)
    await bed.reopen()
    await bed.run(2, witness(2), { directory: bed.state })
    assert.equal(bed.events.length, 1)
  })
}

test('when a keeper is killed its instance dies with it, and that is told once', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t)
  for (const [epoch, which] of [
    [1, 'unshare'],
    [2, 'first in its namespace'],
  ] as const) {
    const { pid } = await bed.run(epoch, ['sleep', '1000'])
    const first = parentOf(pid)
    kill(which === 'unshare' ? parentOf(first) : first)
    assert.deepEqual((await bed.event('gone', epoch)).exit, { kind: 'unknown' })
    assert.equal(isRunning(pid), false)
  }
  await bed.runtime[Symbol.asyncDispose]()
  assert.deepEqual(
    bed.events.map(({ kind, epoch }) => [kind, epoch]),
    [
      ['started', 1],
      ['gone', 1],
      ['started', 2],
      ['gone', 2],
    ],
  )
})

test('somebody else who holds the slot lock makes the start refused, by name; when he lets go it works', async (t) => {
  const bed = await RuntimeBed.open(t)
  await bed.run(1, ['true'])
  await bed.event('gone', 1)
  const holder = spawn('flock', [bed.path('slots', 'web.0'), 'sleep', '1000'], { stdio: 'ignore' })
  t.after(() => kill(holder.pid ?? 0))
  await until(() => childrenOf(holder.pid ?? 0).length > 0, 'the lock is held')
  const sleeper = childrenOf(holder.pid ?? 0)[0] ?? 0
  t.after(() => kill(sleeper))
  await bed.runtime.start(bed.order(2, ['true']))
  const { refusal } = await bed.event('refused', 2)
  assert.deepEqual(refusal, { kind: 'occupied', holders: await bed.runtime.holders(web) })
  assert.ok(
    refusal.kind === 'occupied' && refusal.holders.some(({ pid, command }) => pid === holder.pid && command.includes('flock')),
  )
  assert.equal(isRunning(holder.pid ?? 0), true)
  kill(sleeper)
  kill(holder.pid ?? 0)
  await until(() => !isRunning(sleeper) && !isRunning(holder.pid ?? 0), 'he let go')
  await bed.run(3, ['true'])
})

test('an epoch is never used twice, nor one below it, whatever became of its files', async (t) => {
  const bed = await RuntimeBed.open(t)
  await bed.run(5, ['true'])
  await bed.event('gone', 5)
  for (const epoch of [1, 4, 5]) {
    assert.deepEqual(await bed.runtime.start(bed.order(epoch, ['true'])), { kind: 'superseded', by: 5 as Epoch })
  }
  rmSync(bed.path('slots', 'web.0', '5'), { recursive: true })
  assert.deepEqual(await bed.runtime.start(bed.order(5, ['true'])), { kind: 'superseded', by: 5 as Epoch })
  await bed.runtime.forget(web)
  await bed.reopen()
  assert.deepEqual(bed.discovery, {
    occupants: [],
    endedBefore: [],
    lastEpochs: new Map([[web, 5]]),
    committed: new Map([[web, 5]]),
  })
  assert.deepEqual(await bed.runtime.start(bed.order(5, ['true'])), { kind: 'superseded', by: 5 as Epoch })
  await bed.run(6, ['true'])
})

test('a foreign process under a recorded pid is never touched', { skip: needsRoot }, async (t) => {
  const foreign = spawn('sleep', ['1000'], { stdio: 'ignore' })
  t.after(() => kill(foreign.pid ?? 0))
  const bed = await RuntimeBed.open(t)
  await bed.run(1, ['sleep', '1000'])
  const own = readFileSync(`/proc/${foreign.pid}/stat`, 'utf8')
  for (const line of [
    own,
    own.replace(/^(.*\) )(.*)$/m, (_, head: string, rest: string) => head + rest.replace(/^((?:\S+ ){19})\d+/, '$11')),
  ]) {
    await bed.runtime[Symbol.asyncDispose]()
    writeFileSync(bed.path('slots', 'web.0', '1', 'started'), line, { flag: 'r+' })
    await bed.reopen()
    assert.equal(bed.discovery.occupants[0]?.pid, foreign.pid)
    await bed.runtime.signal(instance(1), 'SIGKILL')
    await assert.rejects(bed.runtime.exec(instance(1), ['true']), { code: 'E_RUNTIME_NOT_RUNNING' })
  }
  await bed.runtime.kill(instance(1), 5000)
  assert.equal(isRunning(foreign.pid ?? 0), true)
  assert.deepEqual(bed.processes(), [])
})

test(
  'what runs is found although its slot directory is gone, and nothing is started beside it',
  { skip: needsRoot },
  async (t) => {
    const bed = await RuntimeBed.open(t)
    const { pid } = await bed.run(9, ['sleep', '1000'])
    renameSync(bed.path('slots', 'web.0'), bed.path('elsewhere'))
    await bed.reopen()
    const nothing = { pid: null, startTicks: null, startedAt: null, exit: null, note: null, isOfThisBoot: false }
    assert.deepEqual(bed.discovery, {
      occupants: [{ ...instance(9), state: 'running', ...nothing }],
      endedBefore: [],
      lastEpochs: new Map([[web, 9]]),
      // Nothing on disk says so any more; the kernel does.
      committed: new Map(),
    })
    assert.equal((await bed.runtime.start(bed.order(10, ['true'])))?.kind, 'occupied')
    await bed.runtime.kill(instance(9), 5000)
    assert.equal(isRunning(pid), false)
    await bed.run(10, ['true'])
  },
)

test('after a restore of older slot files the live epoch still counts', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t)
  await bed.run(1, ['sleep', '1000'])
  const older = readFileSync(bed.path('slots', 'web.0', 'epoch'))
  await bed.runtime.kill(instance(1), 5000)
  await bed.run(8, ['sleep', '1000'])
  writeFileSync(bed.path('slots', 'web.0', 'epoch'), older)
  rmSync(bed.path('slots', 'web.0', '8'), { recursive: true })
  await bed.reopen({ arrivalLimitMs: 50 })
  assert.deepEqual(bed.discovery.lastEpochs, new Map([[web, 8]]))
  assert.deepEqual(
    bed.discovery.occupants.map(({ epoch, state }) => [epoch, state]),
    [
      [1, 'gone'],
      [8, 'running'],
    ],
  )
  // Nobody knows whether it has begun, so nobody ends it for being late.
  await sleep(1500)
  assert.deepEqual(bed.events, [])
  assert.equal(await bed.runtime.isOccupied(web), true)
})

test('a slot whose log somebody has removed starts nevertheless, and has one again', async (t) => {
  const bed = await RuntimeBed.open(t)
  await bed.run(1, ['/bin/sh', '-c', 'echo before'])
  await bed.event('gone', 1)
  assert.equal(bed.logText(), 'before\n')
  for (const { path } of listSegments(bed.path('slots', 'web.0'))) rmSync(path)
  await bed.run(2, ['/bin/sh', '-c', 'echo here'])
  await bed.event('gone', 2)
  assert.equal(bed.logText(), 'here\n')
})

test('the order of effects is the promise: every checkpoint is reached once, in order', async (t) => {
  const reached: string[] = []
  const bed = await RuntimeBed.open(t, {
    checkpoint: (name) => {
      const slot = bed.path('slots', 'web.0')
      const has = (file: string): boolean => existsSync(join(slot, file))
      const hasNote = (): boolean => readFileSync(join(slot, '1', 'started'), 'utf8').includes('{')
      reached.push(`${name} directory=${has('1')} note=${hasNote()} epoch=${Number(readFileSync(join(slot, 'epoch'), 'utf8'))}`)
      return Promise.resolve()
    },
  })
  await bed.run(1, ['true'])
  assert.deepEqual(reached, [
    'runtime.directory-made directory=true note=false epoch=0',
    'runtime.note-written directory=true note=true epoch=0',
    'runtime.cgroups-made directory=true note=true epoch=0',
    'runtime.epoch-committed directory=true note=true epoch=1',
    'runtime.keeper-spawned directory=true note=true epoch=1',
  ])
})

/** At a point of the keeper: says who it is, as the host sees it, and goes on when it is let go. In its namespace it cannot stop itself. */
const standHere =
  'echo "${daruma_self%% *}" >"$daruma_home/stands"; until [ -e "$daruma_home/go" ]; do command -p sleep 0.01; done'

async function startLateKeeper(
  t: TestContext,
  point: string,
  options: Pick<NonNullable<Parameters<RuntimeBed['reopen']>[0]>, 'force' | 'arrivalLimitMs'>,
): Promise<{ readonly bed: RuntimeBed; readonly keeper: number; readonly letGo: () => void }> {
  // Only for the daemon that finds it is it late at once.
  const { arrivalLimitMs: _, ...first } = options
  const bed = await RuntimeBed.open(t, first)
  await bed.reopen({ ...first, scripts: instrumentKeeper(bed, point, standHere) })
  const start = bed.runtime.start(bed.order(1, witness(1), { directory: bed.state }))
  const keeper = await standingKeeper(bed)
  assert.equal(await start, null)
  await bed.reopen(options)
  return { bed, keeper, letGo: () => writeFileSync(bed.path('slots', 'web.0', '1', 'go'), '') }
}

/** What the witness saw, in order. A `started` may come a moment before the command's first act. */
async function ran(bed: RuntimeBed, epochs: string): Promise<void> {
  await until(
    () => existsSync(bed.path('ran')) && readFileSync(bed.path('ran'), 'utf8').length >= epochs.length,
    'the command ran',
  )
  assert.equal(readFileSync(bed.path('ran'), 'utf8'), epochs)
}

async function standingKeeper(bed: RuntimeBed): Promise<number> {
  const file = bed.path('slots', 'web.0', '1', 'stands')
  await until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'), 'the keeper came to its point')
  return Number(readFileSync(file, 'utf8'))
}

const parentOf = (pid: number): number => Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1])

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

for (const killing of ['v1', 'process-group'] as const) {
  test(
    `a daemon that finds v2 not mounted and uses ${killing} takes nothing that lives for ended`,
    { skip: needsRoot },
    async (t) => {
      const bed = await RuntimeBed.open(t, { force: { killing: 'v2' } })
      const first = await bed.run(1, witness(1), { directory: bed.state })
      await bed.reopen({ force: { killing } })
      assert.deepEqual(
        bed.discovery.occupants.map(({ epoch, state, pid }) => ({ epoch, state, pid })),
        [{ epoch: 1, state: 'running', pid: first.pid }],
      )
      assert.equal((await bed.runtime.start(bed.order(2, witness(2))))?.kind, 'occupied')
      await bed.runtime.kill(instance(1), 10_000)
      assert.equal(isRunning(first.pid), false)
      await bed.event('gone', 1)
      await bed.run(2, witness(2), { directory: bed.state })
      await ran(bed, '1\n2\n')
    },
  )
}

test('a keeper script that was removed or replaced is there again with the next start', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t)
  const folder = bed.path('host')
  const keeper = join(folder, readdirSync(folder).find((name) => name.startsWith('keeper-')) ?? assert.fail())
  const text = readFileSync(keeper, 'utf8')
  const spoil = [
    () => rmSync(keeper),
    () => (rmSync(keeper), writeFileSync(keeper, 'exit 0\n')),
    () => (chmodSync(keeper, 0o700), writeFileSync(keeper, text.replace('set -fu', 'exit 0'))),
    () => rmSync(folder, { recursive: true }),
  ]
  let epoch = 0
  for (const each of spoil) {
    each()
    // Those that stand by have read it already and are used first; each new one looks for it.
    for (let start = 0; start < 8; start += 1) {
      epoch += 1
      await bed.run(epoch, witness(epoch), { directory: bed.state })
      await bed.runtime.kill(instance(epoch), 10_000)
    }
    assert.equal(existsSync(keeper) && readFileSync(keeper, 'utf8'), text)
  }
})
