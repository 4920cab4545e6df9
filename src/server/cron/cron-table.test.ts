import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatInstant, parseInstant } from '../../core/cron/instant.ts'
import { cronerCron } from '../../adapters/croner/index.ts'
import { defaultBalancer as balancer } from '../../core/keys/balancer.ts'
import { asRevisionNumber, asServiceName, isRunSlot } from '../../core/model/id.ts'
import type { Schedule, Service } from '../../core/model/service.ts'
import { wordsOf } from '../../sim/kernel.ts'
import { SimulatedMachine } from '../../sim/machine.ts'
import { aService } from '../../sim/services.ts'
import { createMemoryStore } from '../../sim/store.ts'
import { Presences } from './presence.ts'
import type { RevisionRecord } from '../records.ts'
import { World } from '../world/world.ts'

const name = asServiceName('tick')

function scheduled(command: string, over: Partial<Schedule> = {}): Service {
  const schedule: Schedule = {
    cron: '*/2 * * * * *',
    timezone: 'UTC',
    missed: 'run-once',
    overlap: 'forbid',
    timeoutMs: null,
    retries: 0,
    retryLost: false,
    keep: 2,
    ...over,
  }
  return aService('tick', command, { scale: { kind: 'schedule', schedule } })
}

async function up(seed: number, service: Service): Promise<SimulatedMachine> {
  const machine = new SimulatedMachine(seed)
  machine.kernel.isCalm = true
  assert.equal(await machine.apply([service]), null)
  assert.ok(await machine.settle(10_000))
  return machine
}

const begun = (machine: SimulatedMachine): readonly string[] => [...machine.kernel.runsBegun.keys()]

async function runUntilBegun(machine: SimulatedMachine, count: number): Promise<void> {
  assert.ok(
    await machine.runUntil(() => machine.kernel.runsBegun.size >= count, 120_000),
    `${begun(machine).length} of ${count} began`,
  )
}

test('each tick begins one run, and what is more than is kept is forgotten with its slot', async () => {
  const machine = await up(1, scheduled('work'))
  await runUntilBegun(machine, 8)
  await machine.run(4000)
  const moments = begun(machine).map((slot) => parseInstant(slot.slice('tick/'.length)))
  // A run may take longer than two seconds; then the tick after it is skipped.
  assert.ok(moments.every((moment, index) => moment % 2000 === 0 && (index === 0 || moment > (moments[index - 1] ?? 0))))
  assert.deepEqual(machine.kernel.violations, [])
  const slots = [...machine.kernel.instances.keys()].filter(isRunSlot)
  assert.ok(slots.length <= 3, `slots are left: ${slots.join(', ')}`)
})

test('a tick that somebody else has claimed is not begun', async () => {
  const machine = await up(2, scheduled('work'))
  const store = await machine.copyDatabase()
  machine.restoreDatabase(store)
  const daemon = await machine.begin()
  let end = ''
  void daemon.end.then(({ kind }) => (end = kind))
  const nextMs = Math.ceil((parseInstant(machine.clock.wallTime()) + 500) / 2000) * 2000
  const slot = `tick/${formatInstant(nextMs)}`
  await store.transact({ then: [{ kind: 'put', key: `projects/shop/run/${slot}`, value: '{}' }] })
  await machine.runUntil(() => end !== '', 10_000)
  assert.equal(end, 'broken', 'the daemon goes on with a ledger that is not the one that it knows')
  assert.ok(!begun(machine).includes(slot))
})

test('a database that is put back begins no tick again whose slot is there', async () => {
  const machine = await up(3, scheduled('work', { keep: 50, cron: '*/5 * * * * *' }))
  await runUntilBegun(machine, 1)
  const older = await machine.copyDatabase()
  await runUntilBegun(machine, 5)
  machine.restoreDatabase(older)
  // And the clock goes back with it, so that everything would be due once more.
  machine.clock.stepWall(-30_000)
  await machine.begin()
  await machine.run(60_000)
  assert.deepEqual(machine.kernel.violations, [])
  assert.ok(begun(machine).length > 6)
})

test('a database that is put back begins no tick again whose slot was forgotten', async () => {
  const machine = await up(4, scheduled('work', { keep: 1, cron: '*/5 * * * * *' }))
  await runUntilBegun(machine, 1)
  const older = await machine.copyDatabase()
  await runUntilBegun(machine, 6)
  await machine.run(5000)
  machine.restoreDatabase(older)
  machine.clock.stepWall(-40_000)
  await machine.begin()
  await machine.run(90_000)
  assert.deepEqual(machine.kernel.violations, [])
  assert.ok(begun(machine).length > 7)
})

test('a state that takes the place of another one begins no tick that the other one may have begun', async () => {
  // One was under way as the copy was made, and others came after it.
  const machine = await up(17, scheduled('work', { keep: 5, cron: '*/10 * * * * *' }))
  await runUntilBegun(machine, 2)
  const copy = await machine.copyDatabase()
  await runUntilBegun(machine, 5)
  const before = new Map(machine.kernel.runsBegun)
  const takenOverMs = Date.parse(machine.clock.wallTime())
  machine.restoreDatabase(copy)
  machine.reboot()
  // The copy's slots are older than all of this, and lie on another machine.
  for (const memory of [machine.kernel.instances, machine.kernel.epochs, machine.kernel.committed, machine.files]) memory.clear()
  machine.takeOver = 'once'
  await machine.begin()
  await machine.run(60_000)
  for (const [slot, count] of machine.kernel.runsBegun) {
    const tickMs = parseInstant(slot.slice(slot.indexOf('/') + 1))
    if (tickMs <= takenOverMs) assert.equal(count, before.get(slot), `${slot} began again`)
  }
  assert.ok(machine.kernel.runsBegun.size > before.size + 3, 'the schedule goes on')
})

test('watermarks that cannot be understood are put aside, and no service loses what its ledger knows', async () => {
  const twice = (cron: string): readonly Service[] => [
    scheduled('work', { keep: 1 }),
    { ...scheduled('work', { keep: 1, cron }), name: asServiceName('rare') },
  ]
  const machine = new SimulatedMachine(16)
  machine.kernel.isCalm = true
  assert.equal(await machine.apply(twice('*/2 * * * * *')), null)
  await runUntilBegun(machine, 12)
  await machine.run(2000)
  const marks = (): Readonly<Record<string, unknown>> =>
    JSON.parse(machine.files.get('/state/projects/shop/ticks.json') ?? '{}') as Record<string, unknown>
  assert.deepEqual(Object.keys(marks()).toSorted(), ['rare', 'tick'])
  assert.equal(await machine.apply(twice('0 0 1 1 *')), null)
  assert.ok(await machine.settle(60_000))
  await machine.run(5000)
  machine.killDaemon()
  machine.files.set('/state/projects/shop/ticks.json', '{"rare":[{"from')
  await machine.begin()
  await machine.run(10_000)
  assert.deepEqual(Object.keys(marks()).toSorted(), ['rare', 'tick'])
  assert.equal(machine.files.get('/state/projects/shop/ticks.json.unreadable'), '{"rare":[{"from')
})

test('a database that is put back grants no attempt again, also when the last one was cut off before it began', async () => {
  const machine = await up(15, scheduled('fail', { retries: 1, cron: '0 * * * * *' }))
  await runUntilBegun(machine, 1)
  const older = await machine.copyDatabase()
  const [slot] = machine.kernel.runsBegun.keys()
  const attempts = (): readonly { readonly state: string }[] => machine.kernel.of(slot ?? assert.fail())
  assert.ok(await machine.runUntil(() => attempts().length === 2 && attempts()[1]?.state === 'keeper', 60_000))
  machine.restoreDatabase(older)
  await machine.begin()
  await machine.run(30_000)
  assert.equal(machine.kernel.runsBegun.get(slot ?? assert.fail()), 2)
  assert.deepEqual(machine.kernel.violations, [])
})

test('a run goes on by its own config when its schedule is changed, and is ended when its service leaves', async () => {
  const machine = await up(5, scheduled('deaf v1', { cron: '*/10 * * * * *' }))
  await runUntilBegun(machine, 1)
  const running = (): readonly string[] => machine.kernel.running().map(({ order, pid }) => `${wordsOf(order).join(' ')} ${pid}`)
  const before = running()
  assert.equal(await machine.apply([scheduled('deaf v2', { cron: '*/10 * * * * *' })]), null)
  assert.ok(await machine.settle(10_000), 'the change waits for the run')
  assert.deepEqual(running(), before)
  assert.equal(await machine.apply([aService('other', 'serve')]), null)
  assert.ok(await machine.runUntil(() => machine.daemon?.project.operations.current === null, 60_000))
  assert.deepEqual(
    machine.kernel.running().map(({ order }) => order.slot),
    ['other/0'],
  )
})

test('a schedule that becomes a service, and a service that becomes a schedule, never run beside what they were', async () => {
  const stop = { signal: 'SIGTERM', gracePeriodMs: 5000, to: 'leader' } as const
  const volumes = [{ name: 'data', target: null }]
  const machine = await up(11, { ...scheduled('deaf v1'), stop, volumes })
  await runUntilBegun(machine, 1)
  const service = aService('tick', 'deaf v2', { stop, volumes })
  assert.equal(await machine.apply([service]), null)
  assert.ok(await machine.settle(60_000), 'the service waits for ever')
  assert.deepEqual(
    machine.kernel.running().map(({ order }) => order.slot),
    ['tick/0'],
  )
  const before = machine.kernel.runsBegun.size
  assert.equal(await machine.apply([{ ...scheduled('work v3'), stop, volumes }]), null)
  assert.ok(await machine.settle(60_000), 'the schedule waits for ever')
  await machine.run(10_000)
  assert.ok(machine.kernel.runsBegun.size > before + 1, 'no tick begins')
  assert.deepEqual(machine.kernel.violations, [])
})

test('runs that wait are still there under the next daemon, however often the clock was set', async () => {
  const machine = await up(12, scheduled('work', { cron: '*/5 * * * * *', overlap: 'queue', keep: 1 }))
  // Each step leaves a span of decided ticks of its own: more than are told apart.
  for (let step = 0; step < 20; step += 1) {
    await machine.run(12_000)
    machine.clock.stepWall(3_600_000)
  }
  assert.equal(
    await machine.apply([scheduled('deaf', { cron: '*/5 * * * * *', overlap: 'queue', keep: 1, timeoutMs: 20_000 })]),
    null,
  )
  const runs = (): readonly { readonly phase: string; readonly tickMs: number }[] =>
    machine.daemon?.project.cron.entries.get(name)?.ledger.runs ?? []
  const waiting = (): readonly number[] => runs().flatMap(({ phase, tickMs }) => (phase === 'queued' ? [tickMs] : []))
  await machine.run(70_000)
  const before = waiting()
  assert.ok(before.length > 3, `${before.length} wait`)
  machine.killDaemon()
  await machine.begin()
  await machine.run(10)
  assert.deepEqual(waiting().slice(0, before.length), before)
})

test('a schedule whose expressions could not be loaded runs as soon as they can', async () => {
  const world = new World()
  const project = { name: 'shop', stage: null, balancer, services: [scheduled('work')] }
  world.setTarget({ number: asRevisionNumber(1), project } as unknown as RevisionRecord)
  let isThere = false
  const presences = new Presences(world, async () => (isThere ? cronerCron : Promise.reject(new Error('no memory'))))
  await assert.rejects(presences.refresh(), /no memory/)
  assert.ok(presences.isNew(), 'nobody would look again')
  isThere = true
  assert.equal((await presences.refresh()).length, 1)
  assert.ok(!presences.isNew())
})

test('a schedule that no kept revision names is forgotten, with its runs and its watermark', async () => {
  const machine = await up(13, scheduled('work'))
  await runUntilBegun(machine, 5)
  assert.ok(machine.files.get('/state/projects/shop/ticks.json')?.includes('tick'), 'nothing was forgotten so far')
  for (let version = 1; version <= 60; version += 1) {
    assert.equal(await machine.apply([aService('other', `serve v${version}`)]), null)
    assert.ok(await machine.settle(60_000))
  }
  await machine.run(2000)
  assert.deepEqual([...(machine.daemon?.project.cron.entries.keys() ?? [])], [])
  const { entries } = await (await machine.copyDatabase()).list('')
  assert.deepEqual(
    entries.map(({ key }) => key).filter((key) => /^(?:run|schedule)\//.test(key)),
    [],
  )
  assert.equal(machine.files.get('/state/projects/shop/ticks.json'), '{}\n')
  assert.deepEqual([...machine.kernel.instances.keys()].filter(isRunSlot), [])
})

test('a run that waits for a service of a revision that is rolled back begins by the one that holds', async () => {
  const machine = new SimulatedMachine(14)
  machine.kernel.isCalm = true
  const check = { kind: 'http', path: '/', port: null, host: null } as const
  const readiness = { check, intervalMs: 500, timeoutMs: 500, retries: 2 }
  const db = (command: string): Service =>
    aService('db', command, {
      port: { kind: 'auto' },
      health: { startup: null, readiness, liveness: null, startPeriodMs: 8000 },
    })
  const after = [{ service: asServiceName('db'), condition: 'healthy' }] as const
  assert.equal(await machine.apply([db('serve v1'), { ...scheduled('work v1'), after }]), null)
  assert.ok(await machine.settle(10_000))
  assert.equal(await machine.apply([db('sick v2'), { ...scheduled('work v2'), after }]), null)
  assert.ok(await machine.runUntil(() => machine.daemon?.project.operations.current === null, 120_000))
  assert.equal(machine.daemon?.project.world.applied, 1)
  const before = machine.kernel.runsBegun.size
  await machine.run(20_000)
  assert.ok(machine.kernel.runsBegun.size > before + 3, `${machine.kernel.runsBegun.size - before} began since`)
  const words = [...machine.kernel.instances.values()].flat().map(({ order }) => wordsOf(order).join(' '))
  assert.ok(!words.includes('work v2'), 'a run by the config that was rolled back')
})

test('a first revision that is rolled back takes its runs with it', async () => {
  const machine = new SimulatedMachine(9)
  machine.kernel.isCalm = true
  const check = { kind: 'http', path: '/', port: null, host: null } as const
  const readiness = { check, intervalMs: 500, timeoutMs: 500, retries: 2 }
  const web = aService('web', 'sick', {
    port: { kind: 'auto' },
    health: { startup: null, readiness, liveness: null, startPeriodMs: 4000 },
  })
  assert.equal(await machine.apply([scheduled('deaf'), web]), null)
  assert.ok(
    await machine.runUntil(() => machine.daemon?.project.operations.current === null, 60_000),
    'the rollback waits for ever',
  )
  assert.ok(machine.kernel.runsBegun.size > 0, 'nothing had begun, so this shows nothing')
  assert.deepEqual(machine.kernel.running(), [])
  const before = machine.kernel.runsBegun.size
  await machine.run(10_000)
  assert.equal(machine.kernel.runsBegun.size, before)
})

test('a database that was lost leaves a run alone until somebody says what should be', async () => {
  const machine = await up(10, scheduled('deaf', { cron: '*/10 * * * * *' }))
  await runUntilBegun(machine, 1)
  const pids = (): readonly number[] => machine.kernel.running().map(({ pid }) => pid)
  const before = pids()
  machine.restoreDatabase(createMemoryStore())
  await machine.begin()
  await machine.run(30_000)
  assert.deepEqual(pids(), before)
  assert.equal(await machine.apply([scheduled('deaf', { cron: '*/10 * * * * *' })]), null)
  await machine.run(15_000)
  assert.deepEqual(pids(), before)
  assert.deepEqual(machine.kernel.violations, [])
})

test('a run that takes too long is ended, also when another daemon watches its last moments', async () => {
  const machine = await up(6, scheduled('deaf', { cron: '0 * * * * *', timeoutMs: 20_000 }))
  await runUntilBegun(machine, 1)
  await machine.run(12_000)
  machine.killDaemon()
  await machine.begin()
  await machine.run(10_500)
  assert.deepEqual(machine.kernel.running(), [])
  const run = machine.daemon?.project.cron.entries.get(name)?.ledger.runs[0]
  assert.equal(run?.end?.kind, 'timed-out')
})

test('by hand: what may not overlap is refused with the run that is in the way, and a stopped schedule runs nothing', async () => {
  const machine = await up(7, scheduled('deaf', { cron: '0 0 1 1 *' }))
  const answer = (): Promise<string> => {
    const asked = (machine.daemon ?? assert.fail()).project.cron.runByHand(name).then(
      ({ slot }) => String(slot),
      (error: unknown) => (error as { code: string }).code,
    )
    let said: string | null = null
    void asked.then((text) => (said = text))
    return machine.runUntil(() => said !== null, 5000).then(() => asked)
  }
  const first = await answer()
  assert.match(first, /^tick\/.*\.\d{3}Z$/)
  assert.equal(await answer(), 'E_RUN_UNDER_WAY')
  assert.equal(await machine.ask({ kind: 'stop', services: ['tick'] }), null)
  assert.ok(await machine.runUntil(() => machine.daemon?.project.operations.current === null, 60_000))
  assert.deepEqual(machine.kernel.running(), [])
  assert.equal(await answer(), 'E_JOB_STOPPED')
})

test('on a full disk nothing begins that could not be written down, and afterwards one run stands for what was missed', async () => {
  const machine = await up(8, scheduled('work', { cron: '*/5 * * * * *' }))
  await runUntilBegun(machine, 1)
  await machine.run(4000)
  machine.kernel.isDiskFull = true
  await machine.run(30_000)
  const before = machine.kernel.runsBegun.size
  assert.ok(before <= 2, `${before} began`)
  machine.kernel.isDiskFull = false
  await machine.run(2500)
  // Of the six that passed one, and perhaps the one that is due just now.
  const since = machine.kernel.runsBegun.size - before
  assert.ok(since === 1 || since === 2, `${since} began`)
  assert.deepEqual(machine.kernel.violations, [])
})
