import assert from 'node:assert/strict'
import { test } from 'node:test'

import { SilenceWatch } from './log-silence.ts'

/** A watch, and how often it compared. */
function watching(t: { readonly mock: { readonly timers: { enable: (what: { apis: ['setTimeout'] }) => void } } }): {
  readonly watch: SilenceWatch
  readonly seen: { compared: number; lost: number; isBehind: boolean }
} {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const seen = { compared: 0, lost: 0, isBehind: false }
  const watch = new SilenceWatch({
    isBehind: async () => {
      seen.compared += 1
      return seen.isBehind
    },
    onLost: () => (seen.lost += 1),
  })
  return { watch, seen }
}

/** Ticks, and lets everything that was asked be answered. */
async function tick(t: { readonly mock: { readonly timers: { tick: (ms: number) => void } } }, ms: number): Promise<void> {
  t.mock.timers.tick(ms)
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve()
}

test('a new stream is compared soon, a quiet one seldom, one that has told much soon again', async (t) => {
  const { watch, seen } = watching(t)
  using _watch = watch
  await tick(t, 1000)
  assert.equal(seen.compared, 1)
  for (let word = 0; word < 100; word += 1) {
    watch.heard(100)
    await tick(t, 2000)
  }
  assert.equal(seen.compared, 1, 'a word now and then is no reason')
  await tick(t, 300_000)
  assert.equal(seen.compared, 2)
  watch.heard(100_000)
  await tick(t, 999)
  watch.heard(1)
  await tick(t, 999)
  assert.equal(seen.compared, 2, 'it is not silent')
  await tick(t, 1)
  assert.equal(seen.compared, 3)
  assert.equal(seen.lost, 0)
})

test('a stream that is behind is lost, once; after its end nothing is asked', async (t) => {
  const { watch, seen } = watching(t)
  seen.isBehind = true
  await tick(t, 1000)
  await tick(t, 1_000_000)
  assert.deepEqual([seen.compared, seen.lost], [1, 1])
  watch[Symbol.dispose]()
  watch.heard(1_000_000)
  await tick(t, 1_000_000)
  assert.deepEqual([seen.compared, seen.lost], [1, 1])
})
