/** One daemon for one state directory: a second one, a copied directory, a replaced database, a restored database. */

import assert from 'node:assert/strict'
import { copyFileSync, cpSync, existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Machine, reporter, type Services } from './daemon-harness.ts'
import { isAlive, until } from './processes.ts'
import { onMachine } from './scene.ts'

const worker: Services = { worker: { ...reporter(), singleton: true } }

test('a second daemon on one state directory ends with 78 and names the pid of the first', () =>
  onMachine(async ({ machine }) => {
    await machine.up(worker)
    const first = await machine.findOne('daemon')
    const second = await machine.run(['daemon', 'run'], { limitMs: 10_000 })
    assert.equal(second.code, 78, second.stderr)
    assert.match(second.stderr, new RegExp(`\\bpid ${first.pid}\\b`))
    assert.deepEqual(machine.find('daemon'), [first])
  }))

test('a daemon refuses a copy of a state directory, and nothing of the original is started or touched', () =>
  onMachine(async ({ machine, witness }) => {
    await machine.up(worker)
    const before = await machine.instance('worker/0')
    const state = join(machine.workshop, 'copy')
    cpSync(machine.state, state, { recursive: true, filter: (path) => !path.endsWith('.sock') })
    await using copy = new Machine({ state, witness })
    const refused = await copy.run(['daemon', 'run'], { limitMs: 10_000 })
    assert.equal(refused.code, 78, refused.stderr)
    assert.match(refused.stderr, /E_STATE_COPIED/)
    assert.ok(refused.stderr.includes(machine.state), refused.stderr)
    rmSync(state, { recursive: true })
    assert.equal((await machine.instance('worker/0')).pid, before.pid)
  }))

test('a database replaced by rename under a living daemon is noticed, and what runs is adopted with the same pid and epoch', () =>
  onMachine(async ({ machine }) => {
    await machine.up(worker)
    const before = await machine.instance('worker/0')
    const daemon = await machine.findOne('daemon')
    const [file, other] = [join(machine.state, 'state.db'), join(machine.state, 'other.db')]
    await backUp(file, other)
    renameSync(other, file)
    await machine.waitFor('another daemon', (status) => status.daemon.pid !== daemon.pid)
    const after = (await machine.waitUntilSettled()).instances.find(({ slot }) => slot === 'worker/0')
    assert.deepEqual([after?.pid, after?.epoch], [before.pid, before.epoch])
    assert.equal(isAlive(daemon), false)
  }))

test('a database restored from before the last starts repeats no epoch and starts nothing twice', () =>
  onMachine(async ({ machine }) => {
    await machine.up(worker)
    const old = join(machine.workshop, 'old.db')
    await backUp(join(machine.state, 'state.db'), old)
    for (let start = 0; start < 3; start += 1) {
      const { epoch } = await machine.instance('worker/0')
      await machine.kill('instance', 'worker/0')
      await machine.waitFor('the next epoch', ({ instances }) =>
        instances.some((each) => each.state === 'running' && (each.epoch ?? 0) > (epoch ?? 0)),
      )
    }
    const before = await machine.instance('worker/0')
    await machine.killDaemonForGood()
    for (const name of readdirSync(machine.state)) if (name.startsWith('state.db')) rmSync(join(machine.state, name))
    copyFileSync(old, join(machine.state, 'state.db'))

    await machine.run(['status'])
    const adopted = (await machine.waitUntilSettled()).instances[0]
    assert.deepEqual([adopted?.pid, adopted?.epoch], [before.pid, before.epoch])
    await machine.kill('instance', 'worker/0')
    await machine.waitFor('a successor above every epoch', ({ instances }) =>
      instances.some((each) => each.state === 'running' && (each.epoch ?? 0) > (before.epoch ?? 0)),
    )
  }))

test('a state directory whose database is lost keeps what runs, and the next epoch is above the last', () =>
  onMachine(async ({ machine }) => {
    await machine.up(worker)
    await machine.kill('instance', 'worker/0')
    await machine.waitUntilSettled()
    const before = await machine.waitFor('a second epoch', ({ instances }) =>
      instances.some(({ restarts, state }) => restarts === 1 && state === 'running'),
    )
    const [known] = before.instances
    await machine.killDaemonForGood()
    for (const name of readdirSync(machine.state)) if (name.startsWith('state.db')) rmSync(join(machine.state, name))
    await machine.up()
    const after = (await machine.waitUntilSettled()).instances[0]
    assert.deepEqual([after?.pid, after?.epoch], [known?.pid, known?.epoch])
  }))

/** As a person would do it, with cp, once the daemon has brought its log home: the file alone is then the whole database. */
async function backUp(from: string, to: string): Promise<void> {
  await until('the log is empty', 10_000, () => !existsSync(`${from}-wal`) || statSync(`${from}-wal`).size === 0)
  copyFileSync(from, to)
}
