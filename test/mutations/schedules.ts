/** Schedules: each tick at most once, one run at a time, and no clock, database or disk that makes it otherwise. */

import type { Mutation } from './mutation.ts'

const rules = 'src/core/cron/cron.test.ts'
const daemon = 'src/server/cron/cron-table.test.ts'
const histories = 'src/sim/daemon.test.ts'
const witnesses = 'src/server/cron/witnesses.test.ts'

const kinds = 'a schedule that becomes a service, and a service that becomes a schedule, never run beside what they were'

export const scheduleMutations: readonly Mutation[] = [
  {
    name: 'tick-is-not-covered',
    rule: 'a tick is covered in the transaction that allows its start, and nothing uncovers it',
    file: 'src/core/cron/due.ts',
    find: `covered: cover(ledger.covered, tickMs, ticks)`,
    replace: `covered: ledger.covered`,
    caughtBy: { file: rules, test: 'a clock that was years ahead for an hour silences nothing when it is put right' },
  },
  {
    name: 'tick-is-left-out',
    rule: 'each tick has its run or is skipped by its policy, and none passes in silence',
    file: 'src/core/cron/due.ts',
    find: `for (const tickMs of punctual) next =`,
    replace: `for (const tickMs of punctual.filter((at) => at % 4000 === 0)) next =`,
    caughtBy: { file: histories, test: 'ticks that waited begin beside those that come: more runs than ticks, each once' },
  },
  {
    name: 'clock-set-back-silences',
    rule: 'a clock that was years ahead must not silence the schedule for years',
    file: 'src/core/cron/due.ts',
    find: ` || wallMs < ledger.anchorMs`,
    replace: ``,
    caughtBy: { file: rules, test: 'a clock that was years ahead for an hour silences nothing when it is put right' },
  },
  {
    name: 'what-was-jumped-over-is-covered',
    rule: 'ticks that a clock jumped over never began, and may still come',
    file: 'src/core/cron/spans.ts',
    find: `before !== undefined && ticks !== null && (ticks.next(before.toMs) ?? 0) >= tickMs`,
    replace: `before !== undefined && ticks !== null`,
    caughtBy: { file: rules, test: 'a clock that was years ahead for an hour silences nothing when it is put right' },
  },
  {
    name: 'two-runs-at-once',
    rule: 'at most one run of a schedule is under way, whatever its overlap says',
    file: 'src/core/cron/evaluate.ts',
    find: `  if (activeRun(ledger) !== null) return ledger\n`,
    replace: ``,
    caughtBy: { file: rules, test: 'replace asks what runs to end, and begins when that is gone' },
  },
  {
    name: 'queue-without-bound',
    rule: 'every queue has a bound',
    file: 'src/core/cron/admit.ts',
    find: `queued.length >= maxQueued`,
    replace: `queued.length > maxQueued`,
    caughtBy: { file: rules, test: 'queue lets ticks wait, in order and not without end' },
  },
  {
    name: 'lost-runs-are-repeated',
    rule: 'a run whose fate is unknown is lost, shown, and repeated only if the user said retryLost',
    file: 'src/core/cron/settle.ts',
    find: `return schedule.retryLost && run.attempt`,
    replace: `return run.attempt`,
    caughtBy: { file: rules, test: 'a lost attempt is repeated only by who says so' },
  },
  {
    name: 'replaced-runs-are-tried-again',
    rule: 'a run that was asked to end for no fault of its own is not tried again',
    file: 'src/core/cron/settle.ts',
    find: `  if (run.ask !== null) return { kind: run.ask.kind, exit, message: run.ask.because }\n`,
    replace: ``,
    caughtBy: { file: rules, test: 'replace asks what runs to end, and begins when that is gone' },
  },
  {
    name: 'tick-is-not-claimed',
    rule: 'the ledger record of a tick is created where there is none, or the tick is somebody else’s',
    file: 'src/server/cron/commit.ts',
    find: `store.transact({ compare, then:`,
    replace: `store.transact({ then:`,
    caughtBy: { file: daemon, test: 'a tick that somebody else has claimed is not begun' },
  },
  {
    name: 'run-is-not-entered-by-its-slot',
    rule: 'a run slot that ever began is not begun again, whatever the database says: the ledger enters it',
    file: 'src/server/cron/load-ledgers.ts',
    find: 'if (attempt.epoch <= (known',
    replace: 'if (!isRunning || attempt.epoch <= (known',
    caughtBy: {
      file: witnesses,
      test: 'is entered, and its tick covered, whatever of it is known: its end, its beginning, or its commit alone',
    },
  },
  {
    name: 'run-does-not-end-by-its-slot',
    rule: 'a run slot that ever began is not begun again, whatever the database says: what its slot says is its end',
    file: 'src/server/cron/runs.ts',
    find: "if (attempt.began !== 'no') return { kind: 'lost', epoch }",
    replace: "if (attempt.began === 'yes') return { kind: 'lost', epoch }",
    caughtBy: {
      file: witnesses,
      test: 'ends by what its slot says, and is lost where that says no more than that it may have begun',
    },
  },
  {
    name: 'end-of-a-run-is-not-taken-in',
    rule: 'a run slot that ever began is not begun again, whatever the database says: its agent has taken its end in',
    file: 'src/agent/agent.ts',
    find: `    this.#ends = new Map(found.ended.map((end) => [end.slot, end]))
    for (const end of found.ended) if (isRunSlot(end.slot)) this.#takeEnd(end, keptGoal(end.spec, end.epoch))
`,
    replace: `    this.#ends = new Map(found.ended.filter(({ slot }) => !isRunSlot(slot)).map((end) => [end.slot, end]))
`,
    caughtBy: { file: daemon, test: 'a database that is put back begins no tick again whose slot is there' },
  },
  {
    name: 'forgotten-without-watermark',
    rule: 'what is pruned leaves a watermark outside the database before its slot goes',
    file: 'src/server/cron/prune.ts',
    find: `  if (chosen.length > 0) await writeWatermarks(prunes, chosen, how.isForgotten)
`,
    replace: '',
    caughtBy: { file: daemon, test: 'a database that is put back begins no tick again whose slot was forgotten' },
  },
  {
    name: 'superseded-run-begins',
    rule: 'a run whose slot holds a later epoch is not begun again',
    file: 'src/core/instance/step.ts',
    find: `slot.goal.spec.service.scale.kind !== 'schedule') return { ...slot, lastEpoch }`,
    replace: `slot.goal.spec.service.scale.kind === 'schedule') return { ...slot, lastEpoch }`,
    caughtBy: {
      file: 'src/core/instance/run.test.ts',
      test: 'a run that somebody else has begun is not begun again: what became of it is not known',
    },
  },
  {
    name: 'deploy-cuts-runs',
    rule: 'a run under way is not cut by a deploy',
    file: 'src/server/world/world.ts',
    find: '!isRunSlot(slot) || (!this.isVacant(slot) && !isSchedule)',
    replace: '!isRunSlot(slot) || !this.isVacant(slot)',
    caughtBy: {
      file: daemon,
      test: 'a run goes on by its own config when its schedule is changed, and is ended when its service leaves',
    },
  },
  {
    name: 'service-starts-beside-its-last-run',
    rule: 'what was a schedule and is a service now never runs beside a run of it',
    file: 'src/server/world/world.ts',
    find: `const isSchedule = this.wantedOf(name)?.service.scale.kind === 'schedule'`,
    replace: 'const isSchedule = this.wantedOf(name) !== null',
    caughtBy: { file: daemon, test: kinds },
  },
  {
    name: 'run-begins-beside-the-service-it-was',
    rule: 'what was a service and is a schedule now has no run beside its last instance',
    file: 'src/server/cron/runs.ts',
    find: ' || world.isFormerThere(service)',
    replace: '',
    caughtBy: { file: daemon, test: kinds },
  },
  {
    name: 'watermark-covers-who-waits',
    rule: 'a run that was let in is not lost because old ones were forgotten',
    file: 'src/server/cron/prune.ts',
    find: 'without(unite(entry.forgotten, [...entry.ledger.covered, ...byHand]), kept)',
    replace: 'unite(entry.forgotten, [...without(entry.ledger.covered, kept), ...byHand])',
    caughtBy: { file: daemon, test: 'runs that wait are still there under the next daemon, however often the clock was set' },
  },
]
