/** What stands in a daemon's way: signals from outside, no files, no socket, a database that cannot be opened or is damaged. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { baseEnvironment, type Machine, reporter, type Services } from './daemon-harness.ts'
import { isAlive, until } from './processes.ts'
import { onMachine } from './scene.ts'
import { projectDirectory } from './slot-directory.ts'

const worker: Services = { worker: { ...reporter(), singleton: true } }

const isStopped = (machine: Machine): boolean => existsSync(join(machine.state, 'host/stopped'))

test('a daemon that is ended by a signal from outside is started again; one that a command stops is not', () =>
  onMachine(async ({ machine }) => {
    await machine.up(worker)
    const before = await machine.instance('worker/0')
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const daemon = await machine.findOne('daemon')
      await machine.kill('daemon', undefined, signal)
      const { instances } = await machine.waitFor('another daemon', (status) => status.daemon.pid !== daemon.pid)
      assert.deepEqual([instances[0]?.pid, instances[0]?.epoch], [before.pid, before.epoch])
    }
    const stop = await machine.run(['daemon', 'stop'])
    assert.equal(stop.code, 0, stop.stderr)
    await machine.waitForNobody('supervisor')
    assert.ok(isStopped(machine))
    assert.deepEqual(machine.find('daemon'), [])
  }))

const hasPrlimit = spawnSync('prlimit', ['--version']).status === 0

test(
  'a daemon that gets no files, or cannot open its database, is tried again until it gets up',
  { skip: hasPrlimit && process.geteuid?.() === 0 ? false : 'needs root and prlimit (util-linux)' },
  () =>
    onMachine(async ({ machine }) => {
      await machine.up(worker)
      const before = await machine.instance('worker/0')
      const supervisor = await machine.findOne('supervisor')
      const limit = (files: string): void => {
        assert.equal(spawnSync('prlimit', [`--pid=${supervisor.pid}`, `--nofile=${files}`]).status, 0)
      }
      const log = (): string => readFileSync(join(machine.state, 'daemon.log'), 'utf8')
      const ends = (): number => log().split('the daemon ended with').length
      // Its shell gets none for the daemon's log.
      limit('12:4096')
      let known = ends()
      await machine.kill('daemon')
      await until('another daemon has failed', 60_000, () => ends() >= known + 2)
      limit('4096:4096')
      await machine.waitFor('a daemon', (status) => status.instances[0]?.pid === before.pid, 60_000)
      const database = join(machine.state, 'state.db')
      known = ends()
      renameSync(database, `${database}.away`)
      // A link that leads nowhere near: the file is there and cannot be opened.
      spawnSync('ln', ['-s', '/proc/self/nothing/at/all', database])
      await until('another daemon has failed', 60_000, () => isStopped(machine) || ends() >= known + 3)
      assert.ok(!isStopped(machine), log())
      renameSync(`${database}.away`, database)
      const { instances } = await machine.waitFor('a daemon', (status) => status.instances[0]?.pid === before.pid, 60_000)
      assert.equal(instances[0]?.epoch, before.epoch)
    }),
)

test(
  'wherever in its start a daemon gets no more files, it ends as one that is to be tried again',
  { skip: hasPrlimit ? false : 'needs prlimit (util-linux)' },
  () =>
    onMachine(async ({ machine }) => {
      await machine.up(worker)
      await machine.run(['daemon', 'stop'])
      await machine.waitForNobody('supervisor')
      for (let files = 21; files <= 33; files += 2) {
        const words = [`--nofile=${files}:${files}`, machine.launcher, 'daemon', 'run', '--state', machine.state]
        const { status, stderr } = spawnSync('prlimit', words, {
          encoding: 'utf8',
          env: baseEnvironment(),
          timeout: 20_000,
          killSignal: 'SIGKILL',
        })
        assert.ok(status !== 78 && status !== 0, `${files} files: ${status} ${stderr}`)
      }
    }),
)

test('a socket that is removed under the daemon is made again, by the same daemon', () =>
  onMachine(async ({ machine }) => {
    await machine.up(worker)
    const daemon = await machine.findOne('daemon')
    rmSync(join(machine.state, 'daemon.sock'))
    const status = await machine.waitFor('an answer', () => true)
    assert.equal(status.daemon.pid, daemon.pid)
    assert.equal((await machine.run(['status'])).code, 0)
    assert.ok(isAlive(daemon))
  }))

/** In the middle of each page but the first: the header is that of a database. */
function damage(file: string): Buffer {
  const bytes = readFileSync(file)
  for (let page = 4096; page < bytes.length; page += 4096) bytes.fill(0xa5, page, page + 2048)
  writeFileSync(`${file}.new`, bytes)
  for (const name of readdirSync(join(file, '..'))) if (name.startsWith('state.db-')) rmSync(join(file, '..', name))
  renameSync(`${file}.new`, file)
  return bytes
}

test('with a damaged database what runs is adopted and kept up, changes are refused, and a backup brings everything back', () =>
  onMachine(async ({ machine }) => {
    await machine.up(worker)
    const before = await machine.instance('worker/0')
    await machine.run(['daemon', 'stop'])
    await machine.waitForNobody('supervisor')
    const [database, backup] = [join(machine.state, 'state.db'), join(machine.workshop, 'backup.db')]
    copyFileSync(database, backup)
    const damaged = damage(database)

    const shown = await machine.run(['status'])
    assert.equal(shown.code, 2, `trouble that needs a person: ${shown.stderr}`)
    assert.match(shown.stdout, /damaged/)
    const adopted = await machine.instance('worker/0')
    assert.deepEqual([adopted.pid, adopted.epoch], [before.pid, before.epoch])
    for (let kill = 0; kill < 2; kill += 1) {
      const { epoch } = await machine.instance('worker/0')
      await machine.kill('instance', 'worker/0')
      await machine.waitFor('its successor', ({ instances }) =>
        instances.some((each) => each.state === 'running' && (each.epoch ?? 0) > (epoch ?? 0)),
      )
    }
    const refused = await machine.run(['up', '--yes'])
    assert.equal(refused.code, 1, refused.stdout)
    assert.match(refused.stderr, /E_STORE_CORRUPT/)
    const down = await machine.run(['down', '--yes'])
    assert.match(down.stderr, /what was applied is not known[\s\S]*E_PLAN_REFUSED/)
    assert.equal(down.code, 1)
    assert.match(refused.stderr, /backup/)
    assert.deepEqual(readFileSync(database), damaged, 'whoever wants to save something of it finds it as it was')

    const last = await machine.instance('worker/0')
    const daemon = await machine.findOne('daemon')
    copyFileSync(backup, `${database}.new`)
    renameSync(`${database}.new`, database)
    await machine.waitFor('another daemon', (status) => status.daemon.pid !== daemon.pid && status.daemon.condition === null)
    const { instances } = await machine.waitUntilSettled()
    assert.deepEqual([instances[0]?.pid, instances[0]?.epoch], [last.pid, last.epoch])
    await machine.up()
    assert.deepEqual(
      readdirSync(machine.state).filter((name) => name.startsWith('emergency')),
      [],
    )
  }))

test(
  'a service of another user reaches its volume, whoever made the folders on the way there',
  { skip: process.geteuid?.() === 0 ? false : 'needs root' },
  () =>
    onMachine(async ({ machine }) => {
      const command = 'echo kept >"$DARUMA_VOLUME_DATA/file" && exec sleep 1000000'
      await machine.up({ writer: { command, user: 'nobody', volumes: ['data'], singleton: true } })
      assert.equal(readFileSync(join(projectDirectory(machine.state), 'volumes/data/file'), 'utf8'), 'kept\n')
    }),
)

test('a record that cannot be understood is a damaged database too, for every daemon until it is another file', () =>
  onMachine(async ({ machine }) => {
    await machine.up(worker)
    const before = await machine.instance('worker/0')
    await machine.run(['daemon', 'stop'])
    await machine.waitForNobody('supervisor')
    const database = join(machine.state, 'state.db')
    const opened = new DatabaseSync(database)
    // Well for SQLite, and no JSON.
    opened.prepare(`UPDATE changes SET value = '{"broken' WHERE key LIKE 'projects/%/revision/%'`).run()
    opened.close()
    for (let life = 0; life < 2; life += 1) {
      const shown = await machine.run(['status'])
      assert.match(shown.stdout, /damaged.*revision/, shown.stderr)
      const { pid, epoch } = await machine.instance('worker/0')
      assert.deepEqual([pid, epoch], [before.pid, before.epoch])
      await machine.run(['daemon', 'stop'])
      await machine.waitForNobody('supervisor')
    }
    rmSync(database)
    await machine.up()
    assert.equal((await machine.instance('worker/0')).pid, before.pid)
    assert.deepEqual(
      readdirSync(machine.state).filter((name) => /emergency|damaged/.test(name)),
      [],
    )
  }))
