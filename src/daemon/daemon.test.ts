/** The daemon's own promises, each shown on a simulated machine: what a new daemon finds, and what it must not do again. */

import { defaultBalancer as balancer } from '../core/keys/balancer.ts'
import { updatePace } from '../core/keys/service/update.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Service } from '../core/model/service.ts'
import { asServiceName, slotId } from '../core/model/id.ts'
import { wordsOf } from '../sim/kernel.ts'
import { SimulatedMachine } from '../sim/machine.ts'
import { aService, anImage } from '../sim/services.ts'
import { createMemoryStore } from '../sim/store.ts'
import { DarumaError } from '../ports/error.ts'
import { put } from '../ports/storage/json-records.ts'

const workerSlot = slotId(asServiceName('worker'), 0)
const afterMigrate: Pick<Service, 'after'> = { after: [{ service: asServiceName('migrate'), condition: 'completed' }] }
const migrate = (command: string): Service => aService('migrate', command, { scale: { kind: 'job' } })

async function up(machine: SimulatedMachine, services: readonly Service[]): Promise<void> {
  assert.equal(await machine.apply(services), null)
  await waitForEnd(machine)
}

async function waitForEnd(machine: SimulatedMachine): Promise<void> {
  assert.ok(
    await machine.runUntil(() => machine.daemon?.project.operations.current === null, 300_000),
    'the operation has no end',
  )
}

async function settled(machine: SimulatedMachine): Promise<void> {
  assert.ok(await machine.settle(60_000), 'it does not come to rest')
}

const running = (machine: SimulatedMachine): readonly string[] =>
  machine.kernel.running().map(({ order, pid }) => `${order.slot} ${order.epoch} ${wordsOf(order).join(' ')} pid ${pid}`)

const programs = (machine: SimulatedMachine): readonly string[] => machine.kernel.running().map(({ order }) => order.slot)

test('a new daemon leaves what runs as it is', async () => {
  const machine = new SimulatedMachine(11)
  await up(machine, [aService('web', 'serve', { scale: { kind: 'replicas', count: 2 } }), aService('worker', 'serve')])
  await settled(machine)
  const before = running(machine)
  machine.killDaemon()
  await settled(machine)
  await machine.run(5000)
  assert.deepEqual(running(machine), before)
})

test('a state of the former layout is refused as it is, and what runs is not touched', async () => {
  const machine = new SimulatedMachine(22)
  await up(machine, [aService('worker', 'serve')])
  await settled(machine)
  const before = running(machine)
  const former = createMemoryStore()
  await former.transact({ then: [put('layout', 2)] })
  machine.restoreDatabase(former)
  await assert.rejects(machine.begin(), /as an earlier version kept it/)
  assert.deepEqual(running(machine), before)
})

test('a daemon of this version takes over what the first one recorded without touching what runs', async () => {
  const machine = new SimulatedMachine(21)
  const web = aService('web', 'serve', { scale: { kind: 'replicas', count: 2 } })
  await up(machine, [web, aService('worker', 'serve')])
  await settled(machine)
  const before = running(machine)
  const older = createMemoryStore()
  for (const { key, value } of (await (await machine.copyDatabase()).list('')).entries)
    await older.transact({ then: [put(key, withoutNews(JSON.parse(value)))] })
  machine.restoreDatabase(older)
  for (const instance of machine.kernel.running()) {
    const { order } = instance
    Object.assign(instance, { order: { ...order, note: JSON.stringify(withoutNews(JSON.parse(order.note))) } })
  }
  await settled(machine)
  await machine.run(5000)
  assert.deepEqual(running(machine), before)
  assert.equal(machine.daemon!.project.world.target?.project.services.length, 2)
  const { plan } = await machine.daemon!.project.plan({
    project: machine.daemon!.project.world.project!,
    secrets: {},
    isRollback: false,
    only: null,
  })
  assert.deepEqual(plan.steps, [])
  await up(machine, [{ ...web, scale: { kind: 'replicas', count: 3 } }, aService('worker', 'serve')])
  const after = running(machine)
  assert.deepEqual([before.filter((line) => !after.includes(line)), after.length], [[], 4], 'only the third replica is new')
})

/** A record as the first version wrote it: none of the fields that came later, at any depth. */
function withoutNews(record: unknown): unknown {
  const news = ['routes', 'balancer', ...Object.keys(updatePace)]
  return JSON.parse(JSON.stringify(record), (key, value: unknown) => {
    if (news.includes(key)) return undefined
    if (typeof value !== 'object' || value === null || !('runs' in value)) return value
    const { runs, ...service } = value as Service
    const { kind: _kind, ...program } = runs
    return { ...service, ...program }
  })
}

test('a slot whose files are lost begins above the last epoch that the database knows of', async () => {
  const machine = new SimulatedMachine(12)
  await up(machine, [aService('worker', 'serve')])
  const [first] = machine.kernel.running()
  assert.ok(first)
  machine.kernel.kill(first)
  await machine.run(1000)
  await settled(machine)
  machine.reboot()
  machine.kernel.epochs.clear()
  machine.kernel.instances.clear()
  await settled(machine)
  const [next] = machine.kernel.of(workerSlot)
  assert.ok(next && next.order.epoch > first.order.epoch, `${next?.order.epoch} after ${first.order.epoch}`)
})

test('an end is told once, however many daemons come after it', async () => {
  const machine = new SimulatedMachine(13)
  const once = { restart: { policy: 'no', delayMs: 0, maxDelayMs: 0, resetAfterMs: 0, budget: 0 } } as const
  await up(machine, [aService('worker', 'serve', once)])
  const [worker] = machine.kernel.running()
  assert.ok(worker)
  machine.kernel.kill(worker)
  for (let life = 0; life < 3; life += 1) {
    await machine.run(2000)
    machine.killDaemon()
    await machine.begin()
  }
  await machine.run(2000)
  const ends = (await machine.daemon?.project.events.read(0, 1000))?.filter(({ kind }) => kind === 'exited') ?? []
  assert.deepEqual(
    ends.map(({ slot, epoch }) => [slot, epoch]),
    [[workerSlot, worker.order.epoch]],
  )
})

test('without its damaged database a daemon starts again what a reboot has cut off, keeps it up, and changes nothing', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const machine = new SimulatedMachine(seed)
    machine.kernel.isCalm = true
    await up(machine, [aService('worker', 'serve'), aService('halted', 'serve'), migrate('finish')])
    await settled(machine)
    assert.equal(await machine.ask({ kind: 'stop', services: ['halted'] }), null)
    await machine.run(5000)
    assert.deepEqual(programs(machine), ['worker/0'])
    const before = machine.kernel.running().map(({ order }) => order.epoch)
    machine.restoreDatabase(createMemoryStore())
    machine.storeFault = new DarumaError('E_STORE_CORRUPT', 'it is damaged')
    machine.reboot()
    await machine.begin()
    await machine.run(5000)
    assert.deepEqual(programs(machine), ['worker/0'])
    for (const worker of machine.kernel.running()) machine.kernel.kill(worker)
    await machine.run(5000)
    const after = machine.kernel.running().map(({ order }) => order.epoch)
    assert.deepEqual(programs(machine), ['worker/0'])
    assert.ok((after[0] ?? 0) > (before[0] ?? 0) + 1, `${after.join()} after ${before.join()}`)
    assert.equal(await machine.apply([aService('worker', 'serve v2')]), 'E_STORE_CORRUPT')
    assert.equal(machine.daemon?.status().daemon.condition, 'it is damaged')
    assert.equal(machine.kernel.completions.get('finish'), 1)
    assert.deepEqual(machine.kernel.violations, [])
  }
})

test('daemons that die around an end tell it, and once', async () => {
  let count = 0
  for (let seed = 1; seed <= 200; seed += 1) {
    const machine = new SimulatedMachine(seed)
    await up(machine, [aService('worker', 'serve')])
    await settled(machine)
    machine.deathRate = 0.05
    for (let kill = 0; kill < 4; kill += 1) {
      for (const worker of machine.kernel.running()) machine.kernel.kill(worker)
      await machine.run(5000)
    }
    machine.deathRate = 0
    await settled(machine)
    const told = (await machine.daemon?.project.events.read(0, 5000)) ?? []
    const ends = told.filter(({ kind }) => kind === 'exited').map(({ epoch }) => epoch)
    assert.equal(new Set(ends).size, ends.length, `seed ${seed}: ${ends.join(' ')}`)
    // The kernel remembers the last ones.
    const over = machine.kernel.of(workerSlot).filter(({ state, hasBegun }) => state === 'gone' && hasBegun)
    const untold = over.filter(({ order }) => !ends.includes(order.epoch))
    assert.deepEqual(untold, [], `seed ${seed}`)
    count += over.length
  }
  assert.ok(count > 200, `only ${count} ended`)
})

test('work that ends while a change is written down has ended for every later daemon', async () => {
  for (let seed = 1; seed <= 80; seed += 1) {
    const machine = new SimulatedMachine(seed)
    machine.kernel.isCalm = true
    const once = { restart: { policy: 'no', delayMs: 0, maxDelayMs: 0, resetAfterMs: 0, budget: 0 } } as const
    await up(machine, [aService('worker', 'serve', once)])
    await settled(machine)
    const [worker] = machine.kernel.running()
    assert.ok(worker)
    machine.clock.after(seed % 8, () => machine.kernel.kill(worker))
    // Only a policy: the process stays, and its slot's record is rewritten.
    await machine.apply([
      aService('worker', 'serve', { ...once, stop: { signal: 'SIGTERM', gracePeriodMs: 2000, to: 'leader' } }),
    ])
    await machine.run(5000)
    machine.killDaemon()
    await machine.begin()
    await machine.run(5000)
    assert.equal(worker.state, 'gone')
    assert.deepEqual(
      machine.kernel.of(workerSlot).map(({ order }) => order.epoch),
      [worker.order.epoch],
      `seed ${seed}: it was started again`,
    )
  }
})

test('a job that ends while no daemon runs is not run again', async () => {
  const machine = new SimulatedMachine(14)
  assert.equal(await machine.apply([migrate('finish'), aService('worker', 'serve', afterMigrate)]), null)
  assert.ok(await machine.runUntil(() => machine.kernel.running().length === 1, 60_000), 'the job runs')
  machine.killDaemon()
  await machine.run(1000)
  assert.deepEqual([...machine.kernel.completions], [['finish', 1]])
  await settled(machine)
  assert.deepEqual([...machine.kernel.completions], [['finish', 1]])
  assert.deepEqual(machine.kernel.violations, [])
})

test('a job that has completed is not run again by a daemon that carries on its revision', async () => {
  const machine = new SimulatedMachine(15)
  const slow = aService('worker', 'serve', {
    ...afterMigrate,
    update: { order: 'stop-first', deadlineMs: 60_000, minReadyMs: 20_000, ...updatePace },
  })
  assert.equal(await machine.apply([migrate('finish'), slow]), null)
  assert.ok(await machine.runUntil(() => machine.kernel.completions.size === 1, 60_000), 'the job completes')
  await machine.run(500)
  machine.killDaemon()
  await machine.begin()
  await waitForEnd(machine)
  assert.equal(machine.daemon?.status().revision, 1)
  assert.deepEqual([...machine.kernel.completions], [['finish', 1]])
})

test('a rollback by hand runs no job', async () => {
  const machine = new SimulatedMachine(16)
  for (const version of ['v1', 'v2'])
    await up(machine, [migrate(`finish ${version}`), aService('worker', `serve ${version}`, afterMigrate)])
  assert.equal(await machine.ask({ kind: 'rollback', revision: 1 }), null)
  await waitForEnd(machine)
  await settled(machine)
  assert.equal(machine.daemon?.status().revision, 3)
  assert.deepEqual(
    machine.kernel.running().map(({ order }) => wordsOf(order).join(' ')),
    ['serve v1'],
  )
  assert.deepEqual(
    [...machine.kernel.completions],
    [
      ['finish v1', 1],
      ['finish v2', 1],
    ],
  )
})

test('an apply that was planned on an older revision is refused and changes nothing', async () => {
  const machine = new SimulatedMachine(17)
  await up(machine, [aService('worker', 'serve v1')])
  await up(machine, [aService('worker', 'serve v2')])
  await settled(machine)
  const before = running(machine)
  const project = { name: 'shop', stage: null, balancer, notify: [], services: [aService('worker', 'serve v3')] }
  assert.equal(await machine.ask({ kind: 'apply', project, secrets: {}, base: 1, fingerprint: null, only: null }), 'E_PLAN_STALE')
  await machine.run(5000)
  assert.deepEqual([machine.daemon?.status().revision, running(machine)], [2, before])
})

test('a revision of which one service fails is rolled back with every service', async () => {
  const machine = new SimulatedMachine(18)
  await up(machine, [aService('other', 'serve v1'), aService('worker', 'serve v1')])
  await up(machine, [aService('other', 'serve v2'), aService('worker', 'crash v2')])
  await settled(machine)
  assert.equal(machine.daemon?.status().revision, 1)
  assert.deepEqual(
    machine.kernel
      .running()
      .map(({ order }) => `${order.slot} ${wordsOf(order).join(' ')}`)
      .toSorted(),
    ['other/0 serve v1', 'worker/0 serve v1'],
  )
})

test('a state that was taken over from a copy starts above every epoch that its lost original can have given out', async () => {
  const machine = new SimulatedMachine(41)
  await up(machine, [aService('worker', 'serve')])
  const [before] = machine.kernel.running()
  assert.ok(before)
  machine.reboot()
  machine.takeOver = 'once'
  await settled(machine)
  const [after] = machine.kernel.running()
  assert.ok(after && after.order.epoch > before.order.epoch + 2 ** 39, `${after?.order.epoch} after ${before.order.epoch}`)
})

test('daemons that die while they renew the claims leave none of them as it was', async () => {
  for (let seed = 1; seed <= 25; seed += 1) {
    const machine = new SimulatedMachine(seed)
    // A keeper that stalls past the deadline would have the first revision rolled back, and no claim to renew.
    machine.kernel.isCalm = true
    await up(
      machine,
      ['one', 'two', 'three'].map((name) => aService(name, 'serve')),
    )
    machine.kernel.isCalm = false
    const before = new Map(machine.kernel.running().map(({ order }) => [order.slot, order.epoch]))
    machine.reboot()
    machine.takeOver = 'once'
    machine.deathRate = 0.1
    for (let tries = 0; tries < 10; tries += 1) await machine.begin().catch(() => {})
    machine.deathRate = 0
    await settled(machine)
    const after = machine.kernel.running()
    assert.equal(after.length, 3)
    for (const { order } of after)
      assert.ok(order.epoch > (before.get(order.slot) ?? 0) + 2 ** 39, `seed ${seed}: ${order.slot} has ${order.epoch}`)
  }
})

test('one backup that is put back twice starts above everything that the first time has given out', async () => {
  const machine = new SimulatedMachine(43)
  await up(machine, [aService('worker', 'serve')])
  let backup = await machine.copyDatabase()
  const epochs: number[] = []
  for (const takeOver of ['once', 'again']) {
    machine.restoreDatabase(backup)
    backup = await machine.copyDatabase()
    machine.reboot()
    // The backup's own files are older than all of this, and on another machine nothing lives.
    for (const memory of [machine.kernel.instances, machine.kernel.epochs, machine.kernel.committed]) memory.clear()
    machine.takeOver = takeOver
    await settled(machine)
    epochs.push(...machine.kernel.running().map(({ order }) => order.epoch))
    await machine.run(60_000)
  }
  assert.equal(epochs.length, 2)
  assert.ok((epochs[1] ?? 0) > (epochs[0] ?? 0) + 2 ** 20, epochs.join(' then '))
})

test('a limit that the host cannot keep is refused before anything that runs is stopped for it', async () => {
  const machine = new SimulatedMachine(42)
  await up(machine, [aService('worker', 'serve')])
  await settled(machine)
  const before = running(machine)
  const limited = aService('worker', 'serve', { limits: { cpuCores: null, memoryBytes: 1 << 20, pids: null } })
  assert.equal(await machine.apply([limited]), 'E_LIMIT_IMPOSSIBLE')
  await machine.run(5000)
  assert.deepEqual(running(machine), before)
})

test('an image that cannot be had ends the operation, and what runs was not touched', async () => {
  const machine = new SimulatedMachine(31)
  await up(machine, [aService('worker', 'serve v1'), aService('other', 'serve v1')])
  await settled(machine)
  const before = running(machine)
  await up(machine, [aService('worker', 'serve v2', { runs: anImage('nowhere', 'serve v2') }), aService('other', 'serve v2')])
  await machine.run(5000)
  assert.deepEqual(running(machine), before)
  assert.equal(machine.daemon?.project.world.applied, 1)
  await up(machine, [aService('worker', 'serve v2', { runs: anImage('here', 'serve v2') }), aService('other', 'serve v2')])
  await settled(machine)
  assert.deepEqual(
    machine.kernel.running().map(({ order }) => wordsOf(order).join(' ')),
    ['serve v2', 'serve v2'],
  )
})

test('wherever the daemon dies over the images, the operation ends, and nothing was given up before they were here', async () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const machine = new SimulatedMachine(seed)
    const fails = seed % 2 === 0
    await up(machine, [aService('worker', 'serve v1')])
    await settled(machine)
    const before = running(machine)
    machine.deathRate = 0.05
    await machine.apply([aService('worker', 'serve v2', { runs: anImage(fails ? 'nowhere' : 'here', 'serve v2') })])
    await machine.run(2000)
    machine.deathRate = 0
    await machine.begin()
    await waitForEnd(machine)
    await settled(machine)
    if (fails) assert.deepEqual(running(machine), before, `seed ${seed}`)
    else if (machine.daemon?.project.world.applied !== 1) assert.match(running(machine).join(), /serve v2/, `seed ${seed}`)
    assert.deepEqual(machine.kernel.violations, [])
  }
})
