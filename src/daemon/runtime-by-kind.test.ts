import assert from 'node:assert/strict'
import test from 'node:test'

import { asEpoch, asServiceName, slotId } from '../core/model/id.ts'
import type { Occupant, Runtime, RuntimeEvent, StartOrder } from '../ports/runtime/runtime.ts'
import { RuntimeByKind } from './runtime-by-kind.ts'

const slot = slotId(asServiceName('web'), 0)
const epoch = asEpoch(1)

const asProcess: StartOrder['runs'] = { kind: 'process', command: ['true'], directory: '/', user: null }
const asContainer: StartOrder['runs'] = {
  kind: 'container',
  image: { from: 'registry', reference: 'redis:7' },
  pull: 'never',
  registry: null,
  containerPort: null,
  readOnly: false,
  capabilities: [],
  network: 'none',
  command: null,
  directory: null,
  user: null,
  project: 'shop',
  password: null,
  hostPort: null,
}

const order = (runs: StartOrder['runs'], number: number = 1): StartOrder => ({
  slot,
  epoch: asEpoch(number),
  runs,
  environment: {},
  limits: { cpuCores: null, memoryBytes: null, pids: null },
  volumes: [],
  secretFiles: {},
  ulimits: {},
  maxLogBytes: 1,
  note: '',
  isRetry: false,
})

/** Both runtimes write what they are asked into one list, in words. */
function open(options: { readonly found?: readonly Occupant[]; readonly isNeeded?: boolean } = {}): {
  readonly mixed: RuntimeByKind
  readonly asked: string[]
  readonly occupied: Set<string>
  readonly end: (kind: string, number: number) => void
} {
  const asked: string[] = []
  const occupied = new Set<string>()
  const listeners = new Map<string, (event: RuntimeEvent) => void>()
  const make = (kind: string, occupants: readonly Occupant[]): Runtime => {
    const note = (word: string): void => void asked.push(`${kind} ${word}`)
    return {
      discover: async (onEvent) => {
        note('discover')
        listeners.set(kind, onEvent)
        return { occupants, lastEpochs: new Map(occupants.map((occupant) => [occupant.slot, occupant.epoch])) }
      },
      start: async ({ epoch: number }) => (note(`start ${number}`), null),
      signal: async ({ epoch: number }) => note(`signal ${number}`),
      kill: async ({ epoch: number }) => note(`kill ${number}`),
      isOccupied: async () => occupied.has(kind),
      holders: async () => (occupied.has(kind) ? [{ pid: 1, command: kind }] : []),
      usage: () => null,
      memoryKills: () => null,
      exec: async () => ({ command: [kind], environment: {} }),
      readLog: async () => ({ entries: [], open: null, start: 0, next: kind.length, begin: 0, end: 0 }),
      forget: async () => note('forget'),
      guarantees: () => {
        throw new Error('not asked here')
      },
      [Symbol.asyncDispose]: async () => note('dispose'),
    }
  }
  const container = {
    load: async () => {
      asked.push('container load')
      return make('container', options.found ?? [])
    },
    isNeeded: async () => options.isNeeded ?? false,
  }
  const mixed = new RuntimeByKind({ process: make('process', []), container })
  const end = (kind: string, number: number): void =>
    listeners.get(kind)?.({ kind: 'gone', slot, epoch: asEpoch(number), exit: { kind: 'code', code: 0 } })
  return { mixed, asked, occupied, end }
}

test('a host of processes alone never loads what containers need', async () => {
  const { mixed, asked } = open()
  await mixed.discover(() => {})
  await mixed.start(order(asProcess))
  await mixed.kill({ slot, epoch }, 1)
  await mixed.forget(slot)
  await mixed[Symbol.asyncDispose]()
  assert.deepEqual(asked, ['process discover', 'process start 1', 'process kill 1', 'process forget', 'process dispose'])
})

test('a slot that one kind occupies is refused to the other, with the names of those in it', async () => {
  const { mixed, asked, occupied } = open()
  await mixed.discover(() => {})
  occupied.add('process')
  assert.deepEqual(await mixed.start(order(asContainer)), { kind: 'occupied', holders: [{ pid: 1, command: 'process' }] })
  occupied.clear()
  assert.equal(await mixed.start(order(asContainer, 2)), null)
  occupied.add('container')
  assert.deepEqual(await mixed.start(order(asProcess, 3)), { kind: 'occupied', holders: [{ pid: 1, command: 'container' }] })
  assert.ok(await mixed.isOccupied(slot))
  assert.deepEqual(
    asked.filter((word) => word.includes('start')),
    ['container start 2'],
  )
})

test("signals go to the kind that the epoch is of, and to the processes' once it is gone", async () => {
  const occupant = { slot, epoch, state: 'running', pid: 7, startTicks: 1, startedAt: null, exit: null, note: null } as const
  const { mixed, asked, end } = open({ found: [occupant], isNeeded: true })
  const seen: string[] = []
  const { occupants, lastEpochs } = await mixed.discover(({ kind }) => seen.push(kind))
  assert.deepEqual([occupants, [...lastEpochs]], [[occupant], [[slot, epoch]]])
  await mixed.signal({ slot, epoch }, 'SIGTERM')
  end('container', 1)
  await mixed.signal({ slot, epoch }, 'SIGTERM')
  assert.deepEqual(seen, ['gone'])
  assert.deepEqual(asked, ['process discover', 'container load', 'container discover', 'container signal 1', 'process signal 1'])
})
