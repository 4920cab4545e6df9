/** `daruma daemon …`, the commands about the daemon itself: a branch of the tree. */

import type { CommandSpec } from './command-spec.ts'

export const daemonCommands: CommandSpec = {
  name: 'daemon',
  summary: 'manage the daemon of this machine',
  detail: 'Commands start it when they need it. Instances keep running while it is down; it adopts them when it starts again.',
  examples: [{ command: 'daruma daemon status', meaning: 'whether it runs, and how' }],
  children: [
    {
      name: 'run',
      summary: 'run the daemon in the foreground until it is asked to stop',
      flags: [
        {
          syntax: '--take-over',
          summary: 'take over a copied or restored state directory; refused while the original exists',
        },
      ],
      examples: [{ command: 'daruma daemon run --state /var/lib/daruma', meaning: 'what systemd and the supervisor do' }],
      exits: [{ code: '78', meaning: 'refused: another daemon holds the state directory, or it is a copy; do not start again' }],
      load: async () => (await import('../commands/daemon.ts')).run,
    },
    {
      name: 'status',
      summary: 'show whether the daemon runs, and how; does not start it',
      examples: [{ command: 'daruma daemon status', meaning: 'pid, version, supervision' }],
      load: async () => (await import('../commands/daemon.ts')).status,
    },
    {
      name: 'stop',
      summary: 'stop the daemon; the instances keep running, unsupervised',
      examples: [{ command: 'daruma daemon stop', meaning: 'until the next command that needs it' }],
      load: async () => (await import('../commands/daemon.ts')).stop,
    },
    {
      name: 'restart',
      summary: 'restart the daemon as this version; the instances keep running',
      examples: [{ command: 'daruma daemon restart', meaning: 'after an upgrade of daruma' }],
      load: async () => (await import('../commands/daemon.ts')).restart,
    },
    {
      name: 'install',
      summary: 'run the daemon of this machine under systemd, starting at boot (root)',
      flags: [{ syntax: '--print', summary: 'print the unit instead of installing it' }],
      examples: [
        { command: 'sudo daruma daemon install', meaning: 'write, enable and start the unit' },
        { command: 'daruma daemon install --print', meaning: 'show the unit' },
      ],
      load: async () => (await import('../commands/daemon-unit.ts')).install,
    },
    {
      name: 'uninstall',
      summary: 'remove the unit; the instances keep running (root)',
      examples: [{ command: 'sudo daruma daemon uninstall', meaning: 'disable and remove the unit' }],
      load: async () => (await import('../commands/daemon-unit.ts')).uninstall,
    },
  ],
}
