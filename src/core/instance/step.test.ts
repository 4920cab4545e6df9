import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { asEpoch, asRevisionNumber, asServiceName, composeEpoch, slotId } from '../model/id.ts'
import type { Epoch } from '../model/id.ts'
import type { Health, Service } from '../model/service.ts'
import { describeSlot } from './describe.ts'
import { newSlot } from './slot.ts'
import type { Goal, InstanceSpec, Slot, SlotAction, SlotEvent } from './slot.ts'
import { nextWakeMs, stepSlot } from './step.ts'

const noProbes: Health = { startup: null, readiness: null, liveness: null, startPeriodMs: 60_000 }
const probe = {
  check: { kind: 'http', path: '/', port: null, host: null },
  intervalMs: 1000,
  timeoutMs: 1000,
  retries: 3,
} as const
const probed: Health = { startup: null, readiness: probe, liveness: { ...probe, retries: 2 }, startPeriodMs: 10_000 }

const service = (over: Partial<Service> = {}): Service =>
  ({
    name: asServiceName('web'),
    scale: { kind: 'singleton' },
    routes: [],
    health: noProbes,
    stop: { signal: 'SIGTERM', gracePeriodMs: 5000, to: 'leader' },
    restart: { policy: 'always', delayMs: 100, maxDelayMs: 30_000, resetAfterMs: 10_000, budget: 3 },
    update: { order: 'stop-first', deadlineMs: 60_000, minReadyMs: 500, drainMs: 30_000 },
    ...over,
  }) as Service

const spec = (over: Partial<Service> = {}, identity = 'a'): InstanceSpec => ({
  service: service(over),
  identity,
  generation: 0,
  revision: asRevisionNumber(1),
})

const run = (what: InstanceSpec, claim = 1): Goal => ({ kind: 'run', spec: what, claim })
const rest: Goal = { kind: 'stopped', because: 'stopped by hand' }
const openGate: SlotEvent = { kind: 'gate', open: true, because: null }

/** A slot, a clock that is moved by hand, and everything that was ever asked of the world. */
class Bench {
  slot: Slot
  nowMs = 1000
  readonly actions: SlotAction[] = []

  constructor(goal: Goal = run(spec())) {
    this.slot = newSlot(slotId(asServiceName('web'), 0), null, goal)
  }

  send(event: SlotEvent): readonly SlotAction[] {
    const { slot, actions } = stepSlot(this.slot, event, this.nowMs)
    this.slot = slot
    this.actions.push(...actions)
    return actions.filter((action) => action.kind !== 'emit')
  }

  wait(ms: number): readonly SlotAction[] {
    this.nowMs += ms
    return this.send({ kind: 'tick' })
  }

  get epoch(): Epoch {
    const at = this.slot.occupancy
    assert.notEqual(at.kind, 'vacant')
    return at.kind === 'vacant' ? asEpoch(0) : at.epoch
  }

  start(): Epoch {
    this.send(openGate)
    const { epoch } = this
    this.send({ kind: 'started', epoch, pid: 100, startedAt: '2026-11-22T00:00:00.000Z' })
    return epoch
  }

  gone(exit: Extract<SlotEvent, { kind: 'gone' }>['exit']): readonly SlotAction[] {
    return this.send({ kind: 'gone', epoch: this.epoch, exit, jitter: 1 })
  }

  events(): readonly string[] {
    return this.actions.flatMap((action) => (action.kind === 'emit' ? [action.event.kind] : []))
  }

  get state(): string {
    return describeSlot(this.slot, this.nowMs).state
  }
}

test('a slot starts nothing before its gate opens', () => {
  const bench = new Bench()
  assert.deepEqual(bench.send({ kind: 'tick' }), [])
  const [start] = bench.send(openGate)
  assert.equal(start?.kind, 'start')
  assert.equal(bench.epoch, composeEpoch({ claim: 1, start: 1 }))
})

test('what was at rest waits for its gate again, also with the spec that it had', () => {
  const bench = new Bench()
  bench.start()
  bench.send({ kind: 'goal', goal: rest })
  bench.gone({ kind: 'code', code: 0 })
  assert.deepEqual(bench.send({ kind: 'goal', goal: run(spec()) }), [])
  assert.deepEqual(bench.send({ kind: 'tick' }), [])
  assert.equal(bench.send(openGate)[0]?.kind, 'start')
})

test('a killed instance is started again in the same step, with a larger epoch', () => {
  const bench = new Bench()
  const first = bench.start()
  const [again] = bench.gone({ kind: 'signal', signal: 'SIGKILL' })
  assert.equal(again?.kind, 'start')
  assert.ok(bench.epoch > first)
})

test('an instance without probes is ready once it has lived for minReady', () => {
  const bench = new Bench()
  bench.start()
  assert.equal(describeSlot(bench.slot, bench.nowMs).isReady, false)
  assert.equal(nextWakeMs(bench.slot), bench.nowMs + 500)
  bench.wait(500)
  assert.deepEqual(describeSlot(bench.slot, bench.nowMs), { state: 'running', health: 'none', isReady: true, reason: null })
})

test('quick failures wait twice as long each time, and past the budget the slot says crash-looping', () => {
  const bench = new Bench()
  const waits: number[] = []
  bench.send(openGate)
  for (let round = 0; round < 5; round += 1) {
    bench.send({ kind: 'started', epoch: bench.epoch, pid: 1, startedAt: '' })
    bench.nowMs += 10
    bench.gone({ kind: 'code', code: 1 })
    waits.push(Math.max(0, bench.slot.notBeforeMs - bench.nowMs))
    if (bench.slot.occupancy.kind === 'vacant') bench.wait(bench.slot.notBeforeMs - bench.nowMs)
    if (round === 3) assert.ok(bench.events().includes('crash-looping'))
  }
  assert.deepEqual(waits, [0, 100, 200, 30_000, 30_000])
})

test('a life longer than resetAfter forgives the failures before it', () => {
  const bench = new Bench()
  bench.start()
  bench.gone({ kind: 'code', code: 1 })
  bench.send({ kind: 'started', epoch: bench.epoch, pid: 1, startedAt: '' })
  bench.nowMs += 10_000
  bench.gone({ kind: 'code', code: 1 })
  assert.equal(bench.slot.failuresInARow, 1)
  assert.equal(bench.slot.occupancy.kind, 'starting')
})

test('a new identity stops the old instance, waits for its end, and only then starts', () => {
  const bench = new Bench()
  const old = bench.start()
  const asked = bench.send({ kind: 'goal', goal: run(spec({}, 'b')) })
  assert.deepEqual(asked, [{ kind: 'signal', epoch: old, signal: 'SIGTERM', to: 'leader' }])
  assert.deepEqual(bench.wait(4999), [])
  assert.deepEqual(bench.wait(1), [{ kind: 'kill', epoch: old }])
  const [start] = bench.gone({ kind: 'signal', signal: 'SIGKILL' })
  assert.equal(start?.kind === 'start' ? start.spec.identity : null, 'b')
})

test('new policies reach a running instance without touching it', () => {
  const bench = new Bench()
  bench.start()
  assert.deepEqual(
    bench.send({ kind: 'goal', goal: run(spec({ stop: { signal: 'SIGINT', gracePeriodMs: 1, to: 'leader' } })) }),
    [],
  )
  assert.deepEqual(bench.send({ kind: 'goal', goal: rest }), [
    { kind: 'signal', epoch: bench.epoch, signal: 'SIGINT', to: 'leader' },
  ])
})

test('new policies reach an instance that is just being started', () => {
  const bench = new Bench()
  bench.send(openGate)
  bench.send({ kind: 'goal', goal: run(spec({ stop: { signal: 'SIGINT', gracePeriodMs: 1, to: 'leader' } })) })
  bench.start()
  assert.deepEqual(bench.send({ kind: 'goal', goal: rest }), [
    { kind: 'signal', epoch: bench.epoch, signal: 'SIGINT', to: 'leader' },
  ])
})

test('what is adopted lives by the policies that hold now, not by those that it was started with', () => {
  const fresh = { stop: { signal: 'SIGINT', gracePeriodMs: 1, to: 'leader' }, health: probed } as const
  const bench = new Bench(run(spec(fresh)))
  bench.send({ kind: 'found', epoch: asEpoch(7), pid: 9, startedAt: '', spec: spec() })
  const at = bench.slot.occupancy
  assert.ok(at.kind === 'live' && !at.health.isUp, 'without the probes that it has now it counts as proven')
  assert.deepEqual(bench.send({ kind: 'goal', goal: rest }), [
    { kind: 'signal', epoch: bench.epoch, signal: 'SIGINT', to: 'leader' },
  ])
})

test('a slot that shall rest stays vacant after the end of its instance', () => {
  const bench = new Bench()
  bench.start()
  bench.send({ kind: 'goal', goal: rest })
  assert.deepEqual(bench.gone({ kind: 'code', code: 0 }), [])
  assert.equal(bench.state, 'stopped')
  assert.equal(nextWakeMs(bench.slot), null)
})

test('a word about an epoch that is not the present one changes nothing', () => {
  const bench = new Bench()
  bench.start()
  const before = bench.slot
  for (const event of [
    { kind: 'gone', epoch: asEpoch(7), exit: { kind: 'code', code: 0 }, jitter: 0 },
    { kind: 'refused', epoch: asEpoch(7), refusal: { kind: 'occupied', message: '' }, jitter: 0 },
    { kind: 'started', epoch: asEpoch(7), pid: 9, startedAt: '' },
    { kind: 'probed', epoch: asEpoch(7), probes: ['liveness'], ok: false, detail: '' },
  ] satisfies SlotEvent[]) {
    assert.deepEqual(bench.send(event), [])
    assert.deepEqual(bench.slot, before)
  }
})

test('a job runs once: completed is final, and so is failed under the policy no', () => {
  const job = {
    scale: { kind: 'job' },
    restart: { policy: 'no', delayMs: 100, maxDelayMs: 1000, resetAfterMs: 1000, budget: 3 },
  } as const
  for (const [code, state] of [
    [0, 'completed'],
    [3, 'failed'],
  ] as const) {
    const bench = new Bench(run(spec(job)))
    bench.start()
    const actions = bench.gone({ kind: 'code', code })
    assert.deepEqual(actions, [{ kind: 'record-outcome', outcome: { kind: state, identity: 'a', exit: { kind: 'code', code } } }])
    assert.equal(bench.state, state)
    assert.deepEqual(bench.wait(100_000), [])
  }
})

test('a job that ended while its daemon was away is not run again', () => {
  const bench = new Bench(run(spec({ scale: { kind: 'job' } })))
  const actions = bench.send({
    kind: 'found-ended',
    epoch: asEpoch(5),
    startedAt: null,
    spec: spec({ scale: { kind: 'job' } }),
    exit: { kind: 'code', code: 0 },
    jitter: 0,
  })
  assert.deepEqual(
    actions.map((action) => action.kind),
    ['record-outcome'],
  )
  assert.deepEqual(bench.send(openGate), [])
})

test('what is found running with the right identity is adopted without a touch', () => {
  const bench = new Bench()
  assert.deepEqual(bench.send({ kind: 'found', epoch: asEpoch(9), pid: 77, startedAt: 'then', spec: spec() }), [])
  assert.deepEqual(bench.send(openGate), [])
  assert.equal(bench.slot.occupancy.kind === 'live' ? bench.slot.occupancy.pid : 0, 77)
})

test('what is found running and nothing describes is ended before anything starts', () => {
  const bench = new Bench()
  assert.deepEqual(bench.send({ kind: 'found', epoch: asEpoch(9), pid: 77, startedAt: 'then', spec: null }), [
    { kind: 'kill', epoch: asEpoch(9) },
  ])
  const [start] = bench.send(openGate)
  assert.equal(start, undefined)
  const [next] = bench.gone({ kind: 'unknown' })
  assert.equal(next?.kind, 'start')
  assert.ok(bench.epoch > 9)
})

test('an occupied slot is blocked, names who holds it, and tries again', () => {
  const bench = new Bench()
  bench.send(openGate)
  bench.send({ kind: 'refused', epoch: bench.epoch, refusal: { kind: 'occupied', message: 'held by pid 5 (sleep)' }, jitter: 0 })
  assert.deepEqual(describeSlot(bench.slot, bench.nowMs), {
    state: 'blocked',
    health: 'none',
    isReady: false,
    reason: 'held by pid 5 (sleep)',
  })
  const [start] = bench.wait(1000)
  assert.equal(start?.kind, 'start')
})

test('a keeper that says nothing is given up and killed before another start', () => {
  const bench = new Bench()
  bench.send(openGate)
  const { epoch } = bench
  bench.send({ kind: 'spawned', epoch })
  assert.deepEqual(bench.wait(14_999), [])
  bench.wait(1)
  assert.deepEqual(bench.send({ kind: 'tick' }), [{ kind: 'kill', epoch }])
  assert.deepEqual(bench.wait(60_000), [])
})

test('a start that waits its turn among a thousand is not given up, and says what it waits for', () => {
  const bench = new Bench()
  bench.send(openGate)
  const { epoch } = bench
  assert.deepEqual(bench.wait(600_000), [])
  assert.deepEqual(describeSlot(bench.slot, bench.nowMs), {
    state: 'starting',
    health: 'none',
    isReady: false,
    reason: 'its start is being prepared: many start at once, or the disk is slow',
  })
  bench.send({ kind: 'spawned', epoch })
  assert.deepEqual(bench.wait(14_999), [])
  bench.send({ kind: 'started', epoch, pid: 100, startedAt: '2026-11-22T00:00:00.000Z' })
  assert.equal(bench.slot.occupancy.kind, 'live')
})

test('an unready instance whose probes are taken away is ready as long as it lives', () => {
  const before = spec({ health: probed })
  const bench = new Bench(run(before))
  const epoch = bench.start()
  const answer = (ok: boolean): void => void bench.send({ kind: 'probed', epoch, probes: ['readiness'], ok, detail: '' })
  answer(true)
  for (let round = 0; round < 3; round += 1) answer(false)
  assert.equal(describeSlot(bench.slot, bench.nowMs).isReady, false)
  bench.send({ kind: 'goal', goal: run(spec({ health: noProbes })) })
  assert.equal(describeSlot(bench.slot, bench.nowMs).isReady, true)
})

test('liveness counts only after the first success, and its failure ends the instance', () => {
  const bench = new Bench(run(spec({ health: probed })))
  const epoch = bench.start()
  const answer = (ok: boolean): readonly SlotAction[] => {
    const asked = bench.actions.findLast((action) => action.kind === 'probe')
    return bench.send({ kind: 'probed', epoch, probes: asked?.kind === 'probe' ? asked.probes : [], ok, detail: 'GET / → 503' })
  }
  for (let round = 0; round < 5; round += 1) {
    answer(false)
    bench.wait(1000)
  }
  assert.equal(bench.state, 'starting')
  answer(true)
  assert.equal(describeSlot(bench.slot, bench.nowMs).health, 'healthy')
  bench.wait(1000)
  answer(false)
  bench.wait(1000)
  const ended = answer(false)
  assert.deepEqual(ended, [{ kind: 'signal', epoch, signal: 'SIGTERM', to: 'leader' }])
})

test('readiness and liveness that check the same thing are one request', () => {
  const bench = new Bench(run(spec({ health: probed })))
  const epoch = bench.start()
  bench.send({ kind: 'probed', epoch, probes: ['readiness'], ok: true, detail: '' })
  bench.wait(1000)
  const asked = bench.actions.filter((action) => action.kind === 'probe').at(-1)
  assert.deepEqual(asked?.kind === 'probe' ? asked.probes : null, ['readiness', 'liveness'])
})

test('an instance that never becomes healthy is ended after its start period', () => {
  const bench = new Bench(run(spec({ health: probed })))
  const epoch = bench.start()
  assert.deepEqual(bench.wait(10_000), [{ kind: 'signal', epoch, signal: 'SIGTERM', to: 'leader' }])
})

const anyEvent = (bench: Bench): fc.Arbitrary<SlotEvent> => {
  const at = bench.slot.occupancy
  const epoch = at.kind === 'vacant' ? asEpoch(1) : at.epoch
  const jitter = 0.5
  const goals: Goal[] = [run(spec()), run(spec({}, 'b')), run(spec({ health: probed }, 'c')), rest]
  return fc.oneof(
    fc.constantFrom(...goals).map((goal): SlotEvent => ({ kind: 'goal', goal })),
    fc.constant<SlotEvent>({ kind: 'tick' }),
    fc.boolean().map((open): SlotEvent => ({ kind: 'gate', open, because: null })),
    fc.constant<SlotEvent>({ kind: 'started', epoch, pid: 5, startedAt: '' }),
    fc.constantFrom(0, 1).map((code): SlotEvent => ({ kind: 'gone', epoch, exit: { kind: 'code', code }, jitter })),
    fc.constant<SlotEvent>({ kind: 'refused', epoch, refusal: { kind: 'no-space', message: 'full' }, jitter }),
    fc.constant<SlotEvent>({ kind: 'stuck', epoch, message: 'in D state' }),
    fc.boolean().map((ok): SlotEvent => ({ kind: 'probed', epoch, probes: ['readiness', 'liveness'], ok, detail: '' })),
  )
}

test('never a second start before the first epoch is gone or refused, and epochs only grow, whatever happens', () => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat()), fc.integer({ min: 1, max: 120 }), (seeds, length) => {
      const bench = new Bench()
      let open: Epoch | null = null
      let last = 0
      for (let index = 0; index < length; index += 1) {
        const seed = seeds.next().value as number
        const [event] = fc.sample(anyEvent(bench), { numRuns: 1, seed })
        if (event === undefined) continue
        if ((event.kind === 'gone' || event.kind === 'refused') && event.epoch === open) open = null
        bench.nowMs += seed % 700
        for (const action of bench.send(event)) {
          if (action.kind !== 'start') continue
          assert.equal(open, null, `started ${action.epoch} while ${String(open)} may still run`)
          assert.ok(action.epoch > last)
          open = action.epoch
          last = action.epoch
        }
      }
    }),
    { numRuns: 300 },
  )
})

test('whatever happened, a wanted slot whose world is good again runs in the end', () => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat()), fc.integer({ min: 0, max: 60 }), (seeds, length) => {
      const bench = new Bench()
      for (let index = 0; index < length; index += 1) {
        const seed = seeds.next().value as number
        const [event] = fc.sample(anyEvent(bench), { numRuns: 1, seed })
        bench.nowMs += seed % 700
        if (event !== undefined) bench.send(event)
      }
      bench.send({ kind: 'goal', goal: run(spec({}, 'final')) })
      bench.send(openGate)
      for (let round = 0; round < 40; round += 1) {
        const at = bench.slot.occupancy
        if (at.kind === 'starting') bench.send({ kind: 'started', epoch: at.epoch, pid: 1, startedAt: '' })
        else if (at.kind === 'ending') bench.gone({ kind: 'signal', signal: 'SIGTERM' })
        else bench.wait(31_000)
      }
      assert.equal(bench.state, 'running')
    }),
    { numRuns: 200 },
  )
})
