import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { asRevisionNumber, asServiceName, slotId } from '../model/id.ts'
import type { Epoch } from '../model/id.ts'
import type { Route, Service } from '../model/service.ts'
import { describeSlot } from './describe.ts'
import { newSlot } from './slot.ts'
import type { Goal, Slot, SlotAction, SlotEvent } from './slot.ts'
import { nextWakeMs, stepSlot } from './step.ts'

const drainMs = 30_000
const graceMs = 5000
const probe = {
  check: { kind: 'http', path: '/', port: null, host: null },
  intervalMs: 1000,
  timeoutMs: 1000,
  retries: 2,
} as const

function goalOf(identity: string, over: Partial<Service> = {}): Goal {
  const service = {
    name: asServiceName('web'),
    scale: { kind: 'replicas', count: 1 },
    routes: [{} as Route],
    health: { startup: null, readiness: null, liveness: probe, startPeriodMs: 10_000 },
    stop: { signal: 'SIGTERM', gracePeriodMs: graceMs, to: 'leader' },
    restart: { policy: 'always', delayMs: 100, maxDelayMs: 30_000, resetAfterMs: 10_000, budget: 3 },
    update: { order: 'stop-first', deadlineMs: 60_000, minReadyMs: 500, drainMs },
    ...over,
  } as Service
  return { kind: 'run', claim: 1, spec: { service, identity, generation: 0, revision: asRevisionNumber(1) } }
}
const rest: Goal = { kind: 'stopped', because: 'fewer replicas are wanted' }

/** A live instance behind a balancer, and what the slot asked of the world since. */
class Bench {
  slot: Slot
  nowMs = 1000
  actions: SlotAction[] = []

  constructor(over: Partial<Service> = {}) {
    this.slot = newSlot(slotId(asServiceName('web'), 0), null, goalOf('a', over))
    this.send({ kind: 'gate', open: true, because: null })
    this.send({ kind: 'started', epoch: this.epoch, pid: 7, startedAt: '' })
    this.send({ kind: 'probed', epoch: this.epoch, probes: ['liveness'], ok: true, detail: '200' })
  }

  get epoch(): Epoch {
    assert.notEqual(this.slot.occupancy.kind, 'vacant')
    return (this.slot.occupancy as { epoch: Epoch }).epoch
  }

  /** What was asked because of this event, events aside. */
  send(event: SlotEvent): readonly string[] {
    const { slot, actions } = stepSlot(this.slot, event, this.nowMs)
    this.slot = slot
    this.actions.push(...actions)
    return actions.map((action) => action.kind).filter((kind) => kind !== 'emit' && kind !== 'probe')
  }

  wait(ms: number): readonly string[] {
    this.nowMs += ms
    return this.send({ kind: 'tick' })
  }

  underWay(requests: number): readonly string[] {
    return this.send({ kind: 'under-way', epoch: this.epoch, requests })
  }
}

test('what leaves for no fault of its own gets no signal while requests are under way', () => {
  const bench = new Bench()
  assert.deepEqual(bench.send({ kind: 'goal', goal: rest }), [])
  assert.deepEqual(bench.underWay(3), [])
  assert.deepEqual(bench.wait(drainMs - 1), [])
  const { state, reason, isReady } = describeSlot(bench.slot, bench.nowMs)
  assert.deepEqual({ state, reason, isReady }, { state: 'stopping', reason: 'draining, 3 requests in flight', isReady: false })
  assert.deepEqual(bench.underWay(0), ['signal'])
  assert.deepEqual(bench.wait(graceMs), ['kill'])
})

test('a drain ends with its time, whatever is under way, and then comes the whole grace period', () => {
  const bench = new Bench()
  bench.send({ kind: 'goal', goal: goalOf('b') })
  bench.underWay(1)
  assert.equal(nextWakeMs(bench.slot), bench.nowMs + drainMs)
  assert.deepEqual(bench.wait(drainMs), ['signal'])
  assert.deepEqual(bench.wait(graceMs - 1), [])
  assert.deepEqual(bench.wait(1), ['kill'])
})

test('a hanging instance is ended at once: it would keep its requests waiting for nothing', () => {
  const bench = new Bench()
  bench.nowMs += 1000
  bench.send({ kind: 'probed', epoch: bench.epoch, probes: ['liveness'], ok: false, detail: 'timeout' })
  const last = bench.send({ kind: 'probed', epoch: bench.epoch, probes: ['liveness'], ok: false, detail: 'timeout' })
  assert.deepEqual(last, ['signal'])
})

test('what no balancer serves is asked to stop at once', () => {
  assert.deepEqual(new Bench({ routes: [] }).send({ kind: 'goal', goal: rest }), ['signal'])
  const update = { drainMs: 0 } as Service['update']
  assert.deepEqual(new Bench({ update }).send({ kind: 'goal', goal: rest }), ['signal'])
})

test('an instance that dies while it drains leaves a free slot, and a word about another epoch changes nothing', () => {
  const bench = new Bench()
  bench.send({ kind: 'goal', goal: rest })
  const { epoch } = bench
  const before = bench.slot
  assert.deepEqual(bench.send({ kind: 'under-way', epoch: (epoch - 1) as Epoch, requests: 0 }), [])
  assert.equal(bench.slot, before)
  bench.send({ kind: 'gone', epoch, exit: { kind: 'signal', signal: 'SIGKILL' }, jitter: 0 })
  assert.equal(bench.slot.occupancy.kind, 'vacant')
})

test('a daemon that restarts in the middle of a drain drains again, also before it has probed', () => {
  const bench = new Bench()
  const spec = (goalOf('a') as Extract<Goal, { kind: 'run' }>).spec
  const { epoch } = bench
  bench.slot = newSlot(bench.slot.id, null, rest)
  assert.deepEqual(bench.send({ kind: 'found', epoch, pid: 7, startedAt: '', spec }), [])
  assert.equal(describeSlot(bench.slot, bench.nowMs).reason, 'draining')
  assert.deepEqual(bench.underWay(0), ['signal'])
})

test('a daemon that restarts in the middle of a stop gives the rest of the time, and signals only what had no signal', () => {
  for (const isSent of [true, false]) {
    const bench = new Bench()
    const { spec } = goalOf('a') as Extract<Goal, { kind: 'run' }>
    const { epoch } = bench
    bench.slot = newSlot(bench.slot.id, null, rest)
    const stop = { leftMs: 2000, isAtFault: false, isSent }
    const found = { kind: 'found', epoch, pid: 7, startedAt: '', spec, stop } as const
    assert.deepEqual(bench.send(found), isSent ? [] : ['signal'])
    assert.equal(nextWakeMs(bench.slot), bench.nowMs + 2000)
    bench.nowMs += 1999
    assert.deepEqual(bench.send({ kind: 'tick' }), [])
    bench.nowMs += 1
    assert.deepEqual(bench.send({ kind: 'tick' }), ['kill'])
    const [killed] = bench.actions.flatMap((action) =>
      action.kind === 'emit' && action.event.kind === 'killed' ? [action.event] : [],
    )
    assert.equal(killed?.cause, 'an earlier daemon was stopping it, and the rest of its time is over')
    bench.send({ kind: 'gone', epoch, exit: { kind: 'signal', signal: 'SIGKILL' }, jitter: 0 })
    assert.deepEqual([bench.slot.occupancy.kind, bench.slot.failuresInARow], ['vacant', 0])
  }
})

test('the end for a fault of its own stays one when its daemon dies', () => {
  const bench = new Bench()
  const goal = goalOf('a') as Extract<Goal, { kind: 'run' }>
  const { epoch } = bench
  bench.slot = newSlot(bench.slot.id, null, goal)
  const stop = { leftMs: 0, isAtFault: true, isSent: true }
  assert.deepEqual(bench.send({ kind: 'found', epoch, pid: 7, startedAt: '', spec: goal.spec, stop }), ['kill'])
  bench.send({ kind: 'gone', epoch, exit: { kind: 'signal', signal: 'SIGKILL' }, jitter: 0 })
  assert.equal(bench.slot.failuresInARow, 1)
})

test('never a signal before the balancer’s word or the end of the time, whatever happens in between', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(6), fc.nat(9000)), { maxLength: 40 }), (moves) => {
      const bench = new Bench()
      bench.send({ kind: 'goal', goal: rest })
      const { epoch, nowMs: begunMs } = bench
      for (const [move, amount] of moves) {
        const asked =
          move < 2
            ? bench.wait(amount)
            : move < 4
              ? bench.send({ kind: 'under-way', epoch, requests: 1 + amount })
              : bench.send({ kind: 'goal', goal: move === 4 ? goalOf('a') : goalOf('b') })
        if (asked.length === 0) continue
        assert.ok(bench.nowMs >= begunMs + drainMs, `${asked.join()} after ${bench.nowMs - begunMs} ms`)
        return
      }
    }),
  )
})
