/** Changes that nobody notices: who leaves finishes first, and who comes counts when the balancer serves it. */

import type { Mutation } from './mutation.ts'

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
]
