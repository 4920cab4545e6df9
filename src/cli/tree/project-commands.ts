/** `daruma project …`, the commands about projects as such: a branch of the tree. */

import type { CommandSpec } from './command-spec.ts'

export const projectCommands: CommandSpec = {
  name: 'project',
  summary: 'the projects of this machine: list them, remove one',
  examples: [{ command: 'daruma project ls', meaning: 'all of them' }],
  children: [
    {
      name: 'ls',
      summary: 'the projects: revision, what is ready, the config each came from, by whom and when',
      detail: 'Volumes that removed projects have left are listed below the table.',
      examples: [
        { command: 'daruma project ls', meaning: 'the table' },
        { command: "daruma project ls --json | jq -r '.[].id'", meaning: 'for a script' },
      ],
      load: async () => (await import('../commands/project.ts')).list,
    },
    {
      name: 'rm',
      summary: 'remove a project that is down: history, events, logs, secrets, releases',
      detail:
        'Volumes are kept unless they are named by --volume, and the next project of that name finds them again. With --volume a project that was removed before can lose the volumes that it has left.',
      arguments: [{ syntax: '<name>', summary: 'shop, or shop_staging with a stage', completes: 'project' }],
      flags: [
        { syntax: '--volume <volume>', summary: 'remove this volume too, with all that is in it; may be repeated', isList: true },
      ],
      examples: [
        { command: 'daruma project rm shop', meaning: 'show what goes and what stays, ask, remove it' },
        { command: 'daruma project rm shop -y --volume data', meaning: 'with its volume data, without asking' },
      ],
      load: async () => (await import('../commands/project.ts')).remove,
    },
  ],
}
