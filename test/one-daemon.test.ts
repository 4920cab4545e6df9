/** One daemon for one state directory: a second one, a copied directory, a replaced database, a restored database. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Machine, reporter, type Services } from './daemon-harness.ts'
import { isAlive, until } from './processes.ts'
import { onMachine } from './scene.ts'
import { startWitness, violationsOf } from './witness/index.ts'

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
    run('cp', '-a', machine.state, state)
    await using copy = new Machine({ state, witness })
    const refused = await copy.run(['daemon', 'run'], { limitMs: 10_000 })
    assert.equal(refused.code, 78, refused.stderr)
    assert.match(refused.stderr, /E_STATE_COPIED/)
    assert.ok(refused.stderr.includes(machine.state), refused.stderr)
    rmSync(state, { recursive: true })
    assert.equal((await machine.instance('worker/0')).pid, before.pid)
  }))

const needsLoops = {
  skip:
    process.geteuid?.() === 0 && existsSync('/dev/loop-control') && existsSync('/sbin/mkfs.ext4')
      ? false
      : 'needs root, loop devices and mkfs.ext4',
}

/** Files of a disk, made as an administrator makes one. */
function run(...words: readonly [string, ...string[]]): void {
  const [program, ...rest] = words
  const { status, stderr } = spawnSync(program, rest, { encoding: 'utf8' })
  assert.equal(status, 0, `${words.join(' ')}: ${stderr}`)
}

function mountImage(image: string, target: string): void {
  mkdirSync(target)
  run('mount', '-o', 'loop', image, target)
}

test(
  'a copy of the whole file system is refused whoever of the two has a daemon, and what runs goes on as one',
  needsLoops,
  async () => {
    await using disk = new Machine()
    const [image, copied] = [join(disk.workshop, 'a.img'), join(disk.workshop, 'b.img')]
    run('truncate', '--size', '64M', image)
    run('mkfs.ext4', '-q', image)
    mountImage(image, join(disk.workshop, 'a'))
    await using witness = await startWitness()
    await using original = new Machine({ state: join(disk.workshop, 'a/state'), witness })
    await original.up(worker)
    const before = await original.instance('worker/0')
    run('fsfreeze', '--freeze', join(disk.workshop, 'a'))
    copyFileSync(image, copied)
    run('fsfreeze', '--unfreeze', join(disk.workshop, 'a'))
    mountImage(copied, join(disk.workshop, 'b'))
    await using copy = new Machine({ state: join(disk.workshop, 'b/state'), witness })

    const refused = await copy.run(['status'])
    assert.equal(refused.code, 1, refused.stdout)
    assert.match(refused.stderr, /E_STATE_COPIED/)
    assert.ok(refused.stderr.includes(original.state), refused.stderr)
    for (let kill = 0; kill < 3; kill += 1) {
      const { epoch } = await original.instance('worker/0')
      await original.kill('instance', 'worker/0')
      await original.waitFor('its successor', ({ instances }) =>
        instances.some((each) => each.state === 'running' && (each.epoch ?? 0) > (epoch ?? 0)),
      )
      const again = await copy.run(['daemon', 'run', '--take-over'], { limitMs: 20_000 })
      assert.equal(again.code, 78, again.stderr)
      assert.match(again.stderr, /E_STATE_COPIED/)
    }
    // Also where no daemon stands in its way: what runs is the original's.
    await original.killDaemonForGood()
    const alone = await copy.run(['daemon', 'run'], { limitMs: 20_000 })
    assert.equal(alone.code, 78, alone.stderr)
    assert.match(alone.stderr, /E_STATE_COPIED/)
    await original.run(['status'])
    const after = (await original.waitUntilSettled()).instances[0]
    assert.ok((after?.epoch ?? 0) > (before.epoch ?? 0))
    assert.deepEqual(await violationsOf(witness), [])
    // The copy is cleaned up first, by the state id that both have: a daemon would bring back what that ends.
    await original.killDaemonForGood()
  },
)

test('a state directory that is moved away has one daemon: the old path is refused, the new one adopts what runs', () =>
  onMachine(async ({ machine, witness }) => {
    await machine.up(worker)
    const before = await machine.instance('worker/0')
    const moved = join(machine.workshop, 'moved')
    renameSync(machine.state, moved)
    await using elsewhere = new Machine({ state: moved, witness })
    const refused = await machine.run(['up', '--yes'])
    assert.equal(refused.code, 1, refused.stdout)
    assert.match(refused.stderr, /E_DAEMON_RUNNING|E_STATE_MOVED/)
    assert.ok(refused.stderr.includes(moved), refused.stderr)
    // The daemon that was moved answers there until it notices, and ends; the next command starts the one of the new path.
    await until('its own daemon answers', 30_000, async () => {
      const { code } = await elsewhere.run(['ls'])
      return code === 0 && elsewhere.find('daemon').length > 0
    })
    const { instances } = await elsewhere.waitUntilSettled()
    assert.deepEqual([instances[0]?.pid, instances[0]?.epoch], [before.pid, before.epoch])
  }))

test('what runs out of a directory that has lost its identity is found again, below whatever path, and nothing runs twice', async () => {
  await using witness = await startWitness()
  await using folder = new Machine()
  // The first thing in it that looks like a cgroup's path is none.
  await using machine = new Machine({ state: join(folder.workshop, 'daruma/cafe/state'), witness })
  await machine.up(worker)
  const before = await machine.instance('worker/0')
  await machine.killDaemonForGood()
  rmSync(join(machine.state, 'identity.json'))
  await machine.run(['status'])
  const { instances } = await machine.waitUntilSettled()
  assert.deepEqual([instances[0]?.pid, instances[0]?.epoch], [before.pid, before.epoch])

  await machine.killDaemonForGood()
  rmSync(machine.state, { recursive: true })
  await machine.up()
  const after = (await machine.waitUntilSettled()).instances[0]
  assert.ok((after?.epoch ?? 0) > (before.epoch ?? 0), `${after?.epoch} after ${before.epoch}`)
  assert.deepEqual(await violationsOf(witness), [])
})

test('a copy takes over only when its original is nowhere, and every epoch is above those of the original', () =>
  onMachine(async ({ machine, witness }) => {
    await machine.up(worker)
    const [copied, moved] = [join(machine.workshop, 'copied'), join(machine.workshop, 'moved')]
    run('cp', '-a', machine.state, copied)
    await using copy = new Machine({ state: copied, witness })
    const before = await machine.instance('worker/0')
    await machine.kill('instance', 'worker/0')
    await machine.waitFor('its successor', ({ instances }) =>
      instances.some((each) => each.state === 'running' && (each.epoch ?? 0) > (before.epoch ?? 0)),
    )
    const last = await machine.instance('worker/0')
    await machine.killDaemonForGood()
    renameSync(machine.state, moved)
    await using original = new Machine({ state: moved, witness })
    const refused = await copy.run(['daemon', 'run', '--take-over'], { limitMs: 20_000 })
    assert.equal(refused.code, 78, refused.stderr)
    assert.ok(refused.stderr.includes(moved), refused.stderr)

    await original.kill('instance', 'worker/0')
    await original.waitForNobody('keeper')
    rmSync(moved, { recursive: true })
    const without = await copy.run(['daemon', 'run'], { limitMs: 20_000 })
    assert.equal(without.code, 78, without.stderr)
    const { child, outcome } = copy.start(['daemon', 'run', '--take-over'])
    const after = (await copy.waitUntilSettled()).instances[0]
    assert.ok((after?.epoch ?? 0) > (last.epoch ?? 0) + 2 ** 39, `${after?.epoch} after ${last.epoch}`)
    child.kill('SIGTERM')
    assert.equal((await outcome).code, 0)
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
