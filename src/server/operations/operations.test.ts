import { Pauses } from '../rollout/pauses.ts'
import { StoreTrouble } from '../store-trouble.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asRevisionNumber, asServiceName } from '../../core/model/id.ts'
import { SimulatedClock } from '../../sim/clock.ts'
import { createMemoryStore } from '../../sim/store.ts'
import { Operations } from './operations.ts'
import type { Intent } from './intent.ts'
import { put } from '../../ports/storage/json-records.ts'
import { keys } from '../records.ts'
import type { OperationRecord } from '../records.ts'
import { World } from '../world/world.ts'

const by = { pid: 7, user: 'ann', command: 'daruma up', file: null } as const
const worker = asServiceName('worker')

test('an operation that is recorded is not overwritten, whoever recorded it, and nothing of the second one is written', async () => {
  const store = createMemoryStore()
  const none = asRevisionNumber(0)
  const first: OperationRecord = {
    id: 'first',
    kind: 'apply',
    by,
    startedAt: '',
    state: 'running',
    base: none,
    target: none,
    involved: [],
  }
  await store.transact({ then: [put(keys.operation, first)] })
  let isDurable = false
  const second: Intent = {
    kind: 'stop',
    by,
    revision: null,
    involved: [worker],
    raise: [],
    stop: [worker],
    start: [],
    writes: [],
    whenDurable: () => (isDurable = true),
  }
  const world = new World()
  const clock = new SimulatedClock()
  const operations = new Operations({
    world,
    store,
    nudge: () => assert.fail('nothing has changed'),
    trouble: new StoreTrouble({ world, log: { write: () => {} }, emit: () => {} }),
    pauses: new Pauses(clock, () => {}),
    clock,
    checkpoint: null,
    preparation: { isPending: async () => false, prepare: async () => null },
    newId: () => 'second',
    outlet: {
      emit: () => {},
      report: () => assert.fail('nothing has failed'),
      redact: () => assert.fail('nothing is said'),
    },
    routing: { troubleOf: () => null, isApplied: () => true, observe: async () => null },
    loadRevision: async () => null,
    onEnd: async () => {},
  })
  await assert.rejects(
    operations.begin(async () => second),
    { code: 'E_OPERATION_BUSY' },
  )
  const { entries } = await store.list('')
  assert.deepEqual(
    entries.map(({ key, value }) => [key, JSON.parse(value) as unknown]),
    [[keys.operation, first]],
  )
  assert.deepEqual([isDurable, [...world.stoppedByHand]], [false, []])
})
