/** A canary on the simulated machine: held, promoted by its time or by hand, rolled back by its errors or its end, through daemons that die. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { updatePace } from '../core/keys/service/update.ts'
import { asServiceName } from '../core/model/id.ts'
import type { Service } from '../core/model/service.ts'
import { DarumaError } from '../ports/error.ts'
import { wordsOf } from './kernel.ts'
import { SimulatedMachine } from './machine.ts'
import { aService } from './services.ts'

const probe = {
  check: { kind: 'http', path: '/', port: null, host: null },
  intervalMs: 1000,
  timeoutMs: 1000,
  retries: 2,
} as const

const web = (command: string): Service =>
  aService('web', command, {
    port: { kind: 'auto' },
    routes: [
      {
        to: { kind: 'domain', domain: 'shop.example' },
        path: '/',
        tls: { kind: 'none' },
        proxyProtocol: { accept: false, send: false },
        idempotent: false,
      },
    ],
    health: { startup: null, readiness: probe, liveness: null, startPeriodMs: 10_000 },
    scale: { kind: 'replicas', count: 3 },
    update: {
      ...updatePace,
      order: 'start-first',
      deadlineMs: 30_000,
      minReadyMs: 100,
      drainMs: 10_000,
      canary: { share: 0.05, forMs: 60_000, errorRate: 0.01 },
    },
  })

/** A machine on which v2 is being tried out beside v1, as the lines of its operation tell. */
async function trying(seed: number): Promise<{ machine: SimulatedMachine; lines: string[] }> {
  const machine = new SimulatedMachine(seed)
  machine.kernel.isCalm = true
  assert.equal(await machine.apply([web('serve v1')]), null)
  assert.ok(await machine.settle(60_000))
  const lines: string[] = []
  assert.equal(await machine.apply([web('serve v2')]), null)
  follow(machine, lines)
  assert.ok(await machine.runUntil(() => machine.balancer.table?.pools[0]?.canaryShare === 0.05, 60_000))
  return { machine, lines }
}

function follow(machine: SimulatedMachine, lines: string[]): void {
  const { daemon } = machine
  daemon?.project.operations.follow(daemon.project.operations.current?.id ?? '', (line) => {
    if (line.kind === 'progress') lines.push(line.message)
    if (line.kind === 'failure') lines.push(line.failure.message)
    if (line.kind === 'end') lines.push(`${line.state}${line.rolledBack ? ', rolled back' : ''}`)
  })
}

/** What `promote` answers, for all that is tried out: the services, or the code of the refusal. */
async function promoted(machine: SimulatedMachine): Promise<readonly string[] | string> {
  let answer: readonly string[] | string | undefined
  machine.daemon?.project.operations.trials.promote([]).then(
    (services) => (answer = services),
    (error: unknown) => (answer = error instanceof DarumaError ? error.code : String(error)),
  )
  assert.ok(await machine.runUntil(() => answer !== undefined, 10_000))
  return answer ?? []
}

const versions = (machine: SimulatedMachine): readonly string[] =>
  machine.kernel
    .running()
    .map(({ order }) => wordsOf(order).at(-1) ?? '')
    .filter((word) => word !== 'balancer')
    .toSorted()

test('a canary has its share beside all of the old ones, and the rest after its time', async () => {
  const { machine, lines } = await trying(1)
  await machine.run(30_000)
  assert.deepEqual(versions(machine), ['v1', 'v1', 'v1', 'v2'])
  const status = machine.daemon?.status().services[0]?.canary
  assert.ok(status !== null && status !== undefined && status.heldMs > 20_000 && status.requests > 0, JSON.stringify(status))
  assert.ok(lines.some((line) => /^canary in use, 5 % of requests, 40 s left, [\d,]+ requests, 0 failed$/.test(line)))
  await machine.run(33_000)
  assert.ok(await machine.settle(60_000))
  assert.deepEqual(versions(machine), ['v2', 'v2', 'v2'])
  assert.ok(lines.some((line) => line.startsWith('the canary is promoted after ')))
  assert.equal(machine.balancer.table?.pools[0]?.canaryShare, null)
  assert.deepEqual(machine.kernel.violations, [])
})

test('a person may promote it before its time', async () => {
  const { machine, lines } = await trying(2)
  await assert.rejects(
    async () => machine.daemon?.project.operations.trials.promote([asServiceName('other')]),
    /No canary of other/,
  )
  assert.deepEqual(await promoted(machine), ['web'])
  assert.ok(await machine.settle(30_000))
  assert.deepEqual(versions(machine), ['v2', 'v2', 'v2'])
  assert.ok(lines.includes('the canary is promoted by hand'))
  await assert.rejects(async () => machine.daemon?.project.operations.trials.promote([]), /No canary of any service/)
})

test('a promotion that was answered is kept by the next daemon, whatever was being looked at when it was asked for', async () => {
  for (let asked = 0; asked < 8; asked += 1) {
    const { machine } = await trying(40 + asked)
    // Just before, within and after a look, which comes every half second.
    await machine.run(1000 + asked * 70)
    assert.deepEqual(await promoted(machine), ['web'])
    machine.killDaemon()
    await machine.begin()
    assert.ok(await machine.settle(30_000))
    assert.deepEqual(versions(machine), ['v2', 'v2', 'v2'], `asked ${asked}`)
  }
})

test('a promotion that cannot be written down is refused, and forgotten', async () => {
  const { machine } = await trying(9)
  machine.kernel.isDiskFull = true
  assert.deepEqual(await promoted(machine), 'E_STORE_FULL')
  machine.kernel.isDiskFull = false
  await machine.run(20_000)
  assert.deepEqual(versions(machine), ['v1', 'v1', 'v1', 'v2'])
  assert.deepEqual(await promoted(machine), ['web'])
  assert.ok(await machine.settle(30_000))
  assert.deepEqual(versions(machine), ['v2', 'v2', 'v2'])
})

test('a canary that has just ended is not promoted', async () => {
  const { machine } = await trying(10)
  await machine.run(2000)
  const canary = machine.kernel.running().find(({ order }) => wordsOf(order).at(-1) === 'v2')
  assert.ok(canary)
  machine.kernel.kill(canary)
  assert.deepEqual(await promoted(machine), 'E_CANARY_NONE')
  assert.ok(await machine.settle(30_000))
  assert.deepEqual(versions(machine), ['v1', 'v1', 'v1'])
})

test('errors beyond those of the old revision take it back, with the numbers, and nobody is cut', async () => {
  const { machine, lines } = await trying(3)
  machine.balancer.failing = 'v2'
  assert.ok(await machine.settle(60_000))
  assert.deepEqual(versions(machine), ['v1', 'v1', 'v1'])
  assert.equal(machine.daemon?.status().revision, 1)
  assert.ok(
    lines.some((line) => /\d+ of \d+ \(100 %\) of the canary's requests failed, of the old revision 0 of/.test(line)),
    lines.join('\n'),
  )
  assert.deepEqual(lines.at(-1), 'failed, rolled back')
  assert.deepEqual(machine.kernel.violations, [])
})

test('time in which nobody can be asked how it does is no proof: a canary is not promoted for it', async () => {
  const { machine, lines } = await trying(8)
  machine.balancer.failing = 'v2'
  machine.balancer.lossRate = 1
  await machine.run(120_000)
  assert.deepEqual(versions(machine), ['v1', 'v1', 'v1', 'v2'])
  machine.balancer.lossRate = 0
  assert.ok(await machine.settle(60_000))
  assert.deepEqual(versions(machine), ['v1', 'v1', 'v1'])
  assert.deepEqual(
    lines.filter((line) => line.includes('promoted')),
    [],
  )
  assert.deepEqual(lines.at(-1), 'failed, rolled back')
})

test('a canary that ends is rolled back at once', async () => {
  const { machine, lines } = await trying(4)
  await machine.run(2000)
  const canary = machine.kernel.running().find(({ order }) => wordsOf(order).at(-1) === 'v2')
  assert.ok(canary)
  machine.kernel.kill(canary)
  assert.ok(await machine.settle(30_000))
  assert.deepEqual(versions(machine), ['v1', 'v1', 'v1'])
  assert.ok(
    lines.some((line) => line.includes('the canary, has failed')),
    lines.join('\n'),
  )
})

test('a daemon that dies goes on with the trial where it was, and one that was promoted stays so', async () => {
  const { machine } = await trying(5)
  await machine.run(30_000)
  machine.killDaemon()
  await machine.begin()
  await machine.run(20_000)
  assert.deepEqual(versions(machine), ['v1', 'v1', 'v1', 'v2'])
  await machine.run(15_000)
  assert.ok(await machine.settle(30_000))
  assert.deepEqual(versions(machine), ['v2', 'v2', 'v2'])

  const other = (await trying(6)).machine
  assert.deepEqual(await promoted(other), ['web'])
  other.killDaemon()
  await other.begin()
  assert.ok(await other.settle(30_000))
  assert.deepEqual(versions(other), ['v2', 'v2', 'v2'])
})

test('a rest between batches is kept', async () => {
  const machine = new SimulatedMachine(7)
  machine.kernel.isCalm = true
  const paced = (command: string): Service => {
    const service = web(command)
    return { ...service, update: { ...service.update, canary: null, pauseMs: 90_000 } }
  }
  assert.equal(await machine.apply([paced('serve v1')]), null)
  assert.ok(await machine.settle(60_000))
  assert.equal(await machine.apply([paced('serve v2')]), null)
  await machine.run(80_000)
  assert.deepEqual(versions(machine), ['v1', 'v1', 'v2'])
  await machine.run(90_000)
  assert.deepEqual(versions(machine), ['v1', 'v2', 'v2'])
  assert.ok(await machine.settle(120_000))
  assert.equal(machine.daemon?.status().revision, 2)
})
