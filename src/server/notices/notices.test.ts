/** Notices on a simulated machine: real daemon, real records, simulated time, and a far end that can refuse. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { NotifyTarget } from '../../core/keys/notify.ts'
import { noticeTopics } from '../../core/keys/notify.ts'
import type { Notice } from '../../core/notices/notice.ts'
import type { Service } from '../../core/model/service.ts'
import { SimulatedMachine } from '../../sim/machine.ts'
import { aService } from '../../sim/services.ts'

const hook: NotifyTarget = {
  to: { kind: 'webhook', url: 'https://hooks.example.com/a', headers: {} },
  on: noticeTopics,
  timeoutMs: 10_000,
  secrets: {},
}

function machineWith(seed: number, ...notify: readonly NotifyTarget[]): SimulatedMachine {
  const machine = new SimulatedMachine(seed)
  machine.webhooks.notify = notify.length === 0 ? [hook] : notify
  machine.kernel.isCalm = true
  machine.wireFaults = null
  return machine
}

async function up(machine: SimulatedMachine, services: readonly Service[]): Promise<void> {
  assert.equal(await machine.apply(services), null)
  assert.ok(await machine.runUntil(() => machine.daemon?.project.operations.current === null, 300_000))
}

/** From now on every life of these services is short; without any, all live again. */
function crash(machine: SimulatedMachine, ...services: readonly string[]): void {
  const mustFall = (slot: string): boolean => services.some((name) => slot.includes(`${name}/`))
  machine.kernel.onRun = (instance) => {
    if (mustFall(instance.order.slot)) machine.clock.after(50, () => machine.kernel.kill(instance))
  }
  for (const instance of machine.kernel.running()) if (mustFall(instance.order.slot)) machine.kernel.kill(instance)
}

const told = ({ webhooks }: SimulatedMachine): readonly string[] =>
  webhooks.received.map(({ troubles }) => troubles.map(({ state, message }) => `${state}: ${message}`).join('; '))

const ids = ({ webhooks }: SimulatedMachine): readonly string[] => [...new Set(webhooks.received.map(({ id }) => id))]

/** Different notices, in the order in which they came first. */
const distinct = ({ webhooks }: SimulatedMachine): readonly Notice[] =>
  webhooks.received.filter(({ id }, index) => webhooks.received.findIndex((other) => other.id === id) === index)

test('a crash loop is told once, however long it lasts, and once that it is over', async () => {
  const machine = machineWith(1)
  await up(machine, [aService('web', 'serve'), aService('other', 'serve')])
  await machine.run(30_000)
  assert.deepEqual(told(machine), [])
  crash(machine, 'web')
  await machine.run(600_000)
  assert.deepEqual(told(machine), ['began: web is crash-looping'])
  const [notice] = machine.webhooks.received
  assert.deepEqual(
    { ...notice, id: '', at: '', troubles: notice?.troubles.map((trouble) => ({ ...trouble, since: '' })) },
    {
      version: 1,
      kind: 'troubles',
      id: '',
      at: '',
      project: 'shop',
      stage: null,
      host: 'here',
      text: 'shop on here: web is crash-looping: ended by SIGKILL',
      began: 1,
      over: 0,
      troubles: [
        {
          topic: 'crash-loop',
          service: 'web',
          state: 'began',
          since: '',
          until: null,
          times: 1,
          message: 'web is crash-looping',
          cause: 'ended by SIGKILL',
        },
      ],
    },
  )
  crash(machine)
  await machine.run(600_000)
  assert.deepEqual(told(machine), ['began: web is crash-looping', 'over: web is crash-looping'])
})

test('a new daemon tells nothing a second time, neither while it lasts nor of an end that has not come', async () => {
  const machine = machineWith(2)
  await up(machine, [aService('web', 'serve')])
  crash(machine, 'web')
  await machine.run(120_000)
  for (let life = 0; life < 8; life += 1) {
    machine.killDaemon()
    await machine.begin()
    await machine.run(20_000)
  }
  assert.deepEqual(told(machine), ['began: web is crash-looping'])
  crash(machine)
  await machine.run(120_000)
  machine.killDaemon()
  await machine.begin()
  await machine.run(120_000)
  assert.deepEqual(told(machine), ['began: web is crash-looping', 'over: web is crash-looping'])
})

test('a notice that is not taken is sent again with the same id, and what comes meanwhile is in the next one', async () => {
  const machine = machineWith(3)
  machine.webhooks.answer = { isTaken: false, message: '500 "no"' }
  await up(machine, [aService('web', 'serve'), aService('api', 'serve')])
  crash(machine, 'web')
  await machine.run(300_000)
  crash(machine, 'web', 'api')
  await machine.run(300_000)
  assert.ok(machine.webhooks.received.length > 4, `${machine.webhooks.received.length} attempts`)
  assert.ok(machine.webhooks.received.length < 12, `${machine.webhooks.received.length} attempts`)
  assert.equal(ids(machine).length, 1)
  const [unreached] = machine.daemon!.status().unreached ?? []
  assert.deepEqual(
    { target: unreached?.target, isPending: unreached?.isPending, message: unreached?.failure?.message },
    { target: 'webhook https://hooks.example.com', isPending: true, message: '500 "no"' },
  )
  assert.equal(machine.daemon!.project.eventCounts.get('notice-failed'), 1)
  machine.webhooks.answer = { isTaken: true, message: '204' }
  await machine.run(900_000)
  assert.deepEqual(
    distinct(machine).map(({ text }) => text),
    ['shop on here: web is crash-looping: ended by SIGKILL', 'shop on here: api is crash-looping: ended by SIGKILL'],
  )
  assert.deepEqual(machine.daemon!.status().unreached, [])
})

test('what was decided is told by the next daemon, wherever this one died: nothing is lost, and what comes twice has one id', async () => {
  const lives = Array.from({ length: 12 }, (_, index) => index)
  for (const seed of lives) {
    const machine = machineWith(100 + seed)
    await up(machine, [aService('web', 'serve')])
    crash(machine, 'web')
    await machine.run(2000)
    machine.deathRate = 0.02
    await machine.run(60_000)
    machine.deathRate = 0
    await machine.begin()
    await machine.run(60_000)
    assert.deepEqual(
      distinct(machine).map(({ troubles }) => troubles.map(({ state, service }) => `${state} ${service}`)),
      [['began web']],
      `seed ${100 + seed}: ${JSON.stringify(told(machine))}`,
    )
  }
})

test('a daemon that dies between the far end and its own record tells it again, with the same id', async () => {
  const machine = machineWith(10)
  await up(machine, [aService('web', 'serve')])
  let deaths = 0
  machine.webhooks.onReceived = () => {
    deaths += 1
    if (deaths <= 3) machine.killDaemon()
  }
  crash(machine, 'web')
  for (let life = 0; life < 5; life += 1) {
    await machine.begin()
    await machine.run(30_000)
  }
  assert.deepEqual([machine.webhooks.received.length, ids(machine).length], [4, 1])
})

test('sixty services that fall together are one notice', async () => {
  const machine = machineWith(4)
  const names = Array.from({ length: 60 }, (_, index) => `web-${index}`)
  await up(
    machine,
    names.map((name) => aService(name, 'serve')),
  )
  machine.kernel.onRun = (instance) => void machine.clock.after(50, () => machine.kernel.kill(instance))
  for (const instance of machine.kernel.running()) machine.kernel.kill(instance)
  await machine.run(40_000)
  assert.deepEqual(
    machine.webhooks.received.map(({ began, over, troubles }) => [began, over, troubles.length]),
    [[60, 0, 50]],
  )
})

test('a revision that fails is told with its reason, once; the next one that holds ends it', async () => {
  const machine = machineWith(5)
  await up(machine, [aService('web', 'serve')])
  await up(machine, [aService('web', 'crash')])
  await machine.run(120_000)
  machine.killDaemon()
  await machine.begin()
  await machine.run(120_000)
  assert.deepEqual(told(machine), ['began: revision 2 failed; revision 1 is active'])
  assert.match(machine.webhooks.received[0]?.troubles[0]?.cause ?? '', /^web\/0 fails again and again: /)
  await up(machine, [aService('web', 'crash again')])
  await machine.run(120_000)
  await up(machine, [aService('web', 'serve better')])
  await machine.run(120_000)
  assert.deepEqual(told(machine).slice(1), [
    'began: revision 3 failed; revision 1 is active',
    'over: revision 3 failed; revision 1 is active',
  ])
})

test('the first revision of all is told too when it fails, by its own notify', async () => {
  const machine = machineWith(6)
  await up(machine, [aService('web', 'crash')])
  await machine.run(120_000)
  assert.deepEqual(told(machine), ['began: revision 1 failed; no revision is active'])
})

test('what is stopped by hand, or leaves the config, is over', async () => {
  const machine = machineWith(7)
  await up(machine, [aService('api', 'serve'), aService('web', 'serve'), aService('other', 'serve')])
  crash(machine, 'web', 'api')
  await machine.run(120_000)
  assert.equal(await machine.ask({ kind: 'stop', services: ['web'] }), null)
  await machine.run(120_000)
  await up(machine, [aService('other', 'serve')])
  await machine.run(120_000)
  assert.deepEqual(told(machine), [
    'began: api is crash-looping; began: web is crash-looping',
    'over: web is crash-looping',
    'over: api is crash-looping',
  ])
})

test('a service that is scaled to 0 is in trouble no more', async () => {
  const machine = machineWith(11)
  await up(machine, [aService('web', 'serve', { scale: { kind: 'replicas', count: 1 } })])
  crash(machine, 'web')
  await machine.run(120_000)
  assert.equal(await machine.ask({ kind: 'scale', service: 'web', replicas: 0 }), null)
  await machine.run(120_000)
  assert.deepEqual(told(machine), ['began: web is crash-looping', 'over: web is crash-looping'])
})

test('what was recorded for targets that the config has no more is told to no later one, though the daemon fell at once', async () => {
  const machine = machineWith(12)
  await up(machine, [aService('web', 'serve')])
  crash(machine, 'web')
  await machine.run(120_000)
  const { project } = machine.daemon!.project.world.target!
  const applied = (count: number): boolean => machine.daemon?.project.world.applied === count
  const apply = async (base: number, notify: readonly NotifyTarget[]): Promise<void> => {
    // An `up` of everything would try the fallen one again, and fail by it.
    const asked = {
      kind: 'apply',
      project: { ...project, notify },
      secrets: {},
      base,
      fingerprint: null,
      only: ['other'],
    } as const
    assert.equal(await machine.ask(asked), null)
    assert.ok(await machine.runUntil(() => applied(base + 1), 60_000))
  }
  const isRecorded = (keys: readonly string[]): boolean => keys.some((key) => key.includes('notice/trouble/crash-loop/web'))
  await apply(1, [])
  machine.killDaemon()
  assert.ok(isRecorded(await machine.storedKeys()), 'the daemon had not yet forgotten it')
  crash(machine)
  await machine.begin()
  await machine.run(120_000)
  assert.ok(!isRecorded(await machine.storedKeys()))
  await apply(2, [{ ...hook, to: { kind: 'webhook', url: 'https://b.example.com/', headers: {} } }])
  await machine.run(120_000)
  assert.deepEqual(told(machine), ['began: web is crash-looping'])
})

test('a fault of ours in a look or in a sending is said in the log, once, and ends nothing', async () => {
  const machine = machineWith(13)
  const faults = (): readonly string[] => machine.log.filter((line) => line.startsWith('error notices: '))
  await up(machine, [aService('web', 'serve')])
  const { answer } = machine.webhooks
  machine.webhooks.answer = null as unknown as typeof answer
  crash(machine, 'web')
  await machine.run(300_000)
  assert.equal(faults().length, 1, faults().join('\n'))
  assert.match(faults()[0] ?? '', /^error notices: send [0-9a-f]{16}: TypeError/)
  assert.ok(machine.webhooks.received.length < 8, `${machine.webhooks.received.length} attempts`)
  machine.webhooks.answer = answer
  await machine.run(120_000)
  assert.deepEqual([ids(machine).length, machine.daemon!.project.eventCounts.get('notice-sent')], [1, 1])

  const entries = machine.daemon!.project.world.stoppedByHand as Set<unknown>
  const has = entries.has.bind(entries)
  entries.has = () => {
    throw new RangeError('a bug')
  }
  await machine.run(5000)
  entries.has = has
  await machine.run(5000)
  assert.deepEqual(faults().slice(1), ['error notices: look: RangeError: a bug'])
})

test('a target is told of nothing that it did not ask for; a new one hears what lasts, and the old ones nothing again', async () => {
  const deploys: NotifyTarget = { ...hook, to: { kind: 'webhook', url: 'https://b.example.com/', headers: {} }, on: ['deploy'] }
  const machine = machineWith(8, deploys)
  await up(machine, [aService('web', 'serve')])
  crash(machine, 'web')
  await machine.run(120_000)
  assert.deepEqual(told(machine), [])
  const { project } = machine.daemon!.project.world.target!
  const news = { ...project, notify: [hook, deploys] }
  // An `up` of everything would try the fallen one again, and fail by it.
  const asked = { kind: 'apply', project: news, secrets: {}, base: 1, fingerprint: null, only: ['other'] } as const
  assert.equal(await machine.ask(asked), null)
  await machine.run(120_000)
  assert.deepEqual(told(machine), ['began: web is crash-looping'])
})

test('a disk that is full keeps no notice back', async () => {
  const machine = machineWith(9)
  await up(machine, [aService('web', 'serve')])
  crash(machine, 'web')
  const isLooping = (): boolean => machine.daemon!.status().instances.some(({ state }) => state === 'crash-looping')
  assert.ok(await machine.runUntil(isLooping, 60_000))
  machine.kernel.isDiskFull = true
  await machine.run(120_000)
  assert.deepEqual(told(machine), ['began: web is crash-looping'])
})
