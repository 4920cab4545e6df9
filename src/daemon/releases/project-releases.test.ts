import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Slot } from '../../core/instance/slot.ts'
import type { Service } from '../../core/model/service.ts'
import { noReleases } from '../../sim/releases.ts'
import type { World } from '../world.ts'
import { ProjectReleases } from './project-releases.ts'

const serviceOf = (digest: string): Service =>
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

/** What must be kept when everything else is collected; null where nothing may be. */
async function keptWith(slots: readonly Pick<Slot, 'goal' | 'occupancy'>[]): Promise<readonly string[] | null> {
  const recorded = [{ digest: 'of-a-revision', build: null }]
  const releases = new ProjectReleases({
    releases: noReleases,
    builder: { isBusy: false } as never,
    store: { list: async () => ({ entries: [{ key: 'releases/1', value: JSON.stringify(recorded) }] }) } as never,
    world: {
      project: null,
      target: null,
      shells: new Map(slots.map((slot, index) => [`web/${index}`, { slot }])),
    } as unknown as World,
  })
  const needed = await releases.needed()
  return needed?.map(({ digest }) => digest).toSorted() ?? null
}

const rest: Slot['goal'] = { kind: 'rest', because: 'test' }
const ending = (spec: { readonly service: Service } | null): Slot['occupancy'] =>
  ({ kind: 'ending', spec }) as unknown as Slot['occupancy']

test('what an instance was started from is kept, though no revision and no goal names it: it may take long to end', async () => {
  const old = { goal: rest, occupancy: ending({ service: serviceOf('of-an-instance') }) }
  assert.deepEqual(await keptWith([old]), ['of-a-revision', 'of-an-instance'])
  assert.deepEqual(await keptWith([{ goal: rest, occupancy: { kind: 'vacant' } }]), ['of-a-revision'])
})

test('what is to run is kept before it runs', async () => {
  const goal = { kind: 'run', spec: { service: serviceOf('wanted') }, claim: 1 } as unknown as Slot['goal']
  assert.deepEqual(await keptWith([{ goal, occupancy: { kind: 'vacant' } }]), ['of-a-revision', 'wanted'])
})

test('nothing is collected while it is not known what an instance runs from', async () => {
  assert.equal(await keptWith([{ goal: rest, occupancy: ending(null) }]), null)
})
