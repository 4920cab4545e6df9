/** Changes that nobody notices: who leaves finishes first, and who comes counts when the balancer serves it. */

import type { Mutation } from './mutation.ts'

const histories = 'src/sim/traffic.test.ts'
const rollingUpdate = 'a rolling update, whatever dies or answers late, always leaves somebody who serves and cuts nobody'
const newDaemon = 'a new daemon takes nobody out of use before it has probed, and adopts the balancer as it is'
const endings = 'src/core/instance/ending.test.ts'

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
    file: 'src/daemon/world.ts',
    find: `isProven && (!hasRoutes || this.traffic?.isServing(shell.id, occupancy.epoch) === true)`,
    replace: `isProven`,
    caughtBy: { file: histories, test: rollingUpdate },
  },
  {
    name: 'table-before-adoption',
    rule: 'a new daemon takes nobody out of use before it knows what runs',
    file: 'src/daemon/traffic.ts',
    find: `if (!this.#hasBegun || this.#isLooking`,
    replace: `if (this.#isLooking`,
    caughtBy: { file: histories, test: newDaemon },
  },
  {
    name: 'unproven-is-unready',
    rule: 'a new daemon takes nobody out of use before it has probed',
    file: 'src/daemon/carriers.ts',
    find: `at.health.isReady || isPresumed(shell, record) ? 'active'`,
    replace: `at.health.isReady ? 'active'`,
    caughtBy: { file: histories, test: newDaemon },
  },
  {
    name: 'drained-by-an-older-table',
    rule: 'only what the balancer counts after it has been told of the drain means anything',
    file: 'src/daemon/traffic.ts',
    find: `    if (!isInForce || this.#mustRetry()) await this.#apply(balancer, table, text, at.epoch)
    await this.#watchDrains(balancer)
`,
    replace: `    for (const { shell, epoch } of drainingShells(this.#world)) shell.dispatch({ kind: 'under-way', epoch, requests: 0 })
    if (!isInForce || this.#mustRetry()) await this.#apply(balancer, table, text, at.epoch)
`,
    caughtBy: { file: histories, test: rollingUpdate },
  },
]
