import assert from 'node:assert/strict'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { test } from 'node:test'
import { defaultBalancer as balancer } from '../../core/keys/balancer.ts'
import { asRevisionNumber } from '../../core/model/id.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Assignment } from '../../ports/exchange.ts'
import type { Store } from '../../ports/storage/store.ts'
import { SimulatedClock } from '../../sim/clock.ts'
import { aService } from '../../sim/services.ts'
import { createMemoryStore } from '../../sim/store.ts'
import { StoreTrouble } from '../store-trouble.ts'
import { World } from '../world/world.ts'
import { Assignments } from './assignments.ts'
import { Pauses } from './pauses.ts'
import { Reconciler } from './reconciler.ts'

interface Opened {
  readonly world: World
  readonly reconciler: Reconciler
  /** What the host was told may begin, in the order in which it was told. */
  readonly begun: string[]
}

/** A world that wants one worker, and a store that answers as `beforeWrite` lets it. */
function open(beforeWrite: () => Promise<void>): Opened {
  const memory = createMemoryStore()
  const store: Store = {
    get: (key) => memory.get(key),
    list: (prefix, options) => memory.list(prefix, options),
    transact: async (transaction) => {
      await beforeWrite()
      return memory.transact(transaction)
    },
    watch: (prefix, from, signal) => memory.watch(prefix, from, signal),
    compact: (revision) => memory.compact(revision),
    [Symbol.asyncDispose]: () => memory[Symbol.asyncDispose](),
  }
  const world = new World()
  const project = { name: 'shop', stage: null, balancer, notify: [], services: [aService('worker', 'serve')] }
  const plan = { base: asRevisionNumber(0), fingerprint: '', steps: [], unchanged: 0 }
  world.setTarget({ number: asRevisionNumber(1), createdAt: '', by: '', cause: '', project, plan, skipsJobs: false })
  const begun: string[] = []
  const mayBegin = ({ goal, gate }: Assignment): boolean => goal.kind === 'run' && gate.open
  const assignments = new Assignments({
    world,
    secrets: { valuesFor: () => ({}), registryPasswordFor: () => null },
    life: () => 1,
    publish: (_key, entry) => {
      if (entry?.kind === 'slot' && mayBegin(entry)) begun.push(entry.slot)
    },
  })
  const reconciler = new Reconciler({
    world,
    store,
    checkpoint: null,
    assignments,
    pauses: new Pauses(new SimulatedClock(), () => {}),
    trouble: new StoreTrouble({ world, log: { write: () => {} }, emit: () => {} }),
    onLooked: () => {},
  })
  return { world, reconciler, begun }
}

async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await turnOfTheLoop()
}

test('the host is told to begin only when the assignment behind it is durable', async () => {
  const { promise: written, resolve: write } = Promise.withResolvers<void>()
  const { reconciler, begun } = open(() => written)
  reconciler.begin()
  await someTurns()
  assert.deepEqual(begun, [])
  write()
  await someTurns()
  assert.deepEqual(begun, ['worker/0'])
  await reconciler.close()
})

test('what cannot be written down is not started, and is when there is space again', async () => {
  let isFull = true
  const { world, reconciler, begun } = open(async () => {
    if (isFull) throw new DarumaError('E_STORE_FULL', 'the disk is full')
  })
  reconciler.begin()
  await someTurns()
  assert.deepEqual([begun, world.condition], [[], 'the disk is full'])
  isFull = false
  reconciler.nudge()
  await someTurns()
  assert.deepEqual([begun, world.condition], [['worker/0'], null])
  await reconciler.close()
})

test('what was assigned by a revision that failed while it was written down is not started on the way back', async () => {
  const { promise: written, resolve: write } = Promise.withResolvers<void>()
  const { world, reconciler, begun } = open(() => written)
  reconciler.begin()
  await someTurns()
  world.setTarget(null)
  write()
  await someTurns()
  assert.deepEqual(begun, [])
  await reconciler.close()
})
