import assert from 'node:assert/strict'
import { defaultBalancer as balancer } from '../core/keys/balancer.ts'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { test } from 'node:test'
import { projectIdOf } from '../core/model/project-id.ts'
import { asRevisionNumber } from '../core/model/id.ts'
import { DarumaError } from '../ports/error.ts'
import type { Store } from '../ports/store.ts'
import { SimulatedClock } from '../sim/clock.ts'
import { SimulatedKernel } from '../sim/kernel.ts'
import { aService } from '../sim/machine.ts'
import { SeededRandom } from '../sim/random.ts'
import { createSimulatedRuntime } from '../sim/runtime.ts'
import { createMemoryStore } from '../sim/store.ts'
import { Reconciler } from './reconciler.ts'
import { World } from './world.ts'

/** A world that wants one worker, a kernel that would start it at once, and a store that answers as `beforeWrite` lets it. */
function open(beforeWrite: () => Promise<void>): {
  readonly world: World
  readonly kernel: SimulatedKernel
  readonly reconciler: Reconciler
} {
  const [clock, random] = [new SimulatedClock(), new SeededRandom(1)]
  const kernel = new SimulatedKernel(clock, random)
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
  const project = { name: 'shop', stage: null, balancer, services: [aService('worker', 'serve')] }
  const plan = { base: asRevisionNumber(0), fingerprint: '', steps: [], unchanged: 0 }
  world.target = { number: asRevisionNumber(1), createdAt: '', by: '', cause: '', project, plan, skipsJobs: false }
  const reconciler = new Reconciler({
    world,
    store,
    checkpoint: null,
    onChange: () => {},
    onSlotChange: () => {},
    flushStory: async () => {},
    tools: {
      runtime: createSimulatedRuntime(kernel, projectIdOf({ name: 'shop', stage: null }), async () => {}),
      net: { holderOf: () => null, isPortFree: async () => true, probe: async () => ({ ok: true, detail: '' }) },
      commands: { run: async () => ({ code: 0, output: '' }) },
      clock,
      random,
      log: { write: () => {} },
      tell: () => {},
      acquirePort: async () => ({ kind: 'port', port: null }),
      portOf: () => null,
      releasePort: () => {},
      order: async ({ slot, epoch, spec: { service } }) => ({
        ...service,
        runs: { kind: 'process', command: [], directory: '/', user: null },
        maxLogBytes: service.logs.maxBytes,
        slot,
        epoch,
        secretFiles: {},
        note: '{}',
      }),
    },
  })
  return { world, kernel, reconciler }
}

async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await turnOfTheLoop()
}

test('a start is ordered only when the assignment behind it is durable', async () => {
  const { promise: written, resolve: write } = Promise.withResolvers<void>()
  const { kernel, reconciler } = open(() => written)
  reconciler.begin()
  await someTurns()
  assert.deepEqual([...kernel.epochs], [])
  write()
  await someTurns()
  assert.deepEqual([...kernel.epochs.keys()], ['worker/0'])
  await reconciler.close()
})

test('what cannot be written down is not started, and is when there is space again', async () => {
  let isFull = true
  const { world, kernel, reconciler } = open(async () => {
    if (isFull) throw new DarumaError('E_STORE_FULL', 'the disk is full')
  })
  reconciler.begin()
  await someTurns()
  assert.deepEqual([[...kernel.epochs], world.condition], [[], 'the disk is full'])
  isFull = false
  reconciler.nudge()
  await someTurns()
  assert.deepEqual([[...kernel.epochs.keys()], world.condition], [['worker/0'], null])
  await reconciler.close()
})

test('what was assigned by a revision that failed while it was written down is not started on the way back', async () => {
  const { promise: written, resolve: write } = Promise.withResolvers<void>()
  const { world, kernel, reconciler } = open(() => written)
  reconciler.begin()
  await someTurns()
  world.target = null
  write()
  await someTurns()
  assert.deepEqual([...kernel.epochs], [])
  await reconciler.close()
})
