/** What a person asks for: one operation at a time, all of it or nothing, jobs once, no gap and no overlap, and no secret told. */

import type { Mutation } from './mutation.ts'

const daemon = 'src/daemon/daemon.test.ts'
const rollout = { file: 'src/core/rollout/rollout.ts', tests: 'src/core/rollout/rollout.test.ts' } as const

export const changeMutations: readonly Mutation[] = [
  {
    name: 'operation-overwrites-another',
    rule: 'applies are the daemon’s work under one lease: one operation at a time',
    file: 'src/server/operations/operations.ts',
    find: `compare: [{ key: keys.operation, modified: 0 }],`,
    replace: `compare: [],`,
    caughtBy: {
      file: 'src/server/operations/operations.test.ts',
      test: 'an operation that is recorded is not overwritten, whoever recorded it, and nothing of the second one is written',
    },
  },
  {
    name: 'stale-apply-is-accepted',
    rule: 'an up whose base is an older revision than the applied one is refused',
    file: 'src/server/requests.ts',
    find: `  if (request.base !== world.applied) throw`,
    replace: `  if (request.base > world.applied) throw`,
    caughtBy: { file: daemon, test: 'an apply that was planned on an older revision is refused and changes nothing' },
  },
  {
    name: 'half-a-rollback',
    rule: 'a revision that does not become healthy is rolled back as a whole',
    file: 'src/server/operations/operations.ts',
    find: `    this.#world.setTarget(base)
`,
    replace: '',
    caughtBy: { file: daemon, test: 'a revision of which one service fails is rolled back with every service' },
  },
  {
    name: 'job-outcome-is-not-recorded',
    rule: 'a job runs once: its outcome is recorded with the end of its epoch',
    file: 'src/agent/agent.ts',
    find: '{ settledEpoch: epoch, outcome, starts, completed }',
    replace: '{ settledEpoch: epoch, outcome: null, starts, completed: null }',
    caughtBy: { file: daemon, test: 'a job that has completed is not run again by a daemon that carries on its revision' },
  },
  {
    name: 'older-outcome-comes-last',
    rule: 'a job that is known to have completed does not run again, whatever its slot had before',
    file: 'src/agent/agent.ts',
    find: ' && outcome.identity !== memo.outcome?.identity',
    replace: '',
    caughtBy: {
      file: 'src/sim/daemon.test.ts',
      test: 'a job that an older database has not heard of is known to have completed, also when its first daemon had no space',
    },
  },
  {
    name: 'job-is-another-by-its-generation',
    rule: 'which try of a job completed does not matter: it does not run again',
    file: 'src/core/model/service.ts',
    find: ' || withoutGeneration(identity) === withoutGeneration(other)',
    replace: '',
    caughtBy: {
      file: 'src/sim/daemon.test.ts',
      test: 'a job that an older database has not heard of is known to have completed, also when its first daemon had no space',
    },
  },
  {
    name: 'job-that-is-done-may-begin',
    rule: 'a job of a revision that holds has had its run, whatever its slot remembers',
    file: 'src/core/rollout/order.ts',
    find: "service.scale.kind === 'job' && views.get(service.name)?.isJobDone === true",
    replace: 'false',
    caughtBy: {
      file: 'src/sim/daemon.test.ts',
      test: 'a job that an older database has not heard of is known to have completed, also when its first daemon had no space',
    },
  },
  {
    name: 'ends-without-a-daemon-are-not-taken-in',
    rule: 'a run whose daemon was away is settled by its cgroup and its exit file, not repeated',
    file: 'src/agent/slots/adopt.ts',
    find: '} else ended.push(...untaken(tools.memory, occupant))',
    replace: '}',
    caughtBy: { file: daemon, test: 'a job that ends while no daemon runs is not run again' },
  },
  {
    name: 'rollback-runs-jobs',
    rule: 'jobs run once per revision that changes them, never on a rollback',
    file: 'src/server/world/world.ts',
    find: 'if (this.#target.skipsJobs || ',
    replace: 'if (',
    caughtBy: { file: daemon, test: 'a rollback by hand runs no job' },
  },
  {
    name: 'start-first-makes-a-gap',
    rule: 'start-first: a ready instance leaves only when as many as wanted are ready without it',
    file: rollout.file,
    find: `isCarrying(slot) ? carrying > count : running > count`,
    replace: `running > count`,
    caughtBy: {
      file: rollout.tests,
      test: 'never fewer ready than before or wanted, never more than one beyond, and it ends settled',
    },
  },
  {
    name: 'start-first-doubles',
    rule: 'start-first: at most one more than wanted runs',
    file: rollout.file,
    find: `const { surge } = wanted.service.update`,
    replace: `const surge = wanted.service.update.surge + 1`,
    caughtBy: { file: rollout.tests, test: 'a start-first update begins with one more instance and gives up nothing' },
  },
  {
    name: 'stop-first-overlaps',
    rule: 'stop-first: never two at once',
    file: rollout.file,
    find: `wanted.service.update.order === 'start-first' && wanted`,
    replace: `wanted`,
    caughtBy: { file: rollout.tests, test: 'stop-first never holds two places more than wanted and replaces one at a time' },
  },
  {
    name: 'secrets-are-printed',
    rule: 'secrets print as [redacted]',
    file: 'src/server/secrets.ts',
    find: `replaceAll(spelling, '[redacted]')`,
    replace: `replaceAll(spelling, spelling)`,
    caughtBy: {
      file: 'src/server/secrets.test.ts',
      test: 'a value that begins with another one is hidden whole',
    },
  },
  {
    name: 'secrets-are-recorded',
    rule: 'a revision holds digests of secrets, never a value',
    file: 'src/server/secrets.ts',
    find: `return createHmac('sha256', this.#key).update(value).digest('hex')`,
    replace: `return value`,
    caughtBy: {
      file: 'src/server/secrets.test.ts',
      test: 'what is recorded of a project holds a digest of each secret and nothing of its value',
    },
  },
  {
    name: 'digests-have-no-key',
    rule: 'without the state’s own key a digest cannot be tried against guesses',
    file: 'src/server/secrets.ts',
    find: `createHmac('sha256', this.#key)`,
    replace: `createHmac('sha256', '')`,
    caughtBy: {
      file: 'src/server/secrets.test.ts',
      test: 'equal values have equal digests under one key, and without that key no guess can be compared with them',
    },
  },
  {
    name: 'unproven-counts-as-useless',
    rule: 'a daemon that begins in the middle of a change gives up nobody whom it has not probed',
    file: 'src/server/rollout/reconciler.ts',
    find: `    if (view.wanted !== null && this.#world.isUnproven(view.name)) return []
`,
    replace: '',
    caughtBy: {
      file: 'src/sim/adoption.test.ts',
      test: 'a daemon that begins in the middle of an update gives up nobody whom it has not probed yet',
    },
  },
  {
    name: 'adopted-by-old-policies',
    rule: 'what is adopted has the routes and probes that hold now',
    file: 'src/core/instance/step.ts',
    find: `goal.spec.identity === spec.identity ? goal.spec : spec\n`,
    replace: `goal.spec.identity === spec.identity ? spec : spec\n`,
    caughtBy: {
      file: 'src/core/instance/step.test.ts',
      test: 'what is adopted lives by the policies that hold now, not by those that it was started with',
    },
  },
]
