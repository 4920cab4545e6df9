/**
 * A daemon that begins in the middle of a change knows nothing yet of what it has adopted: until a probe has answered, an instance is
 * neither of use nor useless, and nothing is given up for the one or for the other.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { updatePace } from '../core/keys/service/update.ts'
import type { Service } from '../core/model/service.ts'
import { SimulatedMachine } from './machine.ts'
import { aService } from './services.ts'

const probe = {
  check: { kind: 'http', path: '/', port: null, host: null },
  intervalMs: 1000,
  timeoutMs: 1000,
  retries: 2,
} as const

/** Without a route: nobody but the daemon's own probes knows whether it is well. */
const worker = (command: string, update: Partial<Service['update']> = {}): Service =>
  aService('worker', command, {
    port: { kind: 'auto' },
    health: { startup: null, readiness: probe, liveness: null, startPeriodMs: 10_000 },
    scale: { kind: 'replicas', count: 3 },
    update: { order: 'start-first', deadlineMs: 30_000, minReadyMs: 100, ...updatePace, ...update },
  })

/** A calm machine with three of v1 on it, whose probes take their time. */
async function withThree(seed: number, update: Partial<Service['update']>): Promise<SimulatedMachine> {
  const machine = new SimulatedMachine(seed)
  machine.kernel.isCalm = true
  assert.equal(await machine.apply([worker('serve v1', update)]), null)
  assert.ok(await machine.settle(60_000))
  machine.probeMs = 400
  return machine
}

const wellOf = (machine: SimulatedMachine): number => machine.kernel.running().filter(({ isSick }) => !isSick).length

test('a daemon that begins in the middle of an update gives up nobody whom it has not probed yet', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const machine = await withThree(seed, {})
    let fewest = 3
    machine.watch = () => {
      fewest = Math.min(fewest, wellOf(machine))
    }
    assert.equal(await machine.apply([worker('sick v2')]), null)
    for (let round = 0; round < 8; round += 1) {
      await machine.run(machine.random.below(900))
      machine.killDaemon()
      await machine.begin()
    }
    assert.ok(await machine.settle(120_000), `seed ${seed}: ${JSON.stringify(machine.daemon?.status().instances)}`)
    assert.equal(fewest, 3, `seed ${seed}`)
    assert.deepEqual(machine.kernel.violations, [])
  }
})

test('the floor of what must be ready holds also before a new daemon has probed', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const pace = { order: 'stop-first', parallel: 2, minHealthy: 2 } as const
    const machine = await withThree(seed, pace)
    let fewest = 3
    machine.watch = () => {
      fewest = Math.min(fewest, wellOf(machine))
    }
    assert.equal(await machine.apply([worker('serve v2', pace)]), null)
    for (let round = 0; round < 8; round += 1) {
      await machine.run(machine.random.below(900))
      machine.killDaemon()
      await machine.begin()
    }
    assert.ok(await machine.settle(120_000), `seed ${seed}`)
    assert.ok(fewest >= 2, `seed ${seed}: only ${fewest} were there at some moment`)
  }
})
