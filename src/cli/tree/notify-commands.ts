/** `daruma notify …`, the commands about what the config's `notify` tells: a branch of the tree. */

import type { CommandSpec } from './command-spec.ts'

export const notifyCommands: CommandSpec = {
  name: 'notify',
  summary: 'the targets of `notify`, what is in trouble now, and a test notice',
  examples: [{ command: 'daruma notify test', meaning: 'is it set up right?' }],
  children: [
    {
      name: 'ls',
      summary: 'the targets of `notify` with their last delivery, and what is in trouble now',
      examples: [{ command: 'daruma notify ls', meaning: 'both tables' }],
      load: async () => (await import('../commands/notify.ts')).list,
    },
    {
      name: 'test',
      summary: 'send a test notice to every target, now and once, and print what each answers',
      detail: 'Uses the `notify` of the active revision. Exits 1 when a target does not accept it.',
      examples: [
        { command: 'daruma notify test', meaning: 'after `daruma up`' },
        { command: "daruma notify test --json | jq '.answers[] | select(.isTaken | not)'", meaning: 'for a script' },
      ],
      load: async () => (await import('../commands/notify.ts')).test,
    },
  ],
}
