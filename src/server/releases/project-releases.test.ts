import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Occupant } from '../../core/instance/report.ts'
import type { Goal } from '../../core/instance/slot.ts'
import type { Project, Service } from '../../core/model/service.ts'
import { noReleases } from '../../sim/releases.ts'
import type { World } from '../world/world.ts'
import { ProjectReleases } from './project-releases.ts'

const serviceOf = (digest: string | null): Service =>
  ({
    name: 'web',
    runs: {
      kind: 'process',
      command: ['x'],
      directory: '',
      user: null,
      source: { path: 'web', ignore: [], build: null, digest },
    },
  }) as unknown as Service

interface Known {
  readonly goal: Goal
  readonly occupant: Pick<Occupant, 'spec'> | null
}

/** What must be kept when everything else is collected; null where nothing may be. */
async function keptWith(slots: readonly Known[], isBuilding: boolean = false): Promise<readonly string[] | null> {
  const recorded = [{ digest: 'of-a-revision', build: null }]
  const releases = new ProjectReleases({
    releases: noReleases,
    isBuilding: () => isBuilding,
    store: { list: async () => ({ entries: [{ key: 'releases/1', value: JSON.stringify(recorded) }] }) } as never,
    world: {
      project: null,
      target: null,
      assignments: new Map(slots.map(({ goal }, index) => [`web/${index}`, { goal }])),
      reports: new Map(slots.map(({ occupant }, index) => [`web/${index}`, { occupant }])),
    } as unknown as World,
  })
  const needed = await releases.needed()
  return needed?.map(({ digest }) => digest).toSorted() ?? null
}

const stopped: Goal = { kind: 'stopped', because: 'test' }
const ending = (spec: { readonly service: Service } | null): Known['occupant'] => ({ spec }) as Known['occupant']

test('what an instance was started from is kept, though no revision and no goal names it: it may take long to end', async () => {
  const old = { goal: stopped, occupant: ending({ service: serviceOf('of-an-instance') }) }
  assert.deepEqual(await keptWith([old]), ['of-a-revision', 'of-an-instance'])
  assert.deepEqual(await keptWith([{ goal: stopped, occupant: null }]), ['of-a-revision'])
})

test('what is to run is kept before it runs', async () => {
  const goal = { kind: 'run', spec: { service: serviceOf('wanted') }, claim: 1 } as unknown as Goal
  assert.deepEqual(await keptWith([{ goal, occupant: null }]), ['of-a-revision', 'wanted'])
})

test('nothing is collected while it is not known what an instance runs from', async () => {
  assert.equal(await keptWith([{ goal: stopped, occupant: ending(null) }]), null)
})

test('nothing is collected while something is built: what began meanwhile is in no list', async () => {
  assert.equal(await keptWith([], true), null)
  assert.deepEqual(await keptWith([]), ['of-a-revision'])
})

test('a project is accepted only when the files of all its services are here, and were read', async () => {
  const releases = new ProjectReleases({
    releases: { ...noReleases, unknown: async (digests) => digests.filter((digest) => digest !== 'here') },
    isBuilding: () => false,
    store: null as never,
    world: null as never,
  })
  const require = (...digests: readonly (string | null)[]): Promise<void> =>
    releases.requireAll({ services: digests.map((digest) => serviceOf(digest)) } as unknown as Project)
  await require('here', 'here')
  for (const digest of ['elsewhere', null])
    await assert.rejects(require('here', digest), { code: 'E_RELEASE_MISSING' }, `${digest}`)
})
