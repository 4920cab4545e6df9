/**
 * One daemon's hold on the simulated machine, with the contract of the real runtime. `pass` stands between every two effects: there
 * time goes by, and there the daemon may die, after which nothing that it was about to do happens any more.
 */

import { asEpoch } from '../core/model/id.ts'
import { isRunSlot } from '../core/model/id.ts'
import type { SlotId } from '../core/model/id.ts'
import { DarumaError } from '../ports/error.ts'
import type {
  Discovery,
  InstanceRef,
  Occupant,
  Runtime,
  RuntimeEvent,
  StartOrder,
  StartRefusal,
} from '../ports/runtime/runtime.ts'
import type { Instance, SimulatedKernel } from './kernel.ts'
import { kernelSlot, ownSlot } from './place.ts'
import type { Part } from './place.ts'

export function createSimulatedRuntime(kernel: SimulatedKernel, part: Part, pass: () => Promise<void>): Runtime {
  const occupants = new Map<string, () => void>()
  const named = (slot: SlotId): SlotId => kernelSlot(part, slot)
  const find = ({ slot, epoch }: InstanceRef): Instance | undefined =>
    kernel.of(named(slot)).find(({ order }) => order.epoch === epoch)

  async function start(own: StartOrder): Promise<StartRefusal | null> {
    await pass()
    const volumes = own.volumes.map((volume) => ({ ...volume, name: named(volume.name as SlotId) }))
    const order = { ...own, slot: named(own.slot), volumes }
    const last = kernel.epochs.get(order.slot) ?? asEpoch(0)
    if (last >= order.epoch) return { kind: 'superseded', by: last }
    if (kernel.of(order.slot).some((instance) => instance.state !== 'gone' && !kernel.close(instance)))
      return { kind: 'occupied', holders: [] }
    await pass()
    if (kernel.isDiskFull) return { kind: 'no-space', message: 'no space' }
    kernel.epochs.set(order.slot, order.epoch)
    kernel.committed.set(order.slot, { order, bootId: kernel.bootId })
    await pass()
    kernel.spawn(order)
    return null
  }

  return {
    async discover(onEvent: (event: RuntimeEvent) => void): Promise<Discovery> {
      await pass()
      kernel.listen(part ?? '', (event) => {
        const slot = ownSlot(part, event.slot)
        if (slot === null) return
        onEvent({ ...event, slot })
        if (event.kind !== 'started') occupants.get(`${slot} ${event.epoch}`)?.()
      })
      const found: Occupant[] = []
      const endedBefore: Occupant[] = []
      for (const slot of new Set([...kernel.instances.keys(), ...kernel.committed.keys()])) {
        const own = ownSlot(part, slot)
        const occupant = own === null ? null : discoverSlot(kernel, slot)
        if (own === null || occupant === null) continue
        found.push({ ...occupant, slot: own })
        const before = kernel.of(slot).filter(({ order, state }) => order.epoch < occupant.epoch && state === 'gone')
        endedBefore.push(...before.map((instance) => ({ ...describeInstance(kernel, instance), slot: own })))
      }
      const lastEpochs = [...kernel.lastEpochs()].flatMap(([slot, epoch]) => {
        const own = ownSlot(part, slot)
        return own === null ? [] : [[own, epoch] as const]
      })
      return { occupants: found, endedBefore, lastEpochs: new Map(lastEpochs) }
    },
    start,
    async signal(instance, _signal, _to, stop) {
      await pass()
      const found = find(instance)
      if (found === undefined) return
      if (stop !== undefined) found.stop = { deadlineMs: kernel.clock.now() + stop.graceMs, isAtFault: stop.isAtFault }
      kernel.signal(found)
    },
    async kill(instance, limitMs) {
      await pass()
      const found = find(instance)
      if (found === undefined || found.state === 'gone') return
      if (!kernel.isCalm && found.state === 'running' && kernel.random.chance(0.05)) {
        await new Promise<void>((resolve) => kernel.clock.after(limitMs, resolve))
        throw new DarumaError('E_RUNTIME_UNKILLABLE', `${instance.slot} sleeps without interruption`)
      }
      // A keeper that has not joined yet is a child of ours: it is killed as well, and with it the epoch is over.
      if (found.state === 'keeper') {
        found.isClosed = true
        await new Promise<void>((resolve) => {
          occupants.set(`${instance.slot} ${instance.epoch}`, resolve)
          kernel.clock.after(1, () => kernel.abandon(found))
        })
      } else kernel.kill(found)
    },
    async isOccupied(slot) {
      await pass()
      return kernel.of(named(slot)).some((instance) => instance.state !== 'gone' && !kernel.close(instance))
    },
    async holders() {
      return []
    },
    usage: () => null,
    memoryKills: () => null,
    async exec() {
      return { command: ['true'], environment: {} }
    },
    async readLog() {
      await pass()
      if (kernel.areLogsLost) throw new Error('EIO: i/o error, read')
      return { entries: [], open: null, start: 0, next: 0, begin: 0, end: 0 }
    },
    async forget(own) {
      await pass()
      const slot = named(own)
      if (kernel.of(slot).some(({ state }) => state === 'running')) throw new DarumaError('E_RUNTIME_OCCUPIED', `${slot} runs`)
      kernel.instances.delete(slot)
      if (!isRunSlot(slot)) return
      kernel.epochs.delete(slot)
      kernel.committed.delete(slot)
    },
    guarantees: () => ({
      killing: 'v2',
      namespaces: true,
      lock: true,
      limits: [],
      strict: { possible: true, because: null },
      weaker: [],
    }),
    async [Symbol.asyncDispose]() {},
  }
}

/** What runs; else how the newest committed epoch ended. A keeper on its way looks like nothing, and is shut out for good. */
function discoverSlot(kernel: SimulatedKernel, slot: SlotId): Occupant | null {
  const all = kernel.of(slot)
  for (const instance of all) kernel.close(instance)
  const running = all.find(({ state }) => state === 'running')
  const instance = running ?? all.at(-1)
  const committed = kernel.committed.get(slot)
  // Its daemon died before there was a keeper: the epoch's files are there, and say nothing.
  if (running === undefined && committed !== undefined && committed.order.epoch > (instance?.order.epoch ?? 0)) {
    const nothing = { pid: null, startTicks: null, startedAt: null, exit: { kind: 'unknown' } } as const
    const isOfThisBoot = committed.bootId === kernel.bootId
    return { slot, epoch: committed.order.epoch, state: 'gone', ...nothing, note: committed.order.note, isOfThisBoot }
  }
  return instance === undefined ? null : describeInstance(kernel, instance)
}

function describeInstance(kernel: SimulatedKernel, instance: Instance): Occupant {
  const isRunning = instance.state === 'running'
  const hasRun = isRunning || instance.exit !== null || instance.hasBegun
  return {
    slot: instance.order.slot,
    epoch: instance.order.epoch,
    state: isRunning ? 'running' : 'gone',
    pid: isRunning ? instance.pid : null,
    startTicks: hasRun ? instance.pid : null,
    startedAt: hasRun ? instance.startedAt : null,
    exit: isRunning ? null : (instance.exit ?? { kind: 'unknown' }),
    note: instance.order.note,
    isOfThisBoot: instance.bootId === kernel.bootId,
    ...(isRunning ? { ageMs: kernel.clock.now() - instance.startedMs } : {}),
    ...(isRunning && instance.stop !== null ? { stop: stopUnderWay(kernel, instance.stop) } : {}),
  }
}

const stopUnderWay = (kernel: SimulatedKernel, stop: NonNullable<Instance['stop']>): NonNullable<Occupant['stop']> => ({
  leftMs: Math.max(0, stop.deadlineMs - kernel.clock.now()),
  isAtFault: stop.isAtFault,
  isSent: true,
})
