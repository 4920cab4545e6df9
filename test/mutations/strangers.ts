/** What strangers can do: to the balancer's memory and privileges, through text that leaves the daemon, and by probes and ports that run away. */

import type { Mutation } from './mutation.ts'

const balancer = 'src/adapters/embedded-balancer'
const bounds = `${balancer}/bounds.test.ts`
const privileges = `${balancer}/privileges.test.ts`
const commands = 'src/adapters/node/command.test.ts'
const ports = { file: 'src/agent/port-allotment.ts', tests: 'src/agent/port-allotment.test.ts' } as const
const saysSecret = {
  file: 'test/secrets.test.ts',
  test: 'an exec probe says it is redacted in events, progress, failure, status, logs and what the command prints',
} as const

export const strangerMutations: readonly Mutation[] = [
  {
    name: 'head-is-not-measured',
    rule: 'each byte of a head counts, from the first on',
    file: `${balancer}/clients/intake.ts`,
    find: `this.#headBytes > this.#client.traffic.limits.headerBytes + requestLineBytes`,
    replace: `this.#headBytes < 0`,
    caughtBy: { file: bounds, test: 'counts each byte of a head and each header, whatever they are' },
  },
  {
    name: 'pipelined-requests-are-parsed',
    rule: 'while a request is under way, nothing behind it is parsed',
    file: `${balancer}/clients/intake.ts`,
    find: `: !this.#client.isBusy\n`,
    replace: `: true\n`,
    caughtBy: {
      file: bounds,
      test: 'are all answered, however many come in one piece behind a slow one: each is parsed when its turn has come',
    },
  },
  {
    name: 'heads-are-not-in-the-budget',
    rule: 'the memory that strangers hold is bounded over all connections',
    file: `${balancer}/clients/memory-budget.ts`,
    find: `    while (this.#heldBytes > this.#limitBytes) {`,
    replace: `    while (this.#heldBytes > Number.MAX_SAFE_INTEGER) {`,
    caughtBy: {
      file: bounds,
      test: 'is the budget’s: whoever stalled first goes first, and what can be done without is not held',
    },
  },
  {
    name: 'unfinished-heads-hold-nothing',
    rule: 'the memory that strangers hold is bounded over all connections',
    file: `${balancer}/clients/intake.ts`,
    find: `    this.#memory.hold(bytes.length, this)\n`,
    replace: `    this.#memory.tryHold(bytes.length)\n`,
    caughtBy: {
      file: bounds,
      test: 'is bounded over all connections: heads that never end make room for whoever sends a whole one',
    },
  },
  {
    name: 'worker-keeps-root',
    rule: 'what reads strangers’ bytes has no privileges',
    file: `${balancer}/worker.ts`,
    find: `  becomeUnprivileged(unprivilegedId())\n`,
    replace: ``,
    caughtBy: {
      file: privileges,
      test: 'stay behind with its parent: the worker is a user without a name, without capabilities, groups and a way back',
    },
  },
  {
    name: 'worker-keeps-its-groups',
    rule: 'what reads strangers’ bytes has no privileges: its groups neither',
    file: `${balancer}/unprivileged-user.ts`,
    find: `  process.setgroups?.([])\n`,
    replace: ``,
    caughtBy: {
      file: privileges,
      test: 'stay behind with its parent: the worker is a user without a name, without capabilities, groups and a way back',
    },
  },
  {
    name: 'parent-opens-any-port',
    rule: 'the privileges serve what the table says, whatever the worker asks for',
    file: `${balancer}/parent.ts`,
    find: `    if (!isAllowed) return`,
    replace: `    if (!isAllowed && port < 0) return`,
    caughtBy: { file: privileges, test: 'are used for what the table says, whatever a worker asks for' },
  },
  {
    name: 'events-tell-secrets',
    rule: 'no text leaves the daemon past the one place that hides secrets: events',
    file: 'src/server/event-log.ts',
    find: `cause: cause === null ? null : this.#redact(cause),`,
    replace: `cause: cause as never,`,
    caughtBy: saysSecret,
    isSlow: true,
  },
  {
    name: 'failures-tell-secrets',
    rule: 'no text leaves the daemon past the one place that hides secrets: failures',
    file: 'src/server/operations/failure-report.ts',
    find: `message: redact(what.message),`,
    replace: `message: what.message as never,`,
    caughtBy: saysSecret,
    isSlow: true,
  },
  {
    name: 'cut-secrets-are-told',
    rule: 'the beginning of a secret is hidden where a text was cut within it',
    file: 'src/server/secrets.ts',
    find: `redacted = hideCut(redacted, spelling)`,
    replace: `redacted = hideCut(redacted, '')`,
    caughtBy: { file: 'src/server/secrets.test.ts', test: 'the beginning of a value is hidden where a text was cut within it' },
  },
  {
    name: 'quoted-secrets-are-told',
    rule: 'a secret is hidden where it was quoted',
    file: 'src/server/secrets.ts',
    find: `[value, JSON.stringify(value).slice(1, -1), `,
    replace: `[value, `,
    caughtBy: { file: 'src/server/secrets.test.ts', test: 'a value is hidden where it was quoted as JSON' },
  },
  {
    name: 'probe-begins-beside-the-one-before',
    rule: 'a probe that cannot be ended has failed, and is not begun a second time beside itself',
    file: 'src/adapters/node/command.ts',
    find: `      if (pid !== undefined)\n`,
    replace: `      if (pid === 0)\n`,
    caughtBy: {
      file: commands,
      test: 'that cannot be killed has failed in time, ends nothing else, and is not begun a second time beside itself',
    },
  },
  {
    name: 'probe-leaves-its-children',
    rule: 'a probe ends at its time-out with all that it started',
    file: 'src/adapters/node/command.ts',
    find: `killQuietly(-child.pid)`,
    replace: `killQuietly(child.pid)`,
    caughtBy: { file: commands, test: 'ends at its time-out with all that it started' },
  },
  {
    name: 'probe-in-a-container-stays',
    rule: 'a probe ends at its time-out, also where an engine runs it',
    file: 'src/adapters/node/command.ts',
    find: `  if (marker !== undefined) {`,
    replace: `  if (marker === '') {`,
    caughtBy: { file: commands, test: 'whose work is nobody’s child is ended by its marker' },
  },
  {
    name: 'ports-of-what-is-gone-stay-taken',
    rule: 'the port of a slot that is forgotten is given out again',
    file: ports.file,
    find: `    if (present !== undefined) this.#count(present, -1)\n`,
    replace: ``,
    caughtBy: {
      file: ports.tests,
      test: 'of a slot that is forgotten are given out again: the range does not run out by what was there once',
    },
  },
  {
    name: 'port-is-given-twice',
    rule: 'no two slots have one automatic port',
    file: ports.file,
    find: `      if (this.#holders.has(port)) continue\n`,
    replace: ``,
    caughtBy: { file: ports.tests, test: 'are none that a slot has by its config, until the last of those has let go' },
  },
]
