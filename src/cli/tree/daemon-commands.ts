/** `daruma daemon …`, the commands about the daemon itself: a branch of the tree. */

import type { CommandSpec } from './command-spec.ts'

export const daemonCommands: CommandSpec = {
  name: 'daemon',
  summary: 'the daemon of this machine: run, install, look after',
  detail: 'It is started by itself when it is needed; instances run on while it is away, and it adopts them when it returns.',
  examples: [{ command: 'daruma daemon status', meaning: 'whether it runs, and how' }],
  children: [
    {
      name: 'run',
      summary: 'run the daemon here, in front, until it is asked to end',
      flags: [
        {
          syntax: '--take-over',
          summary: 'make a copied or restored state directory this one; refused while the original is there',
        },
      ],
      examples: [{ command: 'daruma daemon run --state /var/lib/daruma', meaning: 'what systemd and the supervisor do' }],
      exits: [{ code: '78', meaning: 'refused: another daemon holds the state directory, or it is a copy; do not start again' }],
      load: async () => (await import('../commands/daemon.ts')).run,
    },
    {
      name: 'status',
      summary: 'whether the daemon runs, and how; starts none',
      examples: [{ command: 'daruma daemon status', meaning: 'pid, version, supervision' }],
      load: async () => (await import('../commands/daemon.ts')).status,
    },
    {
      name: 'stop',
      summary: 'end the daemon; the instances run on, unwatched',
      examples: [{ command: 'daruma daemon stop', meaning: 'until the next command that needs it' }],
      load: async () => (await import('../commands/daemon.ts')).stop,
    },
    {
      name: 'restart',
      summary: 'end the daemon and start one of this version; the instances run on',
      examples: [{ command: 'daruma daemon restart', meaning: 'after an upgrade of daruma' }],
      load: async () => (await import('../commands/daemon.ts')).restart,
    },
    {
      name: 'install',
      summary: 'let systemd run the daemon of this machine, from boot on (root)',
      flags: [{ syntax: '--print', summary: 'print the unit instead of installing it' }],
      examples: [
        { command: 'sudo daruma daemon install', meaning: 'write, enable and start the unit' },
        { command: 'daruma daemon install --print', meaning: 'only look at the unit' },
      ],
      load: async () => (await import('../commands/daemon-unit.ts')).install,
    },
    {
      name: 'uninstall',
      summary: 'take the unit away again; the instances run on (root)',
      examples: [{ command: 'sudo daruma daemon uninstall', meaning: 'disable and remove the unit' }],
      load: async () => (await import('../commands/daemon-unit.ts')).uninstall,
    },
  ],
}
