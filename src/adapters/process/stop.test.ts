/** The end of an instance is the end of all of it: what is told, in which order, and how long what is left may take. */

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { RuntimeBed, instance, isRunning, needsRoot, until } from '../../../test/support/runtime-bed.ts'
import { observeProcess } from '../../system/process-stat.ts'

const ways = [
  { killing: 'v2' },
  { killing: 'v2', noNamespaces: true },
  { killing: 'v1' },
  { killing: 'process-group' },
  { killing: 'process-group', noNamespaces: true },
] as const

/** Says that it is up, and when it is asked to end needs half a second for it. */
const slowServer = `
trap 'echo asked >>asked; sleep 0.5; echo finished >finished; exit 0' TERM
echo up >up
while :; do sleep 0.02; done
`

for (const force of ways) {
  const name = `${force.killing}${'noNamespaces' in force ? ' without namespaces' : ''}`

  test(
    `${name}: what a leader leaves behind that goes at once is told too, and ends in its own time`,
    { skip: needsRoot },
    async (t) => {
      const bed = await RuntimeBed.open(t, { force })
      writeFileSync(bed.path('server.sh'), slowServer)
      // The leader neither waits nor passes anything on.
      await bed.run(1, ['/bin/sh', '-c', 'sh server.sh & while :; do sleep 0.02; done'], { directory: bed.state })
      await until(() => existsSync(bed.path('up')), 'the server is up')
      await bed.runtime.signal(instance(1), 'SIGTERM')
      assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'signal', signal: 'SIGTERM' })
      assert.equal(readFileSync(bed.path('finished'), 'utf8'), 'finished\n')
      assert.equal(readFileSync(bed.path('asked'), 'utf8'), 'asked\n')
      assert.deepEqual(bed.processes(), [])
    },
  )

  test(`${name}: with "all" everything is told at once, and once`, { skip: needsRoot }, async (t) => {
    const bed = await RuntimeBed.open(t, { force })
    writeFileSync(bed.path('server.sh'), slowServer)
    // The leader would wait forever for a server that nobody has told.
    await bed.run(1, ['/bin/sh', '-c', 'trap "echo leader >>asked" TERM; sh server.sh & until [ -e finished ]; do wait; done'], {
      directory: bed.state,
    })
    await until(() => existsSync(bed.path('up')), 'the server is up')
    await bed.runtime.signal(instance(1), 'SIGTERM', 'all')
    await bed.event('gone', 1)
    assert.deepEqual(readFileSync(bed.path('asked'), 'utf8').trim().split('\n').toSorted(), ['asked', 'leader'])
    assert.ok(existsSync(bed.path('finished')))
  })

  test(
    `${name}: what a leader leaves behind keeps the rest of its time when the daemon dies meanwhile, and is not asked twice`,
    { skip: needsRoot },
    async (t) => {
      const bed = await RuntimeBed.open(t, { force })
      const server =
        'trap "echo asked >>asked" TERM; echo up >up; until [ -e finish ]; do sleep 0.02; done; echo finished >finished'
      writeFileSync(bed.path('server.sh'), server)
      await bed.run(1, ['/bin/sh', '-c', 'sh server.sh & while :; do sleep 0.02; done'], { directory: bed.state })
      await until(() => existsSync(bed.path('up')), 'the server is up')
      await bed.runtime.signal(instance(1), 'SIGTERM', 'leader', { graceMs: 3_600_000, isAtFault: false })
      await until(() => existsSync(bed.path('asked')), 'the rest is asked too')
      const epoch = bed.path('slots', 'web.0', '1')
      await until(() => readFileSync(join(epoch, 'exit'), 'utf8').startsWith('code '), 'the leader has gone')
      await bed.reopen({ force })
      const [found] = bed.discovery.occupants
      assert.ok(found?.stop !== undefined && found.stop.leftMs > 3_000_000 && found.stop.leftMs <= 3_600_000)
      assert.deepEqual([found.state, found.stop.isSent, found.stop.isAtFault], ['running', true, false])
      // The runtime watches there too, and came first: when we hear of it, it has looked.
      const heard = Promise.withResolvers<void>()
      const watcher = watch(epoch, () => heard.resolve())
      t.after(() => watcher.close())
      writeFileSync(join(epoch, 'touched'), '')
      await heard.promise
      writeFileSync(bed.path('finish'), '')
      await bed.event('gone', 1)
      assert.equal(readFileSync(bed.path('finished'), 'utf8'), 'finished\n')
      assert.equal(readFileSync(bed.path('asked'), 'utf8'), 'asked\n')
    },
  )

  test(`${name}: what does not end is killed with the rest when the grace period is over`, { skip: needsRoot }, async (t) => {
    const bed = await RuntimeBed.open(t, { force })
    await bed.run(1, ['/bin/sh', '-c', '(trap "" TERM; echo up >up; while :; do sleep 0.02; done) & wait'], {
      directory: bed.state,
    })
    await until(() => existsSync(bed.path('up')), 'the deaf one is up')
    await bed.runtime.signal(instance(1), 'SIGTERM')
    await until(() => bed.processes().length > 0 || force.killing === 'process-group', 'it is still there')
    await bed.runtime.kill(instance(1), 5000)
    await bed.event('gone', 1)
    assert.deepEqual(bed.processes(), [])
  })
}

test(
  'npm start: the server behind it, which needs a second to end, has it, with no configuration',
  { skip: needsRoot },
  async (t) => {
    const bed = await RuntimeBed.open(t)
    const app = bed.path('app')
    mkdirSync(app)
    writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', scripts: { start: 'node server.js' } }))
    writeFileSync(
      join(app, 'server.js'),
      `const { writeFileSync } = require('node:fs')
     process.on('SIGTERM', () => setTimeout(() => { writeFileSync('finished', ''); process.exit(0) }, 1000))
     setInterval(() => {}, 1000)
     writeFileSync('up', '')`,
    )
    const environment = { PATH: process.env['PATH'] ?? '', HOME: bed.state, npm_config_update_notifier: 'false' }
    await bed.run(1, ['npm', 'start'], { directory: app, environment })
    await until(
      () => existsSync(join(app, 'up')),
      () => `the server is up: ${bed.logText()}`,
      60_000,
    )
    await bed.runtime.signal(instance(1), 'SIGTERM')
    await until(() => bed.events.some(({ kind }) => kind === 'gone'), 'it is gone', 60_000)
    assert.ok(existsSync(join(app, 'finished')), bed.logText())
  },
)

test(
  'a program that puts itself in the background and ends with 0 is told as such, in the event and in the log',
  { skip: needsRoot },
  async (t) => {
    const bed = await RuntimeBed.open(t)
    await bed.run(1, ['/bin/sh', '-c', 'setsid sleep 1000 & exit 0'])
    assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'code', code: 0, left: true })
    assert.match(bed.logText(), /ended with 0 and left processes running/)
    assert.deepEqual(bed.processes(), [])

    await bed.run(2, ['/bin/sh', '-c', '(exit 0) & sleep 0.05; exit 0'])
    assert.deepEqual((await bed.event('gone', 2)).exit, { kind: 'code', code: 0 }, 'a child that has ended is nothing left')
  },
)

test('a command that has moved itself to another cgroup is asked to stop like any other', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t, { force: { killing: 'v2' } })
  const script = `for file in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/unified/cgroup.procs; do [ -w $file ] && echo 0 >$file; done
    trap 'echo heard >heard; exit 5' TERM; echo up >up; while :; do sleep 0.02; done`
  const { pid } = await bed.run(1, ['/bin/sh', '-c', script], { directory: bed.state })
  await until(() => existsSync(bed.path('up')), 'it has moved')
  assert.ok(!bed.processes().includes(pid), 'it is in no cgroup of ours')
  await bed.runtime.signal(instance(1), 'SIGTERM')
  assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'code', code: 5 })
  assert.ok(existsSync(bed.path('heard')))
  assert.equal(isRunning(pid), false)
  assert.equal(observeProcess(pid), null)
})
