/** `daruma notify …`, the commands about what the config's `notify` tells: a branch of the tree. */

import type { CommandSpec } from './command-spec.ts'

export const notifyCommands: CommandSpec = {
  name: 'notify',
  summary: 'whom `notify` tells, what is in trouble now, and a test notice',
  examples: [{ command: 'daruma notify test', meaning: 'is it set up right?' }],
  children: [
    {
      name: 'ls',
      summary: 'the targets of `notify` with what was taken last, and what is in trouble now',
      examples: [{ command: 'daruma notify ls', meaning: 'both tables' }],
      load: async () => (await import('../commands/notify.ts')).list,
    },
    {
      name: 'test',
      summary: 'send a test notice to every target, now and once, and print what each answers',
      detail: 'By the `notify` of the revision that applies. Exits 1 when one of them does not take it.',
      examples: [
        { command: 'daruma notify test', meaning: 'after `daruma up`' },
        { command: "daruma notify test --json | jq '.answers[] | select(.isTaken | not)'", meaning: 'for a script' },
      ],
      load: async () => (await import('../commands/notify.ts')).test,
    },
  ],
}
