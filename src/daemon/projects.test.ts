/** Projects that come, go, and get other names on one simulated machine: what each leaves, and what the next one finds. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBalancer as balancer } from '../core/keys/balancer.ts'
import type { ProjectId } from '../core/model/project-id.ts'
import type { Service } from '../core/model/service.ts'
import { DarumaError } from '../ports/error.ts'
import type { Store } from '../ports/storage/store.ts'
import type { Requester } from '../protocol/api.ts'
import type { KeptVolumes } from '../protocol/projects.ts'
import { SimulatedMachine } from '../sim/machine.ts'
import { aService, anImage } from '../sim/services.ts'
import { createMemoryStore } from '../sim/store.ts'
import { shownBy, shownStatus } from './api/shown.ts'
import type { Project } from './project.ts'

const by = (file: string): Requester => ({ pid: 1, user: 'tester', command: 'test', file })

function calmMachine(seed: number): SimulatedMachine {
  const machine = new SimulatedMachine(seed)
  machine.kernel.isCalm = true
  return machine
}

const find = (machine: SimulatedMachine, id: string): Project | null => machine.daemon?.projects.find(id as ProjectId) ?? null

const ids = (machine: SimulatedMachine): readonly string[] | undefined => machine.daemon?.projects.list().map(({ id }) => id)

const running = (machine: SimulatedMachine): readonly string[] =>
  machine.kernel.running().map(({ order, pid }) => `${order.slot} ${order.epoch} pid ${pid}`)

async function up(
  machine: SimulatedMachine,
  name: string,
  names: readonly string[],
  file = `/${name}.ts`,
  more: readonly Service[] = [],
): Promise<void> {
  await machine.begin()
  const services = [...names.map((service) => aService(service, 'serve')), ...more]
  const project = { name, stage: null, balancer, notify: [], services }
  const base = find(machine, name)?.world.applied ?? 0
  const refusal = await perform(
    machine,
    machine.daemon!.apply({ kind: 'apply', by: by(file), project, secrets: {}, base, fingerprint: null, only: null }),
  )
  assert.equal(refusal, null)
  assert.ok(await machine.runUntil(() => find(machine, name)?.operations.current === null, 60_000), `${name} has no end`)
}

async function down(machine: SimulatedMachine, name: string): Promise<void> {
  await perform(machine, machine.daemon!.operate(find(machine, name)!, { kind: 'down', by: by('') }))
  assert.ok(await machine.runUntil(() => find(machine, name)?.isEmpty() === true, 60_000), `${name} is not down`)
}

const remove = (machine: SimulatedMachine, name: string, volumes: readonly string[] = []): Promise<string | null> =>
  perform(machine, machine.daemon!.projects.remove(find(machine, name)!, volumes))

const rename = (machine: SimulatedMachine, name: string, to: string): Promise<string | null> =>
  perform(machine, machine.daemon!.projects.handOver(find(machine, name)!, { name: to, stage: null, by: by(`/${name}.ts`) }))

/** The refusal's code, or null; the daemon may die over it. */
async function perform(machine: SimulatedMachine, work: Promise<unknown>): Promise<string | null> {
  const daemon = machine.daemon
  let answer: string | null | undefined
  work.then(
    () => (answer = null),
    (error: unknown) => (answer = error instanceof DarumaError ? error.code : `BUG ${String(error)}`),
  )
  await machine.runUntil(() => answer !== undefined || machine.daemon !== daemon, 60_000)
  return answer ?? null
}

/** Time goes on while the daemon works on the answer. */
async function answerOf<Answer>(machine: SimulatedMachine, work: Promise<Answer>): Promise<Answer> {
  let isOver = false
  void work.finally(() => (isOver = true)).catch(() => undefined)
  await machine.runUntil(() => isOver, 60_000)
  return work
}

const keptBy = (machine: SimulatedMachine): Promise<readonly KeptVolumes[]> => answerOf(machine, machine.daemon!.projects.kept())

const keysOf = async (store: Store, prefix: string): Promise<readonly string[]> =>
  (await store.list(prefix)).entries.map(({ key }) => key)

test('a project that was removed and is applied again begins at revision 1 and gives out no epoch again', async () => {
  const machine = calmMachine(1)
  await up(machine, 'shop', ['worker'])
  const [first] = machine.kernel.running()
  await down(machine, 'shop')
  assert.equal(await remove(machine, 'shop'), null)
  assert.deepEqual(ids(machine), [])
  assert.deepEqual(await keysOf(await machine.copyDatabase(), 'projects/shop/'), ['projects/shop/claims'])
  await up(machine, 'shop', ['worker'])
  const [second] = machine.kernel.running()
  assert.equal(find(machine, 'shop')?.world.applied, 1)
  assert.ok(second!.order.epoch > first!.order.epoch, `${second!.order.epoch} after ${first!.order.epoch}`)
})

test('a project in which something runs is not removed', async () => {
  const machine = calmMachine(2)
  await up(machine, 'shop', ['worker'])
  const before = running(machine)
  assert.equal(await remove(machine, 'shop'), 'E_PROJECT_RUNNING')
  assert.deepEqual([ids(machine), running(machine)], [['shop'], before])
})

test('daemons that die over a removal leave the project whole or gone, and nothing of it in between', async () => {
  const outcomes = new Set<boolean>()
  for (let seed = 100; seed < 130; seed += 1) {
    const machine = calmMachine(seed)
    machine.homes.putVolumes('shop' as ProjectId, 'data')
    await up(machine, 'shop', ['worker'])
    await down(machine, 'shop')
    machine.deathRate = 0.15
    await remove(machine, 'shop')
    machine.deathRate = 0
    await machine.begin()
    await machine.run(30_000)
    const isWhole = find(machine, 'shop') !== null
    const left = await keysOf(await machine.copyDatabase(), 'projects/shop/')
    if (isWhole) assert.equal(find(machine, 'shop')?.world.applied, 2, `seed ${seed}`)
    else {
      assert.deepEqual(left, ['projects/shop/claims'], `seed ${seed}`)
      assert.deepEqual(
        (await keptBy(machine)).map(({ id, volumes }) => [id, volumes]),
        [['shop', ['data']]],
      )
    }
    outcomes.add(isWhole)
  }
  assert.equal(outcomes.size, 2, 'both have been seen')
})

test('volumes that a removed project has left are found by the next one of its name, and by no other', async () => {
  const machine = calmMachine(3)
  await up(machine, 'one', ['worker'])
  machine.homes.putVolumes('one' as ProjectId, 'data')
  assert.equal(await rename(machine, 'one', 'two'), null)
  await down(machine, 'two')
  assert.equal(await remove(machine, 'two'), null)
  await up(machine, 'one', ['worker'])
  await up(machine, 'two', ['worker'])
  const places = machine.daemon!.projects.list().map(({ id, place }) => [id, place])
  assert.deepEqual(places, [
    ['one', 'one__2'],
    ['two', 'one'],
  ])
  await down(machine, 'two')
  assert.equal(await remove(machine, 'two', ['daat']), 'E_VOLUME_UNKNOWN')
  assert.equal(await remove(machine, 'two', ['data']), null)
  assert.deepEqual([machine.homes.volumesOf('one' as ProjectId), await keptBy(machine)], [[], []])
})

test('what a removed project has left can be removed later', async () => {
  const machine = calmMachine(4)
  await up(machine, 'shop', ['worker'])
  machine.homes.putVolumes('shop' as ProjectId, 'data', 'more')
  await down(machine, 'shop')
  assert.equal(await remove(machine, 'shop'), null)
  const { projects } = machine.daemon!
  assert.equal(await perform(machine, projects.removeKept('shop' as ProjectId, ['data'])), null)
  assert.deepEqual(
    (await keptBy(machine)).map(({ volumes }) => volumes),
    [['more']],
  )
  assert.equal(await perform(machine, projects.removeKept('shop' as ProjectId, ['more'])), null)
  assert.deepEqual([await keptBy(machine), await answerOf(machine, projects.removeKept('shop' as ProjectId, []))], [[], null])
})

test('volumes that a project has taken up again are no longer what a removed one has left, whatever it is called since', async () => {
  const machine = calmMachine(7)
  machine.homes.putVolumes('shop' as ProjectId, 'data')
  await up(machine, 'shop', ['worker'])
  await down(machine, 'shop')
  assert.equal(await remove(machine, 'shop'), null)
  await up(machine, 'shop', ['worker'])
  assert.deepEqual(await keptBy(machine), [])
  assert.equal(await rename(machine, 'shop', 'market'), null)
  const before = running(machine)
  const { projects } = machine.daemon!
  assert.equal(await answerOf(machine, projects.removeKept('shop' as ProjectId, ['data'])), null)
  assert.deepEqual([machine.homes.volumesOf('shop' as ProjectId), running(machine)], [['data'], before])
  assert.equal(find(machine, 'market')?.world.applied, 1)
  assert.ok((await keysOf(await machine.copyDatabase(), 'projects/shop/')).length > 1, 'its records are there')
})

test('what of a removed project is in use is told, keeps its name, and keeps no other project from getting up', async () => {
  const machine = calmMachine(8)
  await up(machine, 'shop', ['worker'])
  await up(machine, 'blog', ['web'])
  await down(machine, 'shop')
  machine.homes.isBusy = true
  assert.equal(await remove(machine, 'shop'), 'E_PROJECT_LEAVING')
  await assert.rejects(up(machine, 'shop', ['worker']), { actual: 'E_PROJECT_LEAVING' })
  const before = running(machine)
  for (let life = 0; life < 2; life += 1) {
    assert.deepEqual([ids(machine), running(machine)], [['blog'], before])
    machine.killDaemon()
    await machine.begin()
    await machine.run(15_000)
  }
  machine.homes.isBusy = false
  await machine.run(60_000)
  await up(machine, 'shop', ['worker'])
  assert.equal(find(machine, 'shop')?.place, 'shop')
})

test('a config is marked as up for other users while something of it is wanted or runs, and no longer', async () => {
  const machine = calmMachine(9)
  await up(machine, 'shop', ['worker'])
  assert.deepEqual(machine.markedConfigs, ['/shop.ts'])
  await down(machine, 'shop')
  assert.ok(await machine.runUntil(() => machine.markedConfigs.length === 0, 10_000))
})

test('a project that gets another name keeps all that runs, and its history, also under the next daemon', async () => {
  const machine = calmMachine(5)
  await up(machine, 'one', ['worker', 'web'])
  const before = running(machine)
  assert.equal(await rename(machine, 'one', 'two'), null)
  for (let life = 0; life < 2; life += 1) {
    assert.deepEqual([ids(machine), find(machine, 'two')?.world.applied, running(machine)], [['two'], 1, before])
    machine.killDaemon()
    await machine.begin()
    await machine.run(5000)
  }
  assert.equal(await rename(machine, 'two', 'two'), null)
  await up(machine, 'two', ['worker'])
  assert.deepEqual([find(machine, 'two')?.world.applied, running(machine)], [2, before.filter((line) => line.includes('worker'))])
})

test('daemons that die over a new name leave the old one or the new one, and all that runs', async () => {
  const outcomes = new Set<string>()
  for (let seed = 200; seed < 220; seed += 1) {
    const machine = calmMachine(seed)
    await up(machine, 'one', ['worker'])
    const before = running(machine)
    machine.deathRate = 0.3
    await rename(machine, 'one', 'two')
    machine.deathRate = 0
    await machine.begin()
    await machine.run(5000)
    assert.deepEqual([ids(machine)?.length, running(machine)], [1, before], `seed ${seed}`)
    outcomes.add(String(ids(machine)))
  }
  assert.deepEqual([...outcomes].toSorted(), ['one', 'two'])
})

test('the name that a project has left is free, and a name that another has is refused', async () => {
  const machine = calmMachine(6)
  await up(machine, 'one', ['worker'])
  const before = running(machine)
  assert.equal(await rename(machine, 'one', 'two'), null)
  await up(machine, 'one', ['worker'])
  assert.equal(await rename(machine, 'one', 'two'), 'E_PROJECT_EXISTS')
  assert.deepEqual([ids(machine), running(machine).length], [['one', 'two'], 2])
  assert.deepEqual(
    running(machine).filter((line) => before.includes(line)),
    before,
  )
})

test('projects that are found on disk and in no record run on, are shown, and are applied to again without a second start', async () => {
  const machine = calmMachine(7)
  await up(machine, 'one', ['worker', 'web'])
  await up(machine, 'two', ['worker'])
  assert.equal(await rename(machine, 'two', 'second'), null)
  await machine.run(2000)
  const before = running(machine)
  machine.restoreDatabase(createMemoryStore())
  await machine.begin()
  await machine.run(5000)
  assert.deepEqual(ids(machine), ['one', 'second'], 'a lost database does not cost a name')
  const shown = machine
    .daemon!.projects.list()
    .flatMap((project) => project.status(false).instances.map(({ slot, state }) => `${project.id}/${slot} ${state}`))
  assert.deepEqual(shown.toSorted(), ['one/web/0 running', 'one/worker/0 running', 'second/worker/0 running'])
  assert.deepEqual(running(machine), before)

  await up(machine, 'one', ['worker'])
  await machine.run(5000)
  assert.deepEqual(
    running(machine),
    before.filter((line) => !line.includes('web')),
    'what its config does not want is ended',
  )
  assert.equal(await remove(machine, 'second'), 'E_PROJECT_RUNNING')
  await down(machine, 'second')
  assert.equal(await remove(machine, 'second'), null)
  assert.deepEqual(ids(machine), ['one'])
})

test('a place in which nothing is, and that no record names, is no project', async () => {
  const machine = calmMachine(8)
  await up(machine, 'one', ['worker'])
  machine.homes.open('gone' as ProjectId)
  machine.killDaemon()
  await machine.begin()
  assert.deepEqual(ids(machine), ['one'])
})

test('where several projects are shown, the operation under way says whose it is', async () => {
  const machine = calmMachine(11)
  await up(machine, 'blog', ['web'])
  await up(machine, 'shop', ['web'])
  const daemon = machine.daemon!
  await perform(machine, daemon.operate(find(machine, 'shop')!, { kind: 'down', by: by('') }))
  const operationFor = (query: string) => shownStatus(daemon, shownBy(daemon, { query: new URLSearchParams(query) })).operation
  const own = operationFor('project=shop')
  assert.deepEqual([own?.kind, own?.project], ['down', undefined])
  assert.deepEqual(operationFor(''), { ...own, project: 'shop' })
  assert.equal(operationFor('project=blog'), null)
})

test('an engine that is away is told of those that have containers, and of no other', async () => {
  const machine = calmMachine(49)
  await up(machine, 'plain', ['web'])
  await up(machine, 'boxed', [], '/boxed.ts', [aService('box', 'serve', { runs: anImage('box:1', 'serve') })])
  const daemon = machine.daemon!
  daemon.noteEngine('it does not answer')
  await machine.runUntil(() => daemon.describe().condition !== null, 60_000)
  const conditionFor = (query: string) =>
    shownStatus(daemon, shownBy(daemon, { query: new URLSearchParams(query) })).daemon.condition
  assert.deepEqual(['project=plain', 'project=boxed', ''].map(conditionFor), [null, 'it does not answer', 'it does not answer'])
})
