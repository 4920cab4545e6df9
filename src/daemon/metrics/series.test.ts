import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PoolCounters } from '../../ports/traffic/balancer.ts'
import type { Usage } from '../../ports/runtime/runtime.ts'
import type { ServiceName } from '../../core/model/id.ts'
import { SimulatedClock } from '../../sim/clock.ts'
import { Series } from './series.ts'

/** Lets what was begun by a timer run to its end: `sample` waits only for promises that are already settled. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
}

function scene(options: { readonly slots?: readonly string[] } = {}): {
  readonly clock: SimulatedClock
  readonly series: Series
  readonly cpu: Map<string, number>
  readonly live: Map<string, number>
  counters: PoolCounters | null
  looks: number
} {
  const clock = new SimulatedClock()
  const live = new Map((options.slots ?? ['web/0', 'web/1']).map((slot) => [slot, 1]))
  const cpu = new Map<string, number>()
  const world = {
    get reports() {
      return new Map([...live].map(([slot, epoch]) => [slot, { slot, occupant: { phase: 'live', epoch } }]))
    },
    serviceNames: () => [...new Set([...live.keys()].map((slot) => slot.split('/')[0]))],
  }
  const state = { clock, cpu, live, counters: null as PoolCounters | null, looks: 0 }
  const series = new Series({
    world: world as never,
    clock,
    startedAt: '2026-11-22T00:00:00.000Z',
    runtime: {
      usage: ({ slot }): Usage => {
        state.looks += 1
        return { cpuSeconds: cpu.get(slot) ?? 0, memoryBytes: 1000 }
      },
    },
    readTraffic: async () => (state.counters === null ? null : new Map([['web' as ServiceName, state.counters]])),
  })
  return Object.assign(state, { series })
}

const counters = (requests: number, failed: number): PoolCounters => ({
  requests,
  failed,
  retried: 0,
  responses: { '1xx': 0, '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 },
  bytesIn: 0,
  bytesOut: 0,
  active: 2,
  queued: 0,
  latencyMs: { mean: 1, max: 5 },
})

async function pass(clock: SimulatedClock, ms: number): Promise<void> {
  const end = clock.now() + ms
  while (clock.turn(end)) await settle()
}

test('nothing is measured before somebody looks, nor after they have gone; then nothing is kept', async () => {
  const state = scene()
  await pass(state.clock, 10_000)
  assert.equal(state.looks, 0)
  await state.series.look()
  await pass(state.clock, 30_000)
  assert.ok(state.looks > 20, `${state.looks} looks`)
  await pass(state.clock, 40_000)
  const after = state.looks
  await pass(state.clock, 60_000)
  assert.equal(state.looks, after)
  assert.deepEqual(state.series.read(0, ['web']).times, [])
  assert.equal(state.series.usageOf('web/0' as never), null)
})

test('use of CPU is what was used between two samples of one epoch; a new epoch restarts', async () => {
  const state = scene()
  await state.series.look()
  state.cpu.set('web/0', 0.2)
  await pass(state.clock, 500)
  assert.deepEqual(state.series.usageOf('web/0' as never), { cpuCores: 0.5, memoryBytes: 1000 })
  state.cpu.set('web/0', 1.2)
  state.cpu.set('web/1', 3)
  await pass(state.clock, 2000)
  state.live.set('web/1', 2)
  state.cpu.set('web/1', 0.1)
  await pass(state.clock, 2000)
  const { services, slots, times, last } = state.series.read(0, ['web'])
  assert.deepEqual({ times: times.length, last }, { times: 4, last: 4 })
  assert.deepEqual(slots['web/0']?.cpuCores, [null, 0.5, 0.5, 0])
  assert.deepEqual(slots['web/1']?.cpuCores, [null, 0, 1.5, null])
  assert.deepEqual(services['web']?.cpuCores, [null, 0.5, 2, 0])
  assert.deepEqual(services['web']?.memoryBytes, [2000, 2000, 2000, 2000])
})

test('rates are differences of counters, and a counter that fell restarted', async () => {
  const state = scene()
  state.counters = counters(100, 0)
  await state.series.look()
  state.counters = counters(140, 4)
  await pass(state.clock, 500)
  assert.deepEqual(state.series.trafficOf('web' as never), {
    requestsPerSecond: 100,
    failedPerSecond: 10,
    active: 2,
    latencyMs: { mean: 1, max: 5 },
  })
  state.counters = counters(20, 0)
  await pass(state.clock, 2000)
  state.counters = null
  await pass(state.clock, 2000)
  const traffic = state.series.read(1, [])?.services['web']?.traffic
  assert.deepEqual(traffic?.requestsPerSecond, [100, 10, null])
  assert.deepEqual(traffic?.latencyMaxMs, [5, 5, null])
})

test('only what is new is read, and only of the services that were named', async () => {
  const state = scene({ slots: ['web/0', 'db/0'] })
  await state.series.look()
  await pass(state.clock, 4500)
  const { last } = state.series.read(0, [])
  assert.deepEqual(state.series.read(last, ['web']).times, [])
  const fresh = state.series.read(last - 1, ['db'])
  assert.deepEqual([fresh.times.length, Object.keys(fresh.slots), Object.keys(fresh.services)], [1, ['db/0'], ['db']])
})

test('ten minutes are kept, whatever came before; what has left shows nothing', async () => {
  const state = scene()
  for (let minute = 0; minute < 12; minute += 1) {
    await state.series.look()
    await pass(state.clock, 60_000)
    if (minute === 5) state.live.delete('web/1')
  }
  const { times, slots, services, last } = state.series.read(0, ['web'])
  assert.equal(times.length, 300)
  assert.ok(last > 340, String(last))
  assert.deepEqual(slots['web/0']?.memoryBytes.includes(null), false)
  assert.equal(slots['web/1']?.memoryBytes.at(-1) ?? null, null)
  assert.deepEqual([services['web']?.memoryBytes.at(0), services['web']?.memoryBytes.at(-1)], [2000, 1000])
})

test('runs of a schedule come and go: they are counted in their service and get no lines of their own', async () => {
  const state = scene({ slots: ['report/2026-11-22T00:00:00Z'] })
  await state.series.look()
  for (let second = 1; second <= 30; second += 1) {
    await pass(state.clock, 2000)
    state.live.clear()
    state.live.set(`report/2026-11-22T00:00:${String(second).padStart(2, '0')}Z`, 1)
  }
  const { services, slots } = state.series.read(0, ['report'])
  assert.deepEqual(Object.keys(slots), [])
  assert.equal(services['report']?.memoryBytes.at(-1), 1000)
  assert.equal(state.series.usageOf('report/2026-11-22T00:00:29Z' as never)?.memoryBytes, 1000)
})
