/** Two ends of an exchange over a wire that loses, repeats, delays and reorders: whatever happens, both come to have the other's picture. */

import assert from 'node:assert/strict'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { test } from 'node:test'
import type { ExchangeMessage } from '../../ports/exchange.ts'
import { SimulatedClock } from '../../sim/clock.ts'
import { faultyWire } from '../../sim/wire.ts'
import { directWire } from './direct-wire.ts'
import { SeededRandom } from '../../sim/random.ts'
import { Endpoint } from './endpoint.ts'
import { FollowedPicture, OwnPicture } from './picture.ts'

type Message = ExchangeMessage<number>
type End = Endpoint<number, number, Message, Message>

test('a difference brings a follower from the version that it has, a removal included, and costs only what has changed', () => {
  const [own, followed] = [new OwnPicture<number>(1), new FollowedPicture<number>()]
  for (let key = 0; key < 100; key += 1) own.set(`key ${key}`, key)
  followed.take(own.messageFor(followed.seen))
  own.set('key 3', 30)
  own.remove('key 5')
  const message = own.messageFor(followed.seen)
  assert.deepEqual(message, {
    life: 1,
    version: 102,
    base: 100,
    changes: [
      ['key 3', 30],
      ['key 5', null],
    ],
  })
  followed.take(message)
  assert.deepEqual([followed.entries.size, followed.entries.get('key 3'), followed.entries.has('key 5')], [99, 30, false])
})

test('an older picture, a repeated one and one of an earlier life change nothing', () => {
  const [own, followed] = [new OwnPicture<number>(2), new FollowedPicture<number>()]
  own.set('a', 1)
  const first = own.messageFor(null)
  own.set('a', 2)
  const second = own.messageFor(null)
  followed.take(second)
  const earlier = new OwnPicture<number>(1)
  for (let version = 0; version < 9; version += 1) earlier.set('a', 100 + version)
  assert.equal(followed.take(first), null)
  assert.equal(followed.take(earlier.messageFor(null)), null)
  followed.take(second)
  assert.deepEqual([...followed.entries], [['a', 2]])
})

test('a difference against a version that the follower does not have is not taken', () => {
  const [own, followed] = [new OwnPicture<number>(1), new FollowedPicture<number>()]
  own.set('a', 1)
  own.set('b', 1)
  const seen = { life: 1, version: 1 }
  assert.equal(followed.take(own.messageFor(seen)), null)
  assert.equal(followed.seen, null)
})

function openPair(seed: number, isFaulty: boolean): { readonly clock: SimulatedClock; readonly ends: readonly [End, End] } {
  const clock = new SimulatedClock()
  const wire = isFaulty ? faultyWire<Message, Message>(clock, new SeededRandom(seed)) : directWire<Message, Message>()
  const open = (life: number, link: (typeof wire)['server']): End =>
    new Endpoint({ life, clock, link, complete: (message) => message, onMessage: () => false })
  return { clock, ends: [open(1, wire.server), open(1, wire.agent)] }
}

/** Lets what is under way arrive, and `ms` go by. */
async function pass(clock: SimulatedClock, ms: number): Promise<void> {
  const endMs = clock.now() + ms
  do await turnOfTheLoop()
  while (clock.turn(endMs))
}

test('after any number of losses, repetitions, delays and overtakings each end has the picture of the other', async () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const { clock, ends } = openPair(seed, true)
    const random = new SeededRandom(seed)
    for (const end of ends) end.open()
    for (let change = 0; change < 60; change += 1) {
      const end = random.pick(ends)
      const key = `key ${random.below(8)}`
      if (random.chance(0.3)) end.remove(key)
      else end.set(key, change)
      if (random.chance(0.5)) await pass(clock, random.below(300))
    }
    await pass(clock, 60_000)
    const [server, agent] = ends
    const sorted = (entries: Iterable<readonly [string, unknown]>): unknown =>
      [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1))
    const entriesOf = (end: End): unknown => sorted([...end.own.keys()].map((key) => [key, end.own.get(key)]))
    assert.deepEqual(sorted(agent.other.entries), entriesOf(server), `seed ${seed}`)
    assert.deepEqual(sorted(server.other.entries), entriesOf(agent), `seed ${seed}`)
    assert.ok(server.isConfirmed && agent.isConfirmed, `seed ${seed}`)
  }
})

test('two ends at rest are silent', async () => {
  const { clock, ends } = openPair(1, false)
  for (const end of ends) end.open()
  ends[0].set('a', 1)
  await pass(clock, 5000)
  assert.ok(ends[0].isConfirmed && ends[1].isConfirmed)
  assert.equal(clock.turn(clock.now() + 3_600_000), false, 'nothing waits to be done')
})
