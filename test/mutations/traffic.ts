/** Changes that nobody notices: who leaves finishes first, and who comes counts when the balancer serves it. */

import type { Mutation } from './mutation.ts'

const histories = 'src/sim/traffic.test.ts'
const rollingUpdate = 'a rolling update, whatever dies or answers late, always leaves somebody who serves and cuts nobody'
const newDaemon = 'a new daemon takes nobody out of use before it has probed, and adopts the balancer as it is'
const endings = 'src/core/instance/ending.test.ts'
const idleConnections =
  'an upstream closes each idle connection just as a request comes over it: none fails, and each is executed once'

export const trafficMutations: readonly Mutation[] = [
  {
    name: 'signal-before-drained',
    rule: 'an instance with requests under way gets no signal before they are done or its time is over',
    file: 'src/core/instance/ending.ts',
    find: `  if (!isDrained && nowMs < at.drain.untilMs) return slot\n`,
    replace: ``,
    caughtBy: { file: endings, test: 'what leaves for no fault of its own gets no signal while requests are under way' },
  },
  {
    name: 'drain-without-an-end',
    rule: 'a drain has a limit',
    file: 'src/core/instance/ending.ts',
    find: `if (!isDrained && nowMs < at.drain.untilMs) return slot`,
    replace: `if (!isDrained) return slot`,
    caughtBy: {
      file: endings,
      test: 'a drain ends with its time, whatever is under way, and then comes the whole grace period',
    },
  },
  {
    name: 'half-a-drain',
    rule: 'where no balancer says that it has finished, an instance has all the time that a drain may take',
    file: 'src/core/instance/ending.ts',
    find: `untilMs: why.nowMs + update.drainMs`,
    replace: `untilMs: why.nowMs + update.drainMs / 2`,
    caughtBy: {
      file: histories,
      test: 'under a balancer that hangs, who leaves has all the time that a drain may take, and not more',
    },
  },
  {
    name: 'the-hanging-drain-too',
    rule: 'what is ended for a fault of its own is ended at once',
    file: 'src/core/instance/ending.ts',
    find: `const mustDrain = !why.atFault && routes`,
    replace: `const mustDrain = routes`,
    caughtBy: {
      file: endings,
      test: 'a hanging instance is ended at once: it would keep its requests waiting for nothing',
    },
  },
  {
    name: 'ready-before-it-is-in-force',
    rule: 'an instance with routes is ready when the balancer serves its epoch',
    file: 'src/agent/slots/reporter.ts',
    find: 'isServing: epoch !== null && traffic.isServing(id, epoch),',
    replace: 'isServing: epoch !== null,',
    caughtBy: { file: histories, test: 'while the balancer confirms no table, who is new replaces nobody, however ready it is' },
  },
  {
    name: 'unproven-is-unready',
    rule: 'a new daemon takes nobody out of use before it has probed',
    file: 'src/agent/traffic/endpoints.ts',
    find: `at.health.isReady || isPresumed(slot, record) ? 'active'`,
    replace: `at.health.isReady ? 'active'`,
    caughtBy: { file: histories, test: newDaemon },
  },
  {
    name: 'drained-by-an-older-table',
    rule: 'only what the balancer counts after it has been told of the drain means anything',
    file: 'src/agent/traffic/traffic.ts',
    find: `    await this.#watchDrains(balancer)
    await this.#served.writeDown()
`,
    replace: `    for (const { shell, epoch } of this.#read().draining) shell.dispatch({ kind: 'under-way', epoch, requests: 0 })
    await this.#served.writeDown()
`,
    caughtBy: { file: histories, test: rollingUpdate },
  },
  {
    name: 'canary-is-never-judged',
    rule: 'a canary whose requests fail more than its policy allows is rolled back',
    file: 'src/core/rollout/canary.ts',
    find: `  if (isWorse && isCertain) {`,
    replace: `  if (isWorse && isCertain && isOver) {`,
    caughtBy: {
      file: 'src/core/rollout/canary.test.ts',
      test: 'it is rolled back for failures beyond those of the old revision, with the numbers',
    },
  },
  {
    name: 'old-ones-leave-for-a-canary',
    rule: 'a canary comes on top: nobody leaves for it',
    file: 'src/core/rollout/rollout.ts',
    find: `if (input.trial !== null && stale.length > 0) return tryOut`,
    replace: `if (input.trial !== null && stale.length < 0) return tryOut`,
    caughtBy: {
      file: 'src/core/rollout/rollout.test.ts',
      test: 'a canary comes on top and nobody leaves for it; promoted, it is one of the new ones',
    },
  },
  {
    name: 'canary-dies-unnoticed',
    rule: 'a canary that ends is rolled back at once',
    file: 'src/server/operations/trials.ts',
    find: `if (broken !== null) return { kind: 'fail', message: broken }`,
    replace: ``,
    caughtBy: { file: 'src/sim/canary.test.ts', test: 'a canary that ends is rolled back at once' },
  },
  {
    name: 'promotion-is-forgotten',
    rule: 'a trial survives the daemon: what was promoted stays so',
    file: 'src/server/operations/trials.ts',
    find: `{ ...this.#recordOf(name), isPromoted: true }`,
    replace: `this.#recordOf(name)`,
    caughtBy: { file: 'src/sim/canary.test.ts', test: 'a person may promote it before its time' },
  },
  {
    name: 'taken-port-is-ready',
    rule: 'an operation whose route cannot be served fails by the name of the port',
    file: 'src/server/operations/judge.ts',
    find: `this.#options.routing.troubleOf(view.wanted.service) : null`,
    replace: `null : null`,
    caughtBy: {
      file: histories,
      test: 'a route whose port a stranger has fails the operation by name, and the world before it is in force again',
    },
  },
  {
    name: 'post-over-an-idle-connection',
    rule: 'what cannot be sent again goes over a connection of its own (HAProxy)',
    file: 'src/adapters/haproxy/servers.ts',
    find: `,add(1),mul(`,
    replace: `,mul(0),mul(`,
    caughtBy: { file: 'src/adapters/haproxy/index.test.ts', test: idleConnections },
  },
  {
    name: 'post-over-an-idle-connection-embedded',
    rule: 'what cannot be sent again goes over a connection of its own (embedded)',
    file: 'src/adapters/embedded-balancer/requests/exchange.ts',
    find: `|| !this.#mayRepeat() ||`,
    replace: `||`,
    caughtBy: { file: 'src/adapters/embedded-balancer/index.test.ts', test: idleConnections },
  },
]
