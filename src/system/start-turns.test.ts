import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StartTurns } from './start-turns.ts'

/** Starts that end when they are told to, and a clock that stands. */
function bed(limit: number, retries: 'bounded' | 'unbounded' = 'bounded') {
  let nowMs = 0
  const timers: { atMs: number; run: () => void }[] = []
  const turns = new StartTurns({
    limit,
    retries,
    now: () => nowMs,
    after: (delayMs, run) => void timers.push({ atMs: nowMs + delayMs, run }),
  })
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const order = (of: string, name: string, isRetry = false): void =>
    void turns.lane(of).run(isRetry, () => {
      begun.push(name)
      return new Promise<void>((resolve) => ends.set(name, resolve))
    })
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 8; turn += 1) await Promise.resolve()
  }
  const end = async (name: string): Promise<void> => {
    ends.get(name)?.()
    ends.delete(name)
    await settle()
  }
  const pass = async (ms: number): Promise<void> => {
    nowMs += ms
    for (const timer of timers.splice(0)) {
      if (timer.atMs > nowMs) timers.push(timer)
      else timer.run()
    }
    await settle()
  }
  return { turns, begun, order, end, pass, settle }
}

test('a project whose starts all hang leaves a place to every other', async () => {
  const { begun, order, settle } = bed(2)
  for (let index = 0; index < 5000; index += 1) order('noisy', `noisy ${index}`)
  order('quiet', 'quiet 0')
  order('quiet', 'quiet 1')
  await settle()
  assert.deepEqual(begun, ['noisy 0', 'noisy 1', 'quiet 0', 'quiet 1'])
})

test('projects take turns, however many starts of one of them wait', async () => {
  const { begun, order, end, settle } = bed(2)
  for (const project of ['a', 'b']) for (let index = 0; index < 4; index += 1) order(project, `${project}${index}`)
  order('c', 'c0')
  await settle()
  assert.deepEqual(begun, ['a0', 'a1', 'b0', 'b1'])
  await end('a0')
  await end('a1')
  await end('b0')
  assert.deepEqual(begun.slice(4), ['a2', 'c0', 'b2'])
})

test('what has failed before waits for what has not, is tried one at a time, and rests for as long as a try took', async () => {
  const { begun, order, end, pass, settle } = bed(2)
  order('a', 'first 0')
  order('a', 'first 1')
  for (let index = 0; index < 3; index += 1) order('a', `retry ${index}`, true)
  order('a', 'first 2')
  await settle()
  assert.deepEqual(begun, ['first 0', 'first 1'])
  await end('first 0')
  assert.deepEqual(begun.slice(2), ['first 2'])
  await end('first 1')
  await end('first 2')
  assert.deepEqual(begun.slice(3), ['retry 0'])
  await pass(20)
  await end('retry 0')
  await pass(19)
  assert.deepEqual(begun.slice(4), [])
  order('a', 'first 3')
  await settle()
  assert.deepEqual(begun.slice(4), ['first 3'])
  await pass(1)
  assert.deepEqual(begun.slice(5), ['retry 1'])
})

test('a retry that hangs keeps no other project from trying again', async () => {
  const { begun, order, settle } = bed(2)
  order('a', 'a0', true)
  order('a', 'a1', true)
  order('b', 'b0', true)
  await settle()
  assert.deepEqual(begun, ['a0', 'b0'])
})

test('where retries are unbounded, they wait for what has not failed, and for no other retry of their project', async () => {
  const { begun, order, end, settle } = bed(3, 'unbounded')
  for (const name of ['a0', 'a1', 'a2']) order('a', name)
  for (const name of ['retry 0', 'retry 1', 'retry 2', 'retry 3']) order('a', name, true)
  order('a', 'a3')
  await settle()
  assert.deepEqual(begun, ['a0', 'a1', 'a2'])
  await end('a0')
  await end('a1')
  await end('a2')
  assert.deepEqual(begun.slice(3), ['a3', 'retry 0', 'retry 1'])
  await end('retry 0')
  assert.deepEqual(begun.slice(6), ['retry 2'])
})

test('a project has waiters while a first start of its own waits, whatever others wait for', async () => {
  const { turns, order, end, settle } = bed(1)
  order('noisy', 'noisy 0')
  order('noisy', 'noisy 1')
  order('quiet', 'quiet 0', true)
  await settle()
  assert.deepEqual([turns.lane('noisy').hasWaiters, turns.lane('quiet').hasWaiters], [true, false])
  await end('noisy 0')
  assert.equal(turns.lane('noisy').hasWaiters, false)
})

test('a retry comes in the end, although others that have not failed never stop coming', async () => {
  const { begun, order, end, settle } = bed(1)
  order('a', 'a0')
  order('a', 'retry', true)
  for (let index = 1; index < 100; index += 1) order('a', `a${index}`)
  await settle()
  for (let index = 0; index < 99 && !begun.includes('retry'); index += 1) await end(`a${index}`)
  assert.equal(begun.indexOf('retry'), 16)
})

test('a start that fails gives its place to the next, and its failure to who asked', async () => {
  const turns = new StartTurns({ limit: 1, retries: 'bounded' })
  const lane = turns.lane('a')
  await assert.rejects(
    lane.run(false, async () => {
      throw new Error('no')
    }),
    /no/,
  )
  assert.equal(await lane.run(false, async () => 'next'), 'next')
  assert.equal(lane.hasWaiters, false)
})
