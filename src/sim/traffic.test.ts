/**
 * Traffic on the simulated machine: daemons that die at any await, a balancer that confirms late, or does what it was told and never says
 * so, or dies. Anytime: nothing with requests under way is asked to end before it has drained (the simulated balancer is the witness), and
 * through a start-first change somebody always serves. Finally: the table is the world.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { balancerSlot } from '../core/balance/balancer-service.ts'
import { upstreamId } from '../core/balance/table.ts'
import { updatePace } from '../core/keys/service/update.ts'
import { asServiceName } from '../core/model/id.ts'
import type { SlotId } from '../core/model/id.ts'
import type { Route, Service } from '../core/model/service.ts'
import { drainingShells } from '../agent/traffic/endpoints.ts'
import { SimulatedMachine } from './machine.ts'
import { aService } from './services.ts'
import { tableSlot } from './place.ts'

const route = (domain: string): Route => ({
  to: { kind: 'domain', domain },
  path: '/',
  tls: { kind: 'none' },
  proxyProtocol: { accept: false, send: false },
  idempotent: false,
})
const probe = {
  check: { kind: 'http', path: '/', port: null, host: null },
  intervalMs: 1000,
  timeoutMs: 1000,
  retries: 2,
} as const

const web = (command: string, count: number, over: Partial<Service> = {}): Service =>
  aService('web', command, {
    port: { kind: 'auto' },
    routes: [route('shop.example')],
    health: { startup: null, readiness: probe, liveness: null, startPeriodMs: 10_000 },
    scale: { kind: 'replicas', count },
    update: { order: 'start-first', deadlineMs: 60_000, minReadyMs: 100, ...updatePace, drainMs: 10_000 },
    ...over,
  })

async function up(machine: SimulatedMachine, services: readonly Service[]): Promise<void> {
  assert.equal(await machine.apply(services), null)
  assert.ok(await machine.settle(300_000), JSON.stringify(machine.daemon?.status().instances))
}

/** What is routed is exactly what runs. */
function assertTableIsWorld(machine: SimulatedMachine): void {
  const running = machine.kernel
    .running()
    .filter(({ order }) => order.slot !== balancerSlot)
    .map(({ order }) => `${upstreamId(tableSlot(order.slot), order.epoch)} active`)
  const routed = (machine.balancer.table?.pools ?? []).flatMap(({ upstreams }) =>
    upstreams.map(({ id, state }) => `${id} ${state}`),
  )
  assert.deepEqual(routed.toSorted(), running.toSorted())
}

const revision = (machine: SimulatedMachine): number => machine.daemon?.status().revision ?? 0

test('a first up starts the balancer with a table, and a down ends it last', async () => {
  const machine = new SimulatedMachine(1)
  machine.kernel.isCalm = true
  await up(machine, [web('serve v1', 2)])
  assert.equal(machine.balancer.serving('web').length, 2)
  assert.deepEqual(
    machine.daemon?.status().instances.map(({ slot, state }) => `${slot} ${state}`),
    ['@balancer/0 running', 'web/0 running', 'web/1 running'],
  )
  assert.equal(await machine.ask({ kind: 'down' }), null)
  assert.ok(await machine.runUntil(() => machine.kernel.running().length === 0, 60_000))
  assert.deepEqual(machine.kernel.violations, [])
})

test('a rolling update, whatever dies or answers late, always leaves somebody who serves and cuts nobody', async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const machine = new SimulatedMachine(seed)
    machine.kernel.isCalm = seed % 3 === 0
    const count = 1 + (seed % 3)
    await up(machine, [web('serve v1', count)])
    let fewest = count
    machine.watch = () => {
      fewest = Math.min(fewest, machine.balancer.serving('web').length)
    }
    machine.deathRate = seed % 2 === 0 ? 0.02 : 0
    machine.balancer.lossRate = seed % 5 === 0 ? 0.3 : 0
    // A daemon that dies over the request has not heard it; then it is asked again.
    for (let tries = 0; tries < 5 && revision(machine) === 1; tries += 1) await up(machine, [web('serve v2', count)])
    machine.deathRate = 0
    machine.balancer.lossRate = 0
    assert.ok(await machine.settle(60_000))
    await machine.run(15_000)
    assert.ok(fewest >= count, `seed ${seed}: only ${fewest} of ${count} served at some moment`)
    assert.deepEqual(machine.kernel.violations, [], `seed ${seed}`)
    assert.equal(revision(machine), 2, `seed ${seed}: ${machine.log.slice(-3).join('; ')}`)
    assertTableIsWorld(machine)
  }
})

test('scaling, restarts and the way back are as smooth as an update', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const machine = new SimulatedMachine(seed)
    machine.kernel.isCalm = seed % 2 === 0
    await up(machine, [web('serve v1', 2)])
    await up(machine, [web('serve v2', 2)])
    let fewest = 2
    machine.watch = () => {
      fewest = Math.min(fewest, machine.balancer.serving('web').length)
    }
    machine.deathRate = seed % 4 === 0 ? 0.01 : 0
    for (const wish of [
      { kind: 'scale', service: 'web', replicas: 4 },
      { kind: 'restart', services: ['web'] },
      { kind: 'scale', service: 'web', replicas: 2 },
      { kind: 'rollback', revision: 1 },
    ] as const) {
      // A daemon that dies over the request may not have heard it; then it is asked again.
      assert.ok([null, 'E_OPERATION_BUSY'].includes(await machine.ask(wish)))
      assert.ok(await machine.settle(300_000), `seed ${seed}: ${wish.kind}`)
    }
    machine.deathRate = 0
    await machine.run(15_000)
    assert.ok(fewest >= 2, `seed ${seed}: only ${fewest} served at some moment`)
    assert.deepEqual(machine.kernel.violations, [], `seed ${seed}`)
    assertTableIsWorld(machine)
  }
})

test('a balancer that dies in the middle of an update comes back with its table, and the update goes on', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const machine = new SimulatedMachine(seed)
    machine.kernel.isCalm = true
    await up(machine, [web('serve v1', 3)])
    const before = machine.kernel.of(balancerSlot).length
    assert.equal(await machine.apply([web('serve v2', 3)]), null)
    await machine.run(machine.random.below(800))
    for (const instance of machine.kernel.running().filter(({ order }) => order.slot === balancerSlot))
      machine.kernel.kill(instance)
    assert.ok(await machine.settle(120_000), `seed ${seed}`)
    await machine.run(15_000)
    assert.ok(machine.kernel.of(balancerSlot).length > before)
    assert.deepEqual(machine.kernel.violations, [])
    assertTableIsWorld(machine)
  }
})

test('a new daemon takes nobody out of use before it has probed, and adopts the balancer as it is', async () => {
  const machine = new SimulatedMachine(5)
  machine.kernel.isCalm = true
  await up(machine, [web('serve v1', 2)])
  const pids = machine.kernel.running().map(({ pid }) => pid)
  let fewest = 2
  machine.watch = () => {
    fewest = Math.min(fewest, machine.balancer.serving('web').length)
  }
  // Longer than a daemon needs for its first table.
  machine.probeMs = 400
  for (let round = 0; round < 10; round += 1) {
    machine.killDaemon()
    assert.ok(await machine.settle(60_000))
    await machine.run(machine.random.below(1500))
  }
  assert.equal(fewest, 2)
  assert.deepEqual(
    machine.kernel.running().map(({ pid }) => pid),
    pids,
  )
})

test('an instance that got its route while it ran keeps it under the next daemon', async () => {
  const machine = new SimulatedMachine(12)
  machine.kernel.isCalm = true
  await up(machine, [web('serve v1', 2, { routes: [] })])
  const pids = machine.kernel.running().map(({ pid }) => pid)
  await up(machine, [web('serve v1', 2)])
  let fewest = 2
  machine.watch = () => {
    fewest = Math.min(fewest, machine.balancer.serving('web').length)
  }
  machine.killDaemon()
  assert.ok(await machine.settle(60_000))
  await machine.run(5000)
  assert.equal(fewest, 2)
  const isOld = ({ pid }: { readonly pid: number }): boolean => pids.includes(pid)
  assert.equal(machine.kernel.running().filter(isOld).length, 2, 'it restarted for its route')
  assertTableIsWorld(machine)
})

test('an instance that got its route while it ran drains under the next daemon too', async () => {
  const machine = new SimulatedMachine(15)
  machine.kernel.isCalm = true
  await up(machine, [web('serve v1', 2, { routes: [] })])
  await up(machine, [web('serve v1', 2)])
  const drains = (): readonly SlotId[] =>
    drainingShells(machine.daemon?.project.served ?? assert.fail()).map(({ shell }) => shell.id)
  assert.equal(await machine.ask({ kind: 'scale', service: 'web', replicas: 1 }), null)
  assert.ok(await machine.runUntil(() => drains().length === 1, 10_000))
  const before = drains()
  machine.killDaemon()
  await machine.begin()
  const isDraining = (): boolean => drains().join() === before.join()
  assert.ok(await machine.runUntil(isDraining, 5000), `${drains().join()} drain, ${before.join()} should`)
  assert.ok(await machine.settle(60_000))
  assert.equal(machine.kernel.running().filter(({ order }) => order.slot !== balancerSlot).length, 1)
})

test('what came into force on a full disk is written down when there is space, and kept by the next daemon', async () => {
  const machine = new SimulatedMachine(13)
  machine.kernel.isCalm = true
  await up(machine, [web('serve v1', 1)])
  const [first] = machine.kernel.of('web/0' as SlotId)
  assert.ok(first)
  machine.kernel.kill(first)
  // Its successor runs, and its epoch is not applied yet.
  assert.ok(await machine.runUntil(() => machine.kernel.running().some(({ order }) => order.slot === 'web/0'), 10_000))
  machine.kernel.isDiskFull = true
  assert.ok(await machine.runUntil(() => machine.balancer.serving('web').length === 1, 10_000))
  await machine.run(2000)
  machine.kernel.isDiskFull = false
  await machine.run(10_000)
  let fewest = 1
  machine.watch = () => {
    fewest = Math.min(fewest, machine.balancer.serving('web').length)
  }
  machine.probeMs = 400
  machine.killDaemon()
  assert.ok(await machine.settle(60_000))
  assert.equal(fewest, 1)
})

test('a balancer that does not answer for long leaves nothing behind of all who came and went meanwhile', async () => {
  const machine = new SimulatedMachine(14)
  machine.kernel.isCalm = true
  await up(machine, [web('serve v1', 1)])
  machine.balancer.lossRate = 1
  for (let round = 0; round < 30; round += 1) {
    for (const instance of machine.kernel.running()) machine.kernel.kill(instance)
    await machine.run(15_000)
  }
  const { entries } = await (await machine.copyDatabase()).list('traffic')
  const { asked } = JSON.parse(entries[0]?.value ?? '{}') as { readonly asked: readonly string[] }
  assert.ok(asked.length <= 3, `${asked.length} are remembered`)
})

test('while the balancer confirms no table, who is new replaces nobody, however ready it is', async () => {
  const machine = new SimulatedMachine(21)
  machine.kernel.isCalm = true
  await up(machine, [web('serve v1', 1)])
  const [old] = machine.kernel.running().filter(({ order }) => order.slot !== balancerSlot)
  assert.ok(old)
  machine.balancer.lossRate = 1
  assert.equal(await machine.apply([web('serve v2', 1)]), null)
  await machine.run(20_000)
  assert.ok(machine.kernel.running().length > 2, 'the new one runs')
  assert.equal(old.wasAsked, false)
  assert.equal(machine.daemon?.project.world.assignments.get(old.order.slot)?.goal.kind, 'run', 'it is still wanted')
  machine.balancer.lossRate = 0
  assert.ok(await machine.settle(60_000))
  assert.equal(old.state, 'gone')
  assert.deepEqual(machine.kernel.violations, [])
})

test('a route whose port a stranger has fails the operation by name, and the world before it is in force again', async () => {
  const machine = new SimulatedMachine(6)
  machine.kernel.isCalm = true
  await up(machine, [web('serve v1', 1)])
  machine.balancer.takenPort = 8080
  const taken: Route = { ...route('x'), to: { kind: 'port', port: 8080, protocol: 'http' } }
  assert.equal(await machine.apply([web('serve v1', 1, { routes: [route('shop.example'), taken] })]), null)
  assert.ok(await machine.runUntil(() => machine.daemon?.project.operations.current === null, 60_000))
  const events = await machine.daemon?.project.events.read(0, 1000)
  assert.ok(events?.some(({ kind, cause }) => kind === 'rolling-back' && cause?.includes('port 8080 is taken by a stranger')))
  assert.ok(await machine.settle(60_000))
  assert.equal(revision(machine), 1)
  assert.deepEqual(
    machine.balancer.table?.listeners.map(({ port }) => port),
    [80],
  )
})

test('a service with routes that goes is drained, and its balancer with it when it was the last', async () => {
  const machine = new SimulatedMachine(7)
  const worker = aService('worker', 'serve')
  await up(machine, [web('serve v1', 2), worker])
  await up(machine, [worker])
  assert.ok(await machine.runUntil(() => machine.kernel.running().length === 1, 60_000))
  assert.deepEqual(machine.kernel.violations, [])
})

test('the gap of what is replaced in place is measured, shown in the operation, the events and the status', async () => {
  const machine = new SimulatedMachine(8)
  machine.kernel.isCalm = true
  const services = (version: string): readonly Service[] => [
    web(`serve ${version}`, 1, { scale: { kind: 'singleton' }, update: { ...web('', 1).update, order: 'stop-first' } }),
    aService('worker', `serve ${version}`),
  ]
  await up(machine, services('v1'))
  assert.equal(machine.daemon?.status().services[0]?.gap, null)
  assert.equal(await machine.apply(services('v2')), null)
  const lines: string[] = []
  const { daemon } = machine
  daemon?.project.operations.follow(daemon.project.operations.current?.id ?? '', (line) => {
    if (line.kind === 'progress' && line.message.includes('gap')) lines.push(`${line.slot ?? line.service}: ${line.message}`)
  })
  let awayMs = 0
  let beforeMs = machine.clock.now()
  machine.watch = () => {
    if (machine.balancer.serving('web').length === 0) awayMs += machine.clock.now() - beforeMs
    beforeMs = machine.clock.now()
  }
  assert.ok(await machine.settle(60_000))
  const [first, second] = machine.daemon?.status().services ?? []
  const webMs = first?.gap?.lastMs ?? 0
  assert.ok(webMs > 0 && Math.abs(webMs - awayMs) <= 100, `told ${webMs} ms, ${awayMs} ms were seen`)
  // Without a route it is away from its end until its successor is ready.
  assert.ok((second?.gap?.lastMs ?? 0) >= 100, JSON.stringify(second?.gap))
  assert.deepEqual(new Set(lines.map((line) => line.split(':')[0])), new Set(['web/0', 'web', 'worker/0', 'worker']))
  const told = (await daemon?.project.events.read(0, 1000))?.filter(({ kind }) => kind === 'replaced').map(({ slot }) => slot)
  assert.deepEqual(new Set(told), new Set(['web/0', 'worker/0']))
})

test('a domain that passes to a service with another name is served all the time', async () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const machine = new SimulatedMachine(seed)
    machine.kernel.isCalm = seed % 2 === 0
    await up(machine, [web('serve v1', 2)])
    let fewest = 1
    machine.watch = () => {
      const rule = machine.balancer.table?.listeners[0]?.rules[0]
      const pool = rule?.action.kind === 'pool' ? rule.action.pool : ''
      fewest = Math.min(fewest, machine.balancer.serving(pool).length)
    }
    await up(machine, [{ ...web('serve v1', 2), name: asServiceName('site') }])
    await machine.run(5000)
    assert.equal(fewest, 1, `seed ${seed}: nobody served at some moment`)
    assert.deepEqual(machine.kernel.violations, [])
    assertTableIsWorld(machine)
  }
})

test('a balancer that hangs is found out and begun anew, also while nothing changes', async () => {
  const machine = new SimulatedMachine(9)
  machine.kernel.isCalm = true
  await up(machine, [web('serve v1', 2)])
  const hung = machine.kernel.running().find(({ order }) => order.slot === balancerSlot)
  assert.ok(hung)
  Object.assign(hung, { isSick: true, wasSick: true })
  await machine.run(60_000)
  const now = machine.kernel.running().find(({ order }) => order.slot === balancerSlot)
  assert.ok(now !== undefined && now.order.epoch > hung.order.epoch)
  assert.equal(machine.balancer.serving('web').length, 2)
  assertTableIsWorld(machine)
})

test('under a balancer that hangs, who leaves has all the time that a drain may take, and not more', async () => {
  const machine = new SimulatedMachine(11)
  machine.kernel.isCalm = true
  await up(machine, [web('serve v1', 2)])
  const hung = machine.kernel.running().find(({ order }) => order.slot === balancerSlot)
  assert.ok(hung)
  Object.assign(hung, { isSick: true, wasSick: true })
  const askedAtMs: number[] = []
  const witness = machine.kernel.onAskedToEnd
  machine.kernel.onAskedToEnd = (instance) => {
    if (instance.order.slot !== balancerSlot) askedAtMs.push(machine.clock.now())
    witness(instance)
  }
  const fromMs = machine.clock.now()
  assert.equal(await machine.ask({ kind: 'scale', service: 'web', replicas: 1 }), null)
  await machine.run(60_000)
  const { drainMs } = web('serve v1', 2).update
  assert.deepEqual(
    askedAtMs.map((ms) => Math.floor((ms - fromMs) / 100)),
    [drainMs / 100],
  )
  assert.deepEqual(machine.kernel.violations, [])
  assert.equal(machine.balancer.serving('web').length, 1)
  assertTableIsWorld(machine)
})

test('the trouble of the world before is not held against the operation that mends it', async () => {
  const machine = new SimulatedMachine(10)
  machine.kernel.isCalm = true
  await up(machine, [web('serve v1', 1)])
  machine.balancer.takenPort = 80
  for (const instance of machine.kernel.running().filter(({ order }) => order.slot === balancerSlot))
    machine.kernel.kill(instance)
  await machine.run(5000)
  const other: Route = { ...route('x'), to: { kind: 'port', port: 8080, protocol: 'http' } }
  await up(machine, [web('serve v1', 1, { routes: [other] })])
  assert.equal(revision(machine), 2)
})
