import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SeriesAnswer } from '../../protocol/api.ts'
import { lastOf, SeriesStore } from './series-store.ts'

const origin = Date.parse('2026-11-22T03:00:00Z')

function answer(seconds: readonly number[], cpu: readonly (number | null)[], change: Partial<SeriesAnswer> = {}): SeriesAnswer {
  return {
    daemonStartedAt: 'first',
    stepMs: 2000,
    last: seconds.length,
    times: seconds.map((second) => new Date(origin + second * 1000).toISOString()),
    services: { web: { cpuCores: cpu, memoryBytes: cpu.map(() => 5), traffic: null } },
    slots: {},
    ...change,
  }
}

const seconds = (store: SeriesStore): readonly number[] => store.times.map((time) => time - origin / 1000)

test('what comes is put behind what is there; a line that comes later was not there before', () => {
  const store = new SeriesStore()
  assert.equal(store.add(answer([0, 2], [null, 0.5], { last: 2 })), true)
  assert.equal(store.since, 2)
  const later = answer([4], [0.25], { last: 3 })
  const traffic = { requestsPerSecond: [9], failedPerSecond: [0], active: [1], latencyMeanMs: [2], latencyMaxMs: [3] }
  store.add({
    ...later,
    services: { web: { ...later.services['web']!, traffic } },
    slots: { 'web/0': { cpuCores: [1], memoryBytes: [2] } },
  })
  assert.deepEqual(seconds(store), [0, 2, 4])
  assert.deepEqual(store.line('cpuCores', 'web'), [null, 0.5, 0.25])
  assert.deepEqual(store.line('requestsPerSecond', 'web'), [null, null, 9])
  assert.deepEqual(store.line('cpuCores', 'web/0'), [null, null, 1])
  assert.deepEqual(store.line('cpuCores', 'no/0'), [])
})

test('where nobody measured there is a gap and no straight line; a late sample is none', () => {
  const store = new SeriesStore()
  store.add(answer([0, 2], [1, 1], { last: 2 }))
  store.add(answer([7], [2], { last: 3 }))
  assert.deepEqual(store.line('cpuCores', 'web'), [1, 1, 2])
  store.add(answer([60], [3], { last: 4 }))
  assert.deepEqual(store.line('cpuCores', 'web'), [1, 1, 2, null, 3])
  assert.deepEqual(seconds(store), [0, 2, 7, 10, 60])
})

test('another daemon counts anew: what it was asked by the old count is asked again', () => {
  const store = new SeriesStore()
  store.add(answer([0, 2], [1, 1], { last: 40 }))
  assert.equal(store.add(answer([], [], { daemonStartedAt: 'second', last: 3 })), false)
  assert.equal(store.since, 0)
  assert.equal(store.add(answer([20, 22, 24], [2, 2, 2], { daemonStartedAt: 'second', last: 3 })), true)
  assert.deepEqual(store.line('cpuCores', 'web'), [1, 1, null, 2, 2, 2])
})

test('a clock that was set back does not bend the time: what is not later is left out', () => {
  const store = new SeriesStore()
  store.add(answer([100, 102], [1, 1], { last: 2 }))
  store.add(answer([50, 103], [9, 2], { last: 4 }))
  assert.deepEqual(seconds(store), [100, 102, 103])
  assert.deepEqual(store.line('cpuCores', 'web'), [1, 1, 2])
})

test('ten minutes are kept, and a line that has ended goes with its last value', () => {
  const store = new SeriesStore()
  const gone = { 'web/1': { cpuCores: [7, 7], memoryBytes: [7, 7] } }
  store.add(answer([0, 2], [1, 1], { last: 2, slots: gone }))
  assert.equal(store.has('cpuCores', 'web/1'), true)
  for (let second = 4; second <= 700; second += 2) store.add(answer([second], [1], { last: second }))
  assert.equal(store.times.length, 301)
  assert.equal(store.line('cpuCores', 'web').length, 301)
  assert.equal(store.has('cpuCores', 'web/1'), false)
})

test('the last value is the last that is one', () => {
  assert.deepEqual([lastOf([1, 2, null]), lastOf([null]), lastOf([])], [2, null, null])
})
