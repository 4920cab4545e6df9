import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { asRevisionNumber, asServiceName } from '../model/id.ts'
import type { Schedule } from '../model/service.ts'
import { maxQueued } from './admit.ts'
import { anchored, firstLedger, nextTickMs, punctualMs } from './due.ts'
import { activeRun, isActive, surplusRuns, withRun } from './ledger.ts'
import type { Ledger, Run } from './ledger.ts'
import { settleAttempt } from './settle.ts'
import { cover, isCovered, maxSpans, unite } from './spans.ts'
import type { Ticks } from './spans.ts'
import { evaluate } from './evaluate.ts'
import type { Presence } from './evaluate.ts'

const name = asServiceName('report')
const revision = asRevisionNumber(1)

/** A tick every `everyMs`. */
const every = (everyMs: number): Ticks => ({
  next: (afterMs) => (Math.floor(afterMs / everyMs) + 1) * everyMs,
  last: ({ afterMs, untilMs }) => {
    const last = Math.floor(untilMs / everyMs) * everyMs
    return last > afterMs ? last : null
  },
})

const schedule = (over: Partial<Schedule> = {}): Schedule => ({
  cron: 'x',
  timezone: 'UTC',
  missed: 'run-once',
  overlap: 'forbid',
  timeoutMs: null,
  retries: 0,
  retryLost: false,
  keep: 3,
  ...over,
})

const minute = 60_000
const active = (over: Partial<Schedule> = {}, ticks: Ticks = every(minute)): Presence => ({
  kind: 'active',
  schedule: schedule(over),
  ticks,
  revision,
})

const at = (ledger: Ledger, wallMs: number, presence: Presence = active()): Ledger =>
  evaluate({ ledger, presence, wallMs, isRested: () => true, isUntouched: () => false })

const fresh = (wallMs: number): Ledger => firstLedger(name, schedule(), wallMs)

const ended = (ledger: Ledger, code = 0, over: Partial<Schedule> = {}): Ledger => {
  const run = activeRun(ledger)
  assert.ok(run !== null, 'nothing is under way')
  const attempt = { kind: 'exit', exit: { kind: 'code', code }, epoch: null, durationMs: 1 } as const
  return withRun(ledger, settleAttempt({ run, attempt, schedule: schedule(over), wallTime: 'now' }))
}

const picture = (ledger: Ledger): readonly string[] =>
  ledger.runs.map(({ tickMs, phase, attempt, isLate }) => `${tickMs / minute} ${phase} ${attempt}${isLate ? ' late' : ''}`)

test('a tick that has just passed begins its run, once', () => {
  let ledger = at(fresh(10 * minute + 5), 11 * minute + 3)
  assert.deepEqual(picture(ledger), ['11 under-way 1'])
  ledger = at(ended(ledger), 11 * minute + 500)
  assert.deepEqual(picture(ledger), ['11 ended 1'])
  assert.deepEqual(picture(at(ledger, 12 * minute)), ['11 ended 1', '12 under-way 1'])
})

test('of two runs that pause, as an older database may have it, the second waits for the end of the first', () => {
  const pausing = (ledger: Ledger): Ledger => ended(ledger, 1, { retries: 1 })
  let ledger = pausing(at(fresh(10 * minute + 5), 11 * minute + 3))
  const [first] = ledger.runs
  assert.ok(first !== undefined)
  ledger = { ...ledger, lastNumber: 2, runs: [first, { ...first, number: 2, tickMs: 12 * minute }] }
  ledger = at(at(ledger, 12 * minute + 30_000), 12 * minute + 31_000)
  assert.deepEqual(picture(ledger), ['11 under-way 2', '12 pausing 1'])
  assert.equal(activeRun(ledger)?.tickMs, 11 * minute)
  assert.deepEqual(picture(at(ended(ledger), 12 * minute + 40_000)), ['11 ended 2', '12 under-way 2'])
})

test('a new schedule owes nothing for the past, and neither does one whose timetable was changed or that comes back', () => {
  const ledger = fresh(10 * minute + 5)
  assert.deepEqual(picture(at(ledger, 10 * minute + 6)), [])
  const hourly: Presence = active({ cron: 'other' }, every(1000))
  assert.deepEqual(picture(at(ledger, 10 * minute + 30_500, hourly)), [])
  const gone = at(ledger, 11 * minute - 1, { kind: 'gone', because: 'taken down' })
  assert.equal(gone.isRetired, true)
  const back = at(gone, 90 * minute + 7)
  assert.deepEqual(picture(back), [])
  assert.deepEqual(picture(at(back, 91 * minute)), ['91 under-way 1'])
})

test('of the ticks that were missed one run stands for all, or none', () => {
  const ledger = fresh(10 * minute)
  const once = at(ledger, 20 * minute + 30_000)
  assert.deepEqual(picture(once), ['20 under-way 1 late'])
  assert.deepEqual(
    once.skips.map(({ fromMs, toMs, kind, count }) => [fromMs / minute, toMs / minute, kind, count]),
    [[11, 19, 'missed', null]],
  )
  const none = at(ledger, 20 * minute + 30_000, active({ missed: 'skip' }))
  assert.deepEqual(picture(none), [])
  assert.deepEqual(
    none.skips.map(({ fromMs, toMs, kind }) => [fromMs / minute, toMs / minute, kind]),
    [[11, 20, 'missed']],
  )
  // What is on time runs, and nothing else is owed beside it.
  assert.deepEqual(picture(at(ledger, 20 * minute + punctualMs - 1)), ['20 under-way 1'])
  assert.deepEqual(picture(at(ledger, 20 * minute + punctualMs - 1, active({ missed: 'skip' }))), ['20 under-way 1'])
})

test('a pause by hand owes what missed ticks are owed; what is under way ends politely', () => {
  let ledger = at(fresh(10 * minute), 11 * minute)
  const paused: Presence = { kind: 'paused', because: 'stopped by hand' }
  ledger = at(ledger, 11 * minute + 9, paused)
  assert.deepEqual(activeRun(ledger)?.ask, { kind: 'stopped', because: 'stopped by hand' })
  ledger = at(ended(ledger, 143), 11 * minute + 20, paused)
  assert.equal(ledger.runs[0]?.end?.kind, 'stopped')
  ledger = at(ledger, 15 * minute + 5, paused)
  assert.deepEqual(picture(ledger), ['11 ended 1'])
  assert.deepEqual(picture(at(ledger, 15 * minute + 30_000)), ['11 ended 1', '15 under-way 1 late'])
})

test('forbid skips a tick while a run is under way', () => {
  const ledger = at(at(fresh(10 * minute), 11 * minute), 12 * minute)
  assert.deepEqual(picture(ledger), ['11 under-way 1'])
  assert.deepEqual(
    at(ledger, 13 * minute).skips.map(({ fromMs, toMs, count, kind }) => [fromMs / minute, toMs / minute, count, kind]),
    [[12, 13, 2, 'overlap']],
  )
})

test('queue lets ticks wait, in order and not without end', () => {
  const presence = active({ overlap: 'queue' })
  let ledger = fresh(10 * minute)
  for (let tick = 11; tick <= 11 + maxQueued + 2; tick += 1) ledger = at(ledger, tick * minute, presence)
  assert.equal(ledger.runs.filter(({ phase }) => phase === 'queued').length, maxQueued)
  assert.deepEqual(
    ledger.skips.map(({ kind, count }) => [kind, count]),
    [['queue-full', 2]],
  )
  ledger = at(ended(ledger), 30 * minute - 1, presence)
  assert.deepEqual(picture(ledger).slice(0, 3), ['11 ended 1', '12 under-way 1', '13 queued 0'])
})

test('replace asks what runs to end, and begins when that is gone', () => {
  const presence = active({ overlap: 'replace' })
  let ledger = at(at(fresh(10 * minute), 11 * minute, presence), 12 * minute, presence)
  assert.deepEqual(picture(ledger), ['11 under-way 1', '12 queued 0'])
  assert.equal(ledger.runs[0]?.ask?.kind, 'replaced')
  // One more while the first is still leaving: only the newest comes.
  ledger = at(ledger, 13 * minute, presence)
  assert.deepEqual(picture(ledger), ['11 under-way 1', '12 ended 0', '13 queued 0'])
  ledger = at(ended(ledger, 143, { retries: 3 }), 13 * minute + 5, presence)
  assert.deepEqual(picture(ledger), ['11 ended 1', '12 ended 0', '13 under-way 1'])
  assert.equal(ledger.runs[0]?.end?.kind, 'replaced')
})

test('a failed attempt is repeated as often as retries say, a stopped or replaced one never', () => {
  const retrying = { retries: 2 }
  let ledger = at(fresh(10 * minute), 11 * minute, active(retrying))
  ledger = at(ended(ledger, 1, retrying), 11 * minute + 5, active(retrying))
  assert.deepEqual(picture(ledger), ['11 under-way 2'])
  ledger = at(ended(ledger, 1, retrying), 11 * minute + 6, active(retrying))
  ledger = ended(ledger, 1, retrying)
  assert.deepEqual(picture(ledger), ['11 ended 3'])
  assert.equal(ledger.runs[0]?.end?.kind, 'failed')
})

test('a lost attempt is repeated only by who says so', () => {
  const begun = activeRun(at(fresh(10 * minute), 11 * minute))
  assert.ok(begun !== null)
  const lose = (run: Run, over: Partial<Schedule>): Run =>
    settleAttempt({ run, attempt: { kind: 'lost', epoch: null }, schedule: schedule(over), wallTime: 'now' })
  assert.equal(lose(begun, { retries: 5 }).phase, 'ended')
  assert.equal(lose(begun, { retries: 5 }).end?.kind, 'lost')
  assert.equal(lose(begun, { retryLost: true }).phase, 'pausing')
  assert.equal(lose({ ...begun, attempt: 2 }, { retryLost: true }).phase, 'ended')
  const unknown = { kind: 'exit', exit: { kind: 'unknown' }, epoch: null, durationMs: null } as const
  assert.equal(settleAttempt({ run: begun, attempt: unknown, schedule: schedule(), wallTime: 'now' }).end?.kind, 'lost')
})

test('a clock that goes back repeats nothing and loses nothing that comes', () => {
  let ledger = fresh(10 * minute)
  for (const tick of [11, 12, 13]) ledger = ended(at(ledger, tick * minute))
  ledger = at(ledger, 11 * minute - 20)
  for (const tick of [11, 12, 13]) ledger = at(ledger, tick * minute + 1)
  assert.deepEqual(picture(ledger), ['11 ended 1', '12 ended 1', '13 ended 1'])
  assert.deepEqual(picture(at(ledger, 14 * minute)).at(-1), '14 under-way 1')
})

test('a clock that was years ahead for an hour silences nothing when it is put right', () => {
  const decade = 10 * 365 * 24 * 60
  let ledger = ended(at(fresh(10 * minute), 11 * minute))
  // Sixty runs in a year that has not come, of which most are forgotten.
  for (let tick = decade; tick < decade + 60; tick += 1) ledger = ended(at(ledger, tick * minute + 100))
  ledger = { ...ledger, runs: ledger.runs.slice(-3) }
  ledger = at(ledger, 11 * minute + 20_000)
  assert.equal(nextTickMs(ledger, every(minute)), 12 * minute)
  for (let tick = 12; tick < 15; tick += 1) ledger = ended(at(ledger, tick * minute))
  assert.deepEqual(
    ledger.runs.slice(-3).map(({ tickMs }) => tickMs / minute),
    [12, 13, 14],
  )
  // And when that year does come, its ticks have had their run.
  const later = at(ledger, (decade + 30) * minute + 100)
  assert.ok(!later.runs.slice(6).some(({ tickMs }) => tickMs >= decade * minute && tickMs < (decade + 60) * minute))
})

test('what was pruned first was let in first, whatever its clock said', () => {
  let ledger = fresh(10 * minute)
  ledger = at(ended(at(ledger, 5000 * minute)), 11 * minute - 1)
  for (const tick of [11, 12, 13]) ledger = ended(at(ledger, tick * minute))
  assert.deepEqual(
    surplusRuns(ledger, 3).map(({ tickMs }) => tickMs / minute),
    [5000],
  )
})

test('spans stay few, and never cover less than they did', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 80 }), (moments) => {
      let spans = cover([], 1000 * minute, null)
      for (const moment of moments) {
        const before = spans
        spans = cover(spans, moment * minute, every(minute))
        assert.ok(spans.length <= maxSpans)
        assert.ok(isCovered(spans, moment * minute))
        for (const { fromMs, toMs } of before) assert.ok(isCovered(spans, fromMs) && isCovered(spans, toMs))
        assert.deepEqual(unite(spans, before), spans)
        spans.forEach((span, index) => assert.ok(index === 0 || span.fromMs > (spans[index - 1]?.toMs ?? 0)))
      }
    }),
  )
})

// Whole histories ----------------------------------------------------------------------------------------------------

/** What may happen to a machine's schedule. A crash loses what was not written; a restore brings back an older ledger, but not the slots. */
type Happening =
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'step'; readonly ms: number }
  | { readonly kind: 'end'; readonly code: number }
  | { readonly kind: 'crash' | 'save' | 'restore' | 'pause' | 'resume' | 'down' | 'hand' }

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 4 * minute }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('step' as const),
      ms: fc.oneof(fc.integer({ min: -30 * minute, max: 30 * minute }), fc.constantFrom(-100_000 * minute, 100_000 * minute)),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('end' as const), code: fc.integer({ min: 0, max: 1 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'crash' as const,
        'save' as const,
        'restore' as const,
        'pause' as const,
        'resume' as const,
        'down' as const,
      ),
    }),
  },
)

test('never the same tick twice, never two runs at once, whatever happens to clock, daemon and database', () => {
  fc.assert(
    fc.property(
      fc.array(happening, { minLength: 5, maxLength: 120 }),
      fc.constantFrom('forbid' as const, 'queue' as const, 'replace' as const),
      fc.constantFrom('run-once' as const, 'skip' as const),
      fc.integer({ min: 0, max: 2 }),
      (happenings, overlap, missed, retries) => {
        const presenceNow = (): Presence =>
          isPaused
            ? { kind: 'paused', because: 'by hand' }
            : isDown
              ? { kind: 'gone', because: 'down' }
              : active({ overlap, missed, retries })
        let [wallMs, isPaused, isDown] = [1_000_000 * minute, false, false]
        let ledger = fresh(wallMs)
        let written = ledger
        let saved = ledger
        /** The slots on disk: what began, and how often; they outlive every database. */
        const begun = new Map<number, number>()
        const keep = 2
        const look = (): void => {
          ledger = evaluate({ ledger, presence: presenceNow(), wallMs, isRested: () => true, isUntouched: () => false })
          written = ledger
          const run = activeRun(ledger)
          if (run?.phase === 'under-way' && run.ask === null) {
            const key = run.tickMs
            const attempts = begun.get(key) ?? 0
            assert.ok(attempts <= run.attempt, `tick ${key} began ${attempts} times before its attempt ${run.attempt}`)
            if (attempts < run.attempt) begun.set(key, run.attempt)
          }
          assert.ok(ledger.runs.filter(isActive).length <= 1, 'two runs at once')
          assert.ok(ledger.covered.length <= maxSpans)
          const tickSet = ledger.runs.map(({ tickMs }) => tickMs)
          assert.equal(new Set(tickSet).size, tickSet.length, 'a tick has two runs')
          for (const run of surplusRuns(ledger, keep)) ledger = { ...ledger, runs: ledger.runs.filter((each) => each !== run) }
          written = ledger
        }
        for (const each of happenings) {
          if (each.kind === 'pass') {
            // As a daemon does: looks at each second, or at least at each tick.
            for (let left = each.ms; left > 0; left -= 1000) {
              wallMs += Math.min(left, 1000)
              look()
            }
          } else if (each.kind === 'step') wallMs += each.ms
          else if (each.kind === 'end') {
            const run = activeRun(ledger)
            if (run?.phase === 'under-way') ledger = ended(ledger, each.code, { retries })
          } else if (each.kind === 'crash') ledger = written
          else if (each.kind === 'save') saved = written
          else if (each.kind === 'restore') {
            // The slots are witnesses: a tick that began and is not known is put into the ledger as what it was (here: lost).
            let restored = saved
            for (const tickMs of begun.keys()) restored = { ...restored, covered: cover(restored.covered, tickMs, null) }
            const lost = restored.runs.map((run) =>
              run.phase !== 'ended' && (begun.get(run.tickMs) ?? 0) > 0
                ? { ...run, phase: 'ended' as const, attempt: begun.get(run.tickMs) ?? 0 }
                : run,
            )
            ledger = { ...restored, runs: lost }
          } else if (each.kind === 'pause') isPaused = true
          else if (each.kind === 'resume') [isPaused, isDown] = [false, false]
          else if (each.kind === 'down') isDown = true
          look()
        }
      },
    ),
    { numRuns: 500 },
  )
})

test('under no fault every tick gets its run, on any timetable, however unevenly the daemon looks', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 90 }),
      fc.array(fc.integer({ min: 1, max: punctualMs - 1 }), { minLength: 20, maxLength: 200 }),
      (everySeconds, pauses) => {
        const ticks = every(everySeconds * 1000)
        const startMs = 1_000_000 * minute
        let wallMs = startMs
        let ledger = fresh(wallMs)
        const started = new Set<number>()
        for (const pause of pauses) {
          wallMs += pause
          // With a queue, so that no tick may be refused; and every run is quick.
          ledger = evaluate({
            ledger,
            presence: active({ overlap: 'queue' }, ticks),
            wallMs,
            isRested: () => true,
            isUntouched: () => false,
          })
          for (let rounds = 0; activeRun(ledger) !== null && rounds < 20; rounds += 1) {
            const run = activeRun(ledger)
            if (run !== null) started.add(run.tickMs)
            ledger = evaluate({
              ledger: ended(ledger),
              presence: active({ overlap: 'queue' }, ticks),
              wallMs,
              isRested: () => true,
              isUntouched: () => false,
            })
          }
        }
        const expected: number[] = []
        for (let tick = ticks.next(startMs) ?? 0; tick <= wallMs; tick = ticks.next(tick) ?? 0) expected.push(tick)
        assert.deepEqual([...started], expected)
      },
    ),
    { numRuns: 300 },
  )
})

test('a look that finds nothing due leaves the ledger as it is', () => {
  const ledger = at(fresh(10 * minute), 10 * minute + 100)
  assert.equal(at(ledger, 10 * minute + 200), ledger)
  assert.equal(anchored(ledger, schedule(), 10 * minute + 200), ledger)
})
