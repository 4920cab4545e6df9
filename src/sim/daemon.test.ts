import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asServiceName } from '../core/model/id.ts'
import type { Service } from '../core/model/service.ts'
import { SimulatedMachine, aService } from './machine.ts'

const job = (command: string): Service => aService('migrate', command, { scale: { kind: 'job' } })
const after = (service: string, condition: 'started' | 'healthy' | 'completed'): Pick<Service, 'after'> => ({
  after: [{ service: asServiceName(service), condition }],
})
const probe = { check: { kind: 'http', path: '/', port: null, host: null }, intervalMs: 1000, timeoutMs: 1000, retries: 2 } as const
const probed: Pick<Service, 'health' | 'port'> = {
  port: { kind: 'auto' },
  health: { startup: null, readiness: probe, liveness: null, startPeriodMs: 5000 },
}

const stateOf = (machine: SimulatedMachine): unknown =>
  machine.daemon?.status().instances.map(({ slot, state }) => `${slot} ${state}`)

async function up(machine: SimulatedMachine, services: readonly Service[]): Promise<void> {
  assert.equal(await machine.apply(services), null)
  assert.ok(await machine.runUntil(() => machine.daemon?.operations.current === null, 300_000), 'the operation has no end')
}

test('a job that completed does not run again when its revision is taken back', async () => {
  const machine = new SimulatedMachine(1)
  await up(machine, [job('finish v1'), aService('web', 'serve v1', after('migrate', 'completed'))])
  await up(machine, [job('finish v2'), aService('web', 'crash v2', after('migrate', 'completed'))])
  assert.ok(await machine.settle(60_000))
  assert.equal(machine.daemon?.status().revision, 1)
  assert.deepEqual([...machine.kernel.completions], [['finish v1', 1], ['finish v2', 1]])
  machine.killDaemon()
  assert.ok(await machine.settle(60_000))
  assert.deepEqual([...machine.kernel.completions], [['finish v1', 1], ['finish v2', 1]])
  assert.deepEqual(machine.kernel.violations, [])
})

test('a job that fails does not make the former one run again', async () => {
  const machine = new SimulatedMachine(2)
  await up(machine, [job('finish v1'), aService('web', 'serve v1', after('migrate', 'completed'))])
  await up(machine, [job('fail v2'), aService('web', 'serve v2', after('migrate', 'completed'))])
  assert.ok(await machine.settle(60_000))
  assert.deepEqual([...machine.kernel.completions], [['finish v1', 1]])
})

test('an operation that waits for a service that nobody changes ends all the same', async () => {
  const machine = new SimulatedMachine(3)
  await up(machine, [aService('db', 'serve', probed)])
  const db = machine.kernel.running()[0]
  assert.ok(db)
  Object.assign(db.order.command, ['sick'])
  await machine.run(10_000)
  await up(machine, [aService('db', 'serve', probed), aService('web', 'serve', after('db', 'healthy'))])
  assert.equal(machine.daemon?.status().revision, 1)
})

test('a service that is removed has its whole grace period, however long', async () => {
  const machine = new SimulatedMachine(4)
  await up(machine, [aService('web', 'deaf', { stop: { signal: 'SIGTERM', gracePeriodMs: 200_000 } })])
  await up(machine, [])
  assert.deepEqual(stateOf(machine), [])
  assert.equal(machine.daemon?.status().revision, 2)
})
