import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { updatePace } from '../keys/service/update.ts'
import type { Service, UpdatePolicy } from '../model/service.ts'
import { isSettled, planRollout, trialCount } from './rollout.ts'
import type { Move, SlotView, Wanted } from './rollout.ts'

const atOnce = { isPausing: false, trial: null } as const

const wantedOf = (
  count: number,
  identity: string,
  order: 'start-first' | 'stop-first' = 'start-first',
  pace: Partial<UpdatePolicy> = {},
): Wanted => ({
  identity,
  service: { scale: { kind: 'replicas', count }, update: { ...updatePace, order, ...pace } } as Service,
})

/** A world in which moves take effect, instances become ready when told to, and every moment is looked at. */
class World {
  readonly slots = new Map<number, { goal: string | null; occupant: string | null; ready: boolean }>()

  views(): readonly SlotView[] {
    return [...this.slots].map(([index, slot]) => ({
      index,
      goalIdentity: slot.goal,
      isVacant: slot.occupant === null,
      isReady: slot.ready && slot.goal !== null && slot.occupant === slot.goal,
      isFlapping: false,
      isDone: false,
    }))
  }

  apply(moves: readonly Move[], identity: string): void {
    for (const move of moves) {
      const slot = this.slots.get(move.index) ?? { goal: null, occupant: null, ready: false }
      this.slots.set(move.index, { ...slot, goal: move.kind === 'assign' ? identity : null })
    }
  }

  /** One thing happens in one slot: a wrong occupant leaves, a missing one starts, a started one becomes ready. */
  progress(index: number): void {
    const slot = this.slots.get(index)
    if (slot === undefined) return
    if (slot.occupant !== null && slot.occupant !== slot.goal) this.slots.set(index, { ...slot, occupant: null, ready: false })
    else if (slot.occupant === null && slot.goal !== null) this.slots.set(index, { ...slot, occupant: slot.goal, ready: false })
    else if (slot.occupant !== null) this.slots.set(index, { ...slot, ready: true })
  }

  readyCount(): number {
    return [...this.slots.values()].filter((slot) => slot.ready && slot.occupant !== null && slot.occupant === slot.goal).length
  }

  runningCount(): number {
    return [...this.slots.values()].filter((slot) => slot.goal !== null).length
  }
}

const look = (world: World, wanted: Wanted): readonly Move[] =>
  planRollout({ wanted, because: 'test', slots: world.views(), mayReplace: true, mayEmpty: true, ...atOnce })

function filled(count: number, identity: string): World {
  const world = new World()
  world.apply(look(world, wantedOf(count, identity)), identity)
  for (const index of world.slots.keys()) for (let i = 0; i < 2; i += 1) world.progress(index)
  return world
}

test('a new service fills the lowest places at once', () => {
  const moves = planRollout({ wanted: wantedOf(3, 'a'), because: '', slots: [], mayReplace: false, mayEmpty: true, ...atOnce })
  assert.deepEqual(
    moves,
    [0, 1, 2].map((index) => ({ kind: 'assign', index })),
  )
})

test('a start-first update begins with one more instance and gives up nothing', () => {
  const world = filled(3, 'a')
  assert.deepEqual(look(world, wantedOf(3, 'b')), [{ kind: 'assign', index: 3 }])
})

test('a stop-first update of one place stops it in place and adds no second', () => {
  const world = filled(1, 'a')
  assert.deepEqual(look(world, wantedOf(1, 'b', 'stop-first')), [{ kind: 'assign', index: 0 }])
})

test('nothing that runs is given up while the dependencies of its successor are not far enough', () => {
  const world = filled(2, 'a')
  assert.deepEqual(
    planRollout({ wanted: wantedOf(2, 'b'), because: '', slots: world.views(), mayReplace: false, mayEmpty: true, ...atOnce }),
    [],
  )
})

test('a service that leaves waits until nothing comes after it any more', () => {
  const slots = filled(1, 'a').views()
  assert.deepEqual(
    planRollout({ wanted: null, because: 'left the config', slots, mayReplace: true, mayEmpty: false, ...atOnce }),
    [],
  )
  assert.deepEqual(
    planRollout({ wanted: null, because: 'left the config', slots, mayReplace: true, mayEmpty: true, ...atOnce }),
    [{ kind: 'retire', index: 0, because: 'left the config' }],
  )
})

test('never fewer ready than before or wanted, never more than one beyond, and it ends settled', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 0, max: 6 }),
      fc.array(fc.nat(12), { maxLength: 60 }),
      (from, to, order) => {
        const world = filled(from, 'a')
        const wanted = wantedOf(to, 'b')
        const floor = Math.min(from, to)
        const ceiling = Math.max(from, to + 1)
        const check = (): void => {
          assert.ok(world.readyCount() >= floor, `only ${world.readyCount()} of ${floor} ready`)
          assert.ok(world.runningCount() <= ceiling, `${world.runningCount()} run, at most ${ceiling} may`)
        }
        const steps = [...order, ...Array.from({ length: 200 }, (_, index) => index % 13)]
        for (const index of steps) {
          world.apply(look(world, wanted), 'b')
          check()
          world.progress(index)
          check()
        }
        assert.ok(isSettled({ wanted, slots: world.views() }))
        assert.deepEqual(look(world, wanted), [])
      },
    ),
  )
})

test('stop-first never holds two places more than wanted and replaces one at a time', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 0, max: 5 }),
      fc.array(fc.nat(10), { maxLength: 60 }),
      (from, to, order) => {
        const world = filled(from, 'a')
        const wanted = wantedOf(to, 'b', 'stop-first')
        for (const index of [...order, ...Array.from({ length: 200 }, (_, step) => step % 11)]) {
          world.apply(look(world, wanted), 'b')
          assert.ok(world.runningCount() <= Math.max(from, to))
          world.progress(index)
        }
        assert.ok(isSettled({ wanted, slots: world.views() }))
      },
    ),
  )
})

test('what must not run beside itself comes back in its own place while it is still leaving', () => {
  const leaving: SlotView = { index: 0, goalIdentity: null, isVacant: false, isReady: false, isFlapping: false, isDone: false }
  for (const kind of ['singleton', 'job'] as const) {
    const wanted: Wanted = {
      identity: 'a',
      service: { scale: { kind }, update: { ...updatePace, order: 'stop-first' } } as Service,
    }
    const moves = planRollout({ wanted, because: 'test', slots: [leaving], mayReplace: true, mayEmpty: true, ...atOnce })
    assert.deepEqual(moves, [{ kind: 'assign', index: 0 }])
  }
})

test('a service that is to be one alone waits until its former replicas have left every place', () => {
  const wanted: Wanted = {
    identity: 'b',
    service: { scale: { kind: 'singleton' }, update: { ...updatePace, order: 'stop-first' } } as Service,
  }
  const plan = (slots: readonly SlotView[]): readonly Move[] =>
    planRollout({ wanted, because: 'test', slots, mayReplace: true, mayEmpty: true, ...atOnce })
  const stale: SlotView = { index: 1, goalIdentity: 'a', isVacant: false, isReady: true, isFlapping: false, isDone: false }
  const leaving: SlotView = { index: 2, goalIdentity: null, isVacant: false, isReady: false, isFlapping: false, isDone: false }
  assert.deepEqual(plan([stale, leaving]), [])
  assert.deepEqual(plan([leaving]), [])
  assert.deepEqual(plan([stale, { ...leaving, isVacant: true }]), [{ kind: 'assign', index: 1 }])
  assert.deepEqual(plan([{ ...leaving, isVacant: true }]), [{ kind: 'assign', index: 0 }])
})

test('a surge of three starts three at once, and as many old ones leave as new ones are ready', () => {
  const world = filled(3, 'a')
  const wanted = wantedOf(3, 'b', 'start-first', { surge: 3 })
  const moves = look(world, wanted)
  assert.deepEqual(
    moves,
    [3, 4, 5].map((index) => ({ kind: 'assign', index })),
  )
  world.apply(moves, 'b')
  for (let step = 0; step < 2; step += 1) world.progress(4)
  assert.deepEqual(look(world, wanted), [{ kind: 'retire', index: 0, because: 'its successor is ready' }])
})

test('whatever surge, parallel and floor are: never more beyond, never fewer ready, and it ends settled', () => {
  const pace = fc.record({
    order: fc.constantFrom('start-first' as const, 'stop-first' as const),
    surge: fc.integer({ min: 1, max: 4 }),
    parallel: fc.integer({ min: 1, max: 4 }),
    minHealthy: fc.option(fc.nat(5)),
  })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), pace, fc.array(fc.nat(12), { maxLength: 60 }), (count, update, order) => {
      const world = filled(count, 'a')
      const wanted = wantedOf(count, 'b', update.order, update)
      const isStartFirst = update.order === 'start-first'
      const floor = isStartFirst ? count : Math.max(Math.min(update.minHealthy ?? 0, count - 1), count - update.parallel)
      for (const index of [...order, ...Array.from({ length: 300 }, (_, step) => step % 13)]) {
        world.apply(look(world, wanted), 'b')
        assert.ok(world.readyCount() >= floor, `${world.readyCount()} of ${floor} ready`)
        assert.ok(world.runningCount() <= count + (isStartFirst ? update.surge : 0), `${world.runningCount()} run`)
        world.progress(index)
      }
      assert.ok(isSettled({ wanted, slots: world.views() }))
    }),
  )
})

test('during a pause nothing new begins, and what is ready still lets its predecessor go', () => {
  const world = filled(2, 'a')
  const wanted = wantedOf(2, 'b')
  const resting = (): readonly Move[] =>
    planRollout({ wanted, because: '', slots: world.views(), mayReplace: true, mayEmpty: true, isPausing: true, trial: null })
  world.apply(look(world, wanted), 'b')
  for (let step = 0; step < 2; step += 1) world.progress(2)
  assert.deepEqual(resting(), [{ kind: 'retire', index: 0, because: 'its successor is ready' }])
  world.apply(resting(), 'b')
  world.progress(0)
  assert.deepEqual(resting(), [])
  assert.equal(look(world, wanted).length, 1)
})

test('a canary comes on top and nobody leaves for it; promoted, it is one of the new ones', () => {
  const world = filled(3, 'a')
  const wanted = wantedOf(3, 'b', 'start-first', { canary: { share: 0.5, forMs: 1000, errorRate: 0 } })
  assert.equal(trialCount(wanted.service), 2)
  const trying = (): readonly Move[] =>
    planRollout({ wanted, because: '', slots: world.views(), mayReplace: true, mayEmpty: true, isPausing: false, trial: 2 })
  assert.deepEqual(trying(), [
    { kind: 'assign', index: 3 },
    { kind: 'assign', index: 4 },
  ])
  world.apply(trying(), 'b')
  for (let step = 0; step < 4; step += 1) world.progress(3 + (step % 2))
  assert.deepEqual(trying(), [])
  assert.equal(world.readyCount(), 5)
  const promoted = look(world, wanted)
  assert.deepEqual(
    promoted.map(({ kind }) => kind),
    ['retire', 'retire', 'assign'],
  )
})

test('for a new one that has just failed no further old one is given up, in either order, until it is forgiven', () => {
  const slot = { isVacant: false, isReady: true, isFlapping: false, isDone: false }
  const old = [1, 2].map((index): SlotView => ({ ...slot, index, goalIdentity: 'a' }))
  const plan = (order: 'start-first' | 'stop-first', isFlapping: boolean): readonly Move[] => {
    const fresh = [0, 3]
      .slice(0, order === 'start-first' ? 2 : 1)
      .map((index) => ({ ...slot, index, goalIdentity: 'b', isFlapping }))
    const wanted = wantedOf(3, 'b', order)
    return planRollout({ wanted, because: '', slots: [...fresh, ...old], mayReplace: true, mayEmpty: true, ...atOnce })
  }
  assert.deepEqual([plan('start-first', true), plan('stop-first', true)], [[], []])
  assert.deepEqual(plan('start-first', false), [
    { kind: 'retire', index: 1, because: 'its successor is ready' },
    { kind: 'assign', index: 4 },
  ])
  assert.deepEqual(plan('stop-first', false), [{ kind: 'assign', index: 1 }])
})
