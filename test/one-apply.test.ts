/** Applies are the daemon's work, one at a time, whatever becomes of the command that asked. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { reporter, type Running, type Services } from './daemon-harness.ts'
import { environmentOf } from './processes.ts'
import { onMachine } from './scene.ts'
import { seededRandom } from './seeded-random.ts'
import { askDaemon } from './socket.ts'

const web = (environment: Record<string, string> = {}, more: object = {}): Services => {
  const program = reporter()
  return {
    web: {
      ...program,
      environment: { ...program.environment, ...environment },
      replicas: 2,
      health: { http: '/healthz', interval: '100ms' },
      stop: { gracePeriod: '2s' },
      ...more,
    },
  }
}

/** A job that is under way until the test opens the door. */
const behind = (door: string, value: string): Services[string] => ({
  command: `until [ -e ${door} ]; do sleep 0.05; done; echo ${value}`,
  job: true,
})

function waitForWords({ child, outcome }: Running, words: string): Promise<void> {
  let said = ''
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (part: Buffer) => {
      said += part.toString('utf8')
      if (said.includes(words)) resolve()
    })
  const ended = (): void => reject(new Error(`it ended without "${words}": ${said}`))
  outcome.then(ended, ended)
  return promise
}

test('a second up of the same config does nothing and says so', () =>
  onMachine(async ({ machine }) => {
    await machine.up(web())
    const before = (await machine.waitUntilSettled()).instances.map(({ slot, pid, epoch }) => ({ slot, pid, epoch }))
    const again = await machine.up()
    assert.match(again.stdout, /no changes/)
    const status = await machine.waitUntilSettled()
    assert.deepEqual(
      status.instances.map(({ slot, pid, epoch }) => ({ slot, pid, epoch })),
      before,
    )
    assert.equal(status.revision, 1)
  }))

test('a second up meanwhile is refused with the pid of the first, and with --wait it follows it', () =>
  onMachine(async ({ machine }) => {
    const door = join(machine.workshop, 'door')
    const services = (value: string): Services => ({
      slow: behind(door, value),
      ...web({ VALUE: value }, { after: ['slow'] }),
    })
    machine.writeConfig(services('one'))
    const first = machine.start(['up', '--yes'])
    await machine.waitFor('the first apply is under way', ({ operation }) => operation?.state === 'running')
    machine.writeConfig(services('two'))
    const second = await machine.run(['up', '--yes'])
    assert.notEqual(second.code, 0)
    assert.match(second.stderr + second.stdout, new RegExp(`\\b${first.child.pid}\\b`))
    const third = machine.start(['up', '--yes', '--wait'])
    await waitForWords(third, 'waiting: ')
    writeFileSync(door, '')
    assert.equal((await first.outcome).code, 0)
    const { code, stdout, stderr } = await third.outcome
    assert.equal(code, 0, stdout + stderr)
    const { instances, revision } = await machine.waitUntilSettled()
    assert.equal(revision, 2)
    for (const { service, pid } of instances) if (service === 'web') assert.equal(environmentOf(pid ?? 0)['VALUE'], 'two')
  }))

test('the daemon itself refuses a second operation, whoever asks and however', () =>
  onMachine(async ({ machine }) => {
    await machine.up(web())
    const door = join(machine.workshop, 'door')
    machine.writeConfig({ slow: behind(door, 'once'), ...web({}, { after: ['slow'] }) })
    const first = machine.start(['up', '--yes'])
    await machine.waitFor('the apply is under way', ({ operation }) => operation?.state === 'running')
    const by = { pid: process.pid, user: 'somebody', command: 'test', file: null }
    const second = askDaemon(machine.state, '/v1/operations', { kind: 'restart', services: ['web'], by })
    await assert.rejects(
      second,
      (error: Error) => error.message.includes('E_OPERATION_BUSY') && error.message.includes(`pid ${first.child.pid}`),
    )
    writeFileSync(door, '')
    assert.equal((await first.outcome).code, 0)
  }))

test('two ups at the same moment: one is applied, the other is applied after it or told why not', () =>
  onMachine(async ({ machine }) => {
    await machine.up(web({ VALUE: 'zero' }))
    machine.writeConfig(web({ VALUE: 'one' }))
    const outcomes = await Promise.all([machine.run(['up', '--yes']), machine.run(['up', '--yes'])])
    const codes = outcomes.map(({ code }) => code)
    assert.ok(codes.includes(0), JSON.stringify(outcomes, null, 1))
    for (const { code, stdout, stderr } of outcomes)
      if (code !== 0) assert.match(stdout + stderr, /at work|moved|stale|busy|another/i)
    const { revision } = await machine.waitUntilSettled()
    assert.equal(revision, 2)
  }))

test('an up killed at 20 random moments leaves either the old or the new revision whole, and the next up finishes the work', () =>
  onMachine(async ({ machine }) => {
    const random = seededRandom('up killed')
    await machine.up(web({ VALUE: 'start' }))
    for (let round = 1; round <= 20; round += 1) {
      machine.writeConfig(web({ VALUE: `round ${round}` }))
      const { child, outcome } = machine.start(['up', '--yes', '--wait'])
      await sleep(random() * 600)
      child.kill('SIGKILL')
      await outcome
    }
    const last = await machine.run(['up', '--yes', '--wait'])
    assert.equal(last.code, 0, last.stdout + last.stderr)
    const { instances } = await machine.waitUntilSettled()
    assert.deepEqual(
      instances.map(({ pid }) => environmentOf(pid ?? 0)['VALUE']),
      ['round 20', 'round 20'],
    )
  }))

test('a revision that does not become healthy is rolled back as a whole; the command fails and prints URL, status, body and log', () =>
  onMachine(async ({ machine, witness }) => {
    const other = { ...reporter(), singleton: true }
    await machine.up({ ...web(), other })
    const before = await machine.waitUntilSettled()
    machine.writeConfig({
      ...web({ MODE: 'unhealthy' }, { update: { deadline: '3s' } }),
      other: { ...other, environment: { ...other.environment, NEW: '1' } },
    })
    const failed = await machine.run(['up', '--yes'])
    const said = failed.stdout + failed.stderr
    assert.equal(failed.code, 1, said)
    assert.match(said, /http:\/\/127\.0\.0\.1:\d+\/healthz/)
    assert.match(said, /503/)
    assert.match(said, /unhealthy on purpose/)
    assert.match(said, /begins, unhealthy/)
    const after = await machine.waitUntilSettled()
    for (const { pid } of after.instances) {
      const environment = environmentOf(pid ?? 0)
      assert.deepEqual([environment['MODE'], environment['NEW']], ['healthy', undefined])
    }
    assert.deepEqual(
      after.instances.map(({ service }) => service).toSorted(),
      before.instances.map(({ service }) => service).toSorted(),
    )
    await witness.waitFor('only healthy ones', (live) => live.filter(({ seenBy }) => seenBy === 'connection').length === 3, 5000)
    const kinds = (await machine.events()).map(({ kind }) => kind)
    assert.ok(kinds.includes('rolling-back') && kinds.includes('rolled-back'), kinds.join(' '))
  }))

test('at no moment of a start-first change are fewer instances healthy than replicas asked for', () =>
  onMachine(async ({ machine }) => {
    await machine.up(web({ VALUE: 'one' }))
    await machine.waitUntilSettled()
    machine.writeConfig(web({ VALUE: 'two' }))
    const change = machine.start(['up', '--yes'])
    let fewest = Infinity
    let isOver = false
    void change.outcome.then(() => (isOver = true))
    while (!isOver) {
      const healthy = (await machine.status())?.instances.filter(({ health }) => health === 'healthy').length ?? 0
      fewest = Math.min(fewest, healthy)
      await sleep(5)
    }
    assert.equal((await change.outcome).code, 0)
    assert.ok(fewest >= 2, `only ${fewest} were healthy`)
  }))
