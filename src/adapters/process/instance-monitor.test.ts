import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'

import { observeProcess } from '../../system/process-stat.ts'
import { RuntimeBed, instance, isRunning, kill, until, web, needsRoot } from '../../../test/support/runtime-bed.ts'
import { settleExit } from './instance-monitor.ts'

test('an instance reports its pid as this host sees it, its start time, and its end once', async (t) => {
  const bed = await RuntimeBed.open(t)
  const started = await bed.run(1, ['sleep', '1000'])
  const stat = observeProcess(started.pid)
  // Told of a moment before it becomes the command.
  await until(() => readFileSync(`/proc/${started.pid}/cmdline`, 'utf8') === 'sleep\x001000\x00', 'the command itself runs')
  assert.equal(stat?.startTicks, started.startTicks)

  kill(started.pid)
  await bed.event('gone', 1)
  await until(() => !isRunning(started.pid), 'the command ended')
  assert.deepEqual(bed.events, [started, { kind: 'gone', slot: web, epoch: 1, exit: { kind: 'signal', signal: 'SIGKILL' } }])
  assert.deepEqual(bed.processes(), [])
  assert.deepEqual(bed.warnings, [])
})

test('a new daemon is told of the end before the last one too, since nobody may have taken it in', async (t) => {
  const bed = await RuntimeBed.open(t)
  await bed.run(1, ['/bin/sh', '-c', 'exit 7'])
  await bed.event('gone', 1)
  const running = await bed.run(2, ['sleep', '1000'])
  await bed.reopen()
  const { occupants, endedBefore = [] } = bed.discovery
  assert.deepEqual(
    [...endedBefore, ...occupants].map(({ epoch, state, pid, exit }) => ({ epoch, state, pid, exit })),
    [
      { epoch: 1, state: 'gone', pid: null, exit: { kind: 'code', code: 7 } },
      { epoch: 2, state: 'running', pid: running.pid, exit: null },
    ],
  )
})

for (const [script, exit] of [
  ['exit 0', { kind: 'code', code: 0 }],
  ['exit 7', { kind: 'code', code: 7 }],
  ['exit 255', { kind: 'code', code: 255 }],
  ['kill -TERM $$', { kind: 'signal', signal: 'SIGTERM' }],
  ['kill -SEGV $$', { kind: 'signal', signal: 'SIGSEGV' }],
] as const) {
  test(`a command that ends by "${script}" is told as ${JSON.stringify(exit)}`, async (t) => {
    const bed = await RuntimeBed.open(t)
    await bed.run(1, ['/bin/sh', '-c', script])
    assert.deepEqual((await bed.event('gone', 1)).exit, exit)
  })
}

test('a missing command and a missing directory end with 127 and say so in the log', async (t) => {
  const bed = await RuntimeBed.open(t)
  await bed.run(1, ['no-such-program', 'x'])
  assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'code', code: 127 })
  assert.match(bed.logText(), /^daruma: the program no-such-program is not found, in the directory .*\n$/m)
  assert.doesNotMatch(bed.logText(), /keeper-/)

  await bed.run(2, ['true'], { directory: '/no/such/directory' })
  assert.deepEqual((await bed.event('gone', 2)).exit, { kind: 'code', code: 127 })
  assert.match(bed.logText(), /daruma: the directory \/no\/such\/directory cannot be entered/)
})

test('arguments and environment arrive byte for byte, and nothing else does', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t)
  const odd = `a'b"c $HOME \`id\` $(id) \\ \n * ?;&| é\t`
  const environment = { PATH: process.env['PATH'] ?? '', ODD: odd, IFS_LIKE: ' ', LD_LIBRARY_PATH: '/nowhere', EMPTY: '' }
  const program = 'console.log(JSON.stringify([process.argv.slice(1), process.env, process.cwd()]))'
  await bed.run(1, [process.execPath, '-e', program, odd, '', '-x'], { environment, directory: '/tmp' })
  await bed.event('gone', 1)
  const [words, seen, cwd] = JSON.parse(bed.logText()) as [string[], Record<string, string>, string]
  delete seen['PWD']
  assert.deepEqual([words, seen, cwd], [[odd, '', '-x'], environment, '/tmp'])
})

test('the command has default signals, no controlling terminal, an empty stdin, and no descriptors but the lock', async (t) => {
  const bed = await RuntimeBed.open(t)
  const script = 'grep -E "^Sig(Ign|Blk)" /proc/self/status; readlink /proc/self/fd/0; ls /proc/$$/fd; umask'
  await bed.run(1, ['/bin/sh', '-c', script])
  await bed.event('gone', 1)
  assert.deepEqual(bed.logText().trimEnd().split('\n'), [
    'SigBlk:\t0000000000000000',
    'SigIgn:\t0000000000000000',
    '/dev/null',
    '0',
    '1',
    '2',
    '9',
    '0022',
  ])
})

test('what cannot be passed on or done is refused before anything is made', async (t) => {
  const bed = await RuntimeBed.open(t)
  const refusals = [
    await bed.runtime.start(bed.order(1, [])),
    await bed.runtime.start(bed.order(1, ['true'], { environment: { 'a.b': '1' } })),
    await bed.runtime.start(bed.order(1, ['true'], { environment: { daruma_slot: '1' } })),
    await bed.runtime.start(bed.order(1, ['true'], { user: 'no-such-user-here' })),
  ]
  assert.deepEqual(
    refusals.map((refusal) => refusal?.kind),
    ['failed', 'failed', 'failed', 'failed'],
  )
  assert.deepEqual(readdirSync(bed.path('slots')), [])
})

test('an environment too large for the kernel is refused and leaves nothing', async (t) => {
  const bed = await RuntimeBed.open(t)
  const refusal = await bed.runtime.start(bed.order(1, ['true'], { environment: { BIG: 'x'.repeat(3_000_000) } }))
  assert.equal(refusal?.kind, 'failed')
  assert.match(refusal?.kind === 'failed' ? refusal.message : '', /E2BIG/)
  assert.deepEqual(bed.processes(), [])
  assert.deepEqual(readdirSync(bed.path('slots')), [])
  await bed.run(2, ['true'])
})

test('fifty starts at once all run, none twice', async (t) => {
  const bed = await RuntimeBed.open(t)
  const slots = Array.from({ length: 50 }, (_, index) => ({ ...instance(1), slot: `web/${index}` as typeof web }))
  await Promise.all(slots.map(({ slot }) => bed.run(1, ['sleep', '1000'], { slot })))
  assert.equal(bed.events.filter((event) => event.kind === 'started').length, 50)
  await Promise.all(slots.map((ref) => bed.runtime.kill(ref, 10_000)))
  assert.equal(bed.events.filter((event) => event.kind === 'gone').length, 50)
  assert.deepEqual(bed.processes(), [])
})

test('the keeper reaps orphans and survives every signal that a command can send it', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t)
  const script =
    '(sleep 0.01 &) ; for s in TERM INT HUP USR1 QUIT; do kill -$s 1; done; sleep 0.1; grep -l "State:.Z" /proc/[0-9]*/status; echo end; exit 5'
  await bed.run(1, ['/bin/sh', '-c', script])
  assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'code', code: 5 })
  assert.equal(bed.logText(), 'end\n')
})

test('usage counts time and memory of the whole instance', async (t) => {
  const bed = await RuntimeBed.open(t)
  await bed.run(1, ['/bin/sh', '-c', 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 1000'])
  await until(() => (bed.runtime.usage(instance(1))?.cpuSeconds ?? 0) > 0.01, 'time was counted')
  const usage = bed.runtime.usage(instance(1))
  assert.ok(usage !== null && usage.memoryBytes > 500_000 && usage.memoryBytes < 50_000_000, JSON.stringify(usage))
  await bed.runtime.kill(instance(1), 5000)
  assert.equal(bed.runtime.usage(instance(1)), null)
})

test('the exit that is told is the keeper record, then the kernel, then "unknown"', () => {
  const sigkill = { kind: 'signal', signal: 'SIGKILL' } as const
  const code = { kind: 'code', code: 3 } as const
  assert.deepEqual(settleExit({ recorded: code, oomKills: 1, wasKilled: true }), code)
  assert.deepEqual(settleExit({ recorded: sigkill, oomKills: 0, wasKilled: false }), sigkill)
  assert.deepEqual(settleExit({ recorded: sigkill, oomKills: 1, wasKilled: false }), { kind: 'oom' })
  assert.deepEqual(settleExit({ recorded: null, oomKills: 1, wasKilled: false }), { kind: 'oom' })
  assert.deepEqual(settleExit({ recorded: null, oomKills: 1, wasKilled: true }), sigkill)
  assert.deepEqual(settleExit({ recorded: null, oomKills: 0, wasKilled: true }), sigkill)
  assert.deepEqual(settleExit({ recorded: null, oomKills: 0, wasKilled: false }), { kind: 'unknown' })
})
