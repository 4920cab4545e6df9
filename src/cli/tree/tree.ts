/**
 * The command tree as data: every command with its arguments, flags, examples and exit codes. The parser, the help, the shell
 * completion and `docs/reference/commands.md` are all made from it, so that they cannot contradict each other. What a command does
 * stands in `commands/` and is loaded only when it runs.
 */

import type { ArgumentSpec, CommandSpec, ExitSpec, FlagSpec } from './command-spec.ts'
import { daemonCommands } from './daemon-commands.ts'
import { jobCommands } from './job-commands.ts'
import { notifyCommands } from './notify-commands.ts'
import { projectCommands } from './project-commands.ts'

export const commonExits: readonly ExitSpec[] = [
  { code: '0', meaning: 'done, or nothing to do' },
  { code: '1', meaning: 'refused, failed, or rolled back; the reason is printed' },
]

const services: ArgumentSpec = {
  syntax: '[services...]',
  summary: 'services (default: all)',
  completes: 'service',
}
const diff: FlagSpec = {
  syntax: '--diff',
  summary: 'show the text of what changed in the folders that are sources, up to 400 lines',
}

/** Whose a name is, said in advance. */
const ownership: readonly FlagSpec[] = [
  {
    syntax: '--rename <project>',
    summary: 'this config is of PROJECT, which gets its name: slots, volumes and history stay, and what runs is not touched',
    completes: 'project',
  },
  { syntax: '--take-over', summary: 'the project of this name, applied from another folder, comes from this config from now on' },
  { syntax: '--new', summary: 'a project of its own, beside what this config was applied as before, or runs as elsewhere' },
]
const wait: FlagSpec = { syntax: '--wait', summary: 'wait for an operation that is under way instead of failing' }
const follow: FlagSpec = { syntax: '-f, --follow', summary: 'keep printing what comes, until Ctrl-C' }

export const commands: readonly CommandSpec[] = [
  {
    name: 'init',
    summary: 'write a commented daruma.config.ts from what is found here',
    detail: 'Looks at package.json scripts, a Procfile and a Compose file. An existing config is never overwritten.',
    flags: [{ syntax: '--print', summary: 'print the config instead of writing it' }],
    examples: [
      { command: 'daruma init', meaning: 'write daruma.config.ts' },
      { command: 'daruma init --print', meaning: 'show what it would write' },
    ],
    load: async () => (await import('../commands/init.ts')).init,
  },
  {
    name: 'import',
    summary: 'write a daruma.config.ts from a Compose file, and list what could not be carried over',
    detail:
      'Several files are laid over each other. Without one, compose.yaml (or docker-compose.yml) of this folder and its override are read. Nothing is started and nothing is moved.',
    arguments: [{ syntax: '[files...]', summary: 'compose.yaml, compose.prod.yaml' }],
    flags: [
      {
        syntax: '-o, --out <file>',
        summary: 'output file; - for stdout (default: daruma.config.ts beside the Compose file)',
        completes: 'file',
      },
      { syntax: '--force', summary: 'overwrite the file that is there' },
      { syntax: '--profile <profile>', summary: 'include the services of this profile; * for all', isList: true },
    ],
    examples: [
      { command: 'daruma import compose.yaml', meaning: 'write daruma.config.ts beside it' },
      {
        command: 'daruma import compose.yaml compose.prod.yaml -o -',
        meaning: 'show what two files together would give',
      },
      { command: 'daruma import --profile debug --force', meaning: 'once more, with the services of a profile' },
    ],
    load: async () => (await import('../commands/import.ts')).importCompose,
  },
  {
    name: 'doctor',
    summary: 'check this machine: what is missing, and which guarantee it can give',
    detail:
      'Asks the daemon when one runs, because it knows best; examines the machine itself otherwise. Exits 1 when something is bad.',
    examples: [{ command: 'daruma doctor', meaning: 'examine kernel, control groups, ports, disk and clock' }],
    load: async () => (await import('../commands/look/doctor.ts')).doctor,
  },
  {
    name: 'plan',
    summary: 'show what `up` would do, and why; changes nothing',
    flags: [
      diff,
      { syntax: '--out <file>', summary: 'save the plan, for `up --plan` (mode 0600; holds no secret)', completes: 'file' },
      { syntax: '--exit-code', summary: 'exit 2 when there are changes' },
      ...ownership,
    ],
    examples: [
      { command: 'daruma plan', meaning: 'show the changes' },
      { command: 'daruma plan --only web', meaning: 'show the changes of one service' },
      { command: 'daruma plan --out shop.plan && daruma up --plan shop.plan', meaning: 'apply exactly what was shown' },
      { command: 'daruma plan --exit-code --json', meaning: 'find drift in a script' },
    ],
    exits: [{ code: '2', meaning: 'with --exit-code: there are changes' }],
    load: async () => (await import('../commands/change/plan.ts')).plan,
  },
  {
    name: 'up',
    aliases: ['apply'],
    summary: 'apply the config: show the plan, ask, apply it, watch',
    detail:
      'The daemon applies; this command only watches, so that Ctrl-C or a broken connection changes nothing. A revision that does not become healthy in time is rolled back as a whole, and the command exits 1. A config that was applied under another name, or has the name of a project from another folder, is asked about first; a flag says it in scripts.',
    flags: [
      diff,
      { syntax: '--plan <file>', summary: 'apply this saved plan, only if the state has not changed since', completes: 'file' },
      { syntax: '--attach', summary: 'stay in the foreground and follow the logs; Ctrl-C stops all services' },
      ...ownership,
      wait,
    ],
    examples: [
      { command: 'daruma up', meaning: 'show the plan, ask, apply' },
      { command: 'daruma up -y', meaning: 'apply without asking, as a script does' },
      { command: 'daruma up -e prod --wait -y', meaning: 'apply stage prod, after the operation that is under way' },
      { command: 'daruma up --attach', meaning: 'develop: logs in the foreground, Ctrl-C stops everything' },
    ],
    exits: [{ code: '130', meaning: 'Ctrl-C: stopped watching; the daemon continues the apply' }],
    load: async () => (await import('../commands/change/up.ts')).up,
  },
  {
    name: 'dev',
    summary: 'develop: run in the foreground with logs, and apply again whenever a file changes',
    detail:
      'It works in a state of its own (/var/lib/daruma-dev/… for root), beside what `up` runs of the same config. A change of the config or of a source is applied like any other; a service that runs in place is restarted when files of its folder change. What .gitignore and .darumaignore leave out does not count. An error is shown, and what ran keeps running. Ctrl-C takes everything down; volumes stay. What a killed `dev` left running is adopted by the next.',
    examples: [
      { command: 'daruma dev', meaning: 'until Ctrl-C' },
      { command: 'daruma dev -e test', meaning: 'with the stage test' },
    ],
    exits: [{ code: '130', meaning: 'a second Ctrl-C: the daemon finishes what was started' }],
    load: async () => (await import('../commands/change/dev.ts')).dev,
  },
  {
    name: 'down',
    summary: 'end and remove every service; volumes and history stay',
    flags: [wait],
    examples: [
      { command: 'daruma down', meaning: 'show what ends, ask, end it' },
      { command: 'daruma down -y -p shop', meaning: 'without its config, without asking' },
    ],
    load: async () => (await import('../commands/change/down.ts')).down,
  },
  {
    name: 'status',
    aliases: ['ps'],
    summary: 'what runs, its health, and when that was last checked',
    detail:
      'A service that is named is shown in detail: command, last exits, routes, next run, last lines. --only keeps the table and shows fewer rows.',
    arguments: [{ syntax: '[services...]', summary: 'services to show in detail', completes: 'service' }],
    flags: [{ syntax: '-w, --watch', summary: 'refresh every second, until Ctrl-C' }],
    examples: [
      { command: 'daruma status', meaning: 'the table' },
      { command: 'daruma status web', meaning: 'one service in detail' },
      { command: 'until daruma status >/dev/null; do sleep 1; done', meaning: 'wait until all is well' },
      { command: 'daruma ps --watch', meaning: 'the table, live' },
      { command: "daruma status --json | jq '.instances[] | {slot, state, epoch}'", meaning: 'for a script' },
    ],
    exits: [
      { code: '2', meaning: 'something is in trouble: it crash-loops, is unhealthy or blocked, its last run failed' },
      { code: '3', meaning: 'nothing is in trouble, but not everything that is wanted is ready yet' },
    ],
    load: async () => (await import('../commands/look/status.ts')).status,
  },
  {
    name: 'ls',
    summary: 'every service of every project of this machine, one a line',
    examples: [
      { command: 'daruma ls', meaning: 'from any folder: all projects' },
      { command: 'daruma ls -p shop', meaning: 'the services of one' },
    ],
    load: async () => (await import('../commands/project.ts')).listServices,
  },
  {
    name: 'logs',
    summary: 'what the services print, in order of time',
    arguments: [{ syntax: '[targets...]', summary: 'services or slots (web, web/0; default: all)', completes: 'target' }],
    flags: [
      follow,
      { syntax: '-n, --lines <count>', summary: 'the last lines, of all together (100; all of them with --since)' },
      { syntax: '--since <time>', summary: 'from then on: 10m (ago), 14:05, 2026-11-22, 2026-11-22T03:00:00Z' },
      { syntax: '--until <time>', summary: 'up to then' },
      { syntax: '--hide-time', summary: 'without the time of each line' },
    ],
    examples: [
      { command: 'daruma logs', meaning: 'the last lines of everything' },
      { command: 'daruma logs --since 10m', meaning: 'all of the last ten minutes' },
      { command: 'daruma logs -f web worker', meaning: 'follow two services' },
      { command: 'daruma logs -n 1000 web/0', meaning: 'more of one slot' },
    ],
    load: async () => (await import('../commands/look/logs.ts')).logs,
  },
  {
    name: 'events',
    summary: 'what happened, in order, each with its cause',
    arguments: [{ syntax: '[targets...]', summary: 'only about these services or slots', completes: 'target' }],
    flags: [follow, { syntax: '-n, --lines <count>', summary: 'the last events (50)' }],
    examples: [
      { command: 'daruma events', meaning: 'the last 50' },
      { command: 'daruma events -f', meaning: 'and what comes' },
      { command: 'daruma events -n 200 worker', meaning: 'the events of one service' },
    ],
    load: async () => (await import('../commands/look/events.ts')).events,
  },
  {
    name: 'ui',
    summary: 'the page: services, events, plots and logs, in a browser on this machine',
    detail:
      'The daemon serves it on 127.0.0.1 to anyone with the link, until it has not been used for 15 minutes; it shows everything and changes nothing. A second `ui` prints the same link.',
    flags: [
      { syntax: '--open', summary: 'open it in the browser (xdg-open)' },
      { syntax: '--port <port>', summary: 'serve it on this port; moves it there if it is open on another' },
    ],
    examples: [
      { command: 'daruma ui', meaning: 'print the link' },
      { command: 'daruma ui --open', meaning: 'and open it' },
      { command: 'daruma ui -p shop', meaning: 'the link to one of several projects' },
      { command: 'daruma ui --port 9000', meaning: 'on a server, behind `ssh -L 9000:127.0.0.1:9000 server`' },
    ],
    load: async () => (await import('../commands/look/ui.ts')).ui,
  },
  {
    name: 'metrics',
    summary: 'what the daemon measures, as OpenMetrics',
    detail: 'The names are in docs/reference/metrics.md.',
    examples: [{ command: 'daruma metrics', meaning: 'print them once' }],
    load: async () => (await import('../commands/look/metrics.ts')).metrics,
  },
  {
    name: 'exec',
    summary: 'run a command inside an instance: its environment, its limits, its user',
    arguments: [
      { syntax: '<target>', summary: 'a service (its first running slot) or a slot', completes: 'target' },
      { syntax: '<command...>', summary: 'the command with its arguments, after --' },
    ],
    passesThrough: true,
    examples: [
      { command: 'daruma exec web -- sh', meaning: 'a shell in the first running slot of web' },
      { command: 'daruma exec web/1 -- node -p process.env.PORT', meaning: 'one command in one slot' },
    ],
    exits: [
      { code: 'other', meaning: "the command's own exit code; 128 + n when signal n ended it; 127 when it could not be started" },
    ],
    load: async () => (await import('../commands/exec.ts')).exec,
  },
  {
    name: 'restart',
    summary: 'replace the processes of services, by their update policy',
    arguments: [services],
    flags: [wait],
    examples: [
      { command: 'daruma restart web', meaning: 'one service, without a gap where it has replicas' },
      { command: 'daruma restart', meaning: 'everything (asks first)' },
    ],
    load: async () => (await import('../commands/change/operate.ts')).restart,
  },
  {
    name: 'stop',
    summary: 'stop services by hand; they stay stopped until `start` or `up`, also after a reboot',
    arguments: [services],
    flags: [wait],
    examples: [
      { command: 'daruma stop worker', meaning: 'stop one service' },
      { command: 'daruma stop', meaning: 'stop everything (asks first)' },
    ],
    load: async () => (await import('../commands/change/operate.ts')).stop,
  },
  {
    name: 'start',
    summary: 'start services that were stopped by hand',
    arguments: [services],
    flags: [wait],
    examples: [{ command: 'daruma start worker', meaning: 'start it again' }],
    load: async () => (await import('../commands/change/operate.ts')).start,
  },
  {
    name: 'scale',
    summary: 'change the number of replicas of a service, as a new revision',
    detail: 'The next `up` applies what the config says; change it there too to keep it.',
    arguments: [{ syntax: '<service=count>', summary: 'web=5', completes: 'service' }],
    flags: [wait],
    examples: [{ command: 'daruma scale web=5', meaning: 'five replicas of web' }],
    load: async () => (await import('../commands/change/operate.ts')).scale,
  },
  {
    name: 'promote',
    summary: 'give a canary all of the requests, without waiting for the rest of its time',
    detail: 'The `up` that started it continues and ends as usual. Without a name: every canary that is in use.',
    arguments: [services],
    examples: [{ command: 'daruma promote web', meaning: 'the new revision of web is good enough' }],
    load: async () => (await import('../commands/change/promote.ts')).promote,
  },
  {
    name: 'rollback',
    summary: 'return to an older revision, as a new one',
    detail: 'Jobs are not run again.',
    arguments: [
      { syntax: '[revision]', summary: 'its number, from `daruma history`; otherwise the last before this one that was healthy' },
    ],
    flags: [wait],
    examples: [
      { command: 'daruma rollback', meaning: 'back to the last revision that was good: it is named in the plan' },
      { command: 'daruma rollback 3', meaning: 'show what would change, ask, apply revision 3 again' },
    ],
    load: async () => (await import('../commands/change/rollback.ts')).rollback,
  },
  {
    name: 'history',
    summary: 'the revisions: when, by whom, why, and their outcome',
    arguments: [{ syntax: '[revision]', summary: 'show the plan of this one' }],
    flags: [{ syntax: '-n, --lines <count>', summary: 'the newest revisions (20)' }],
    examples: [
      { command: 'daruma history', meaning: 'the newest 20' },
      { command: 'daruma history 3', meaning: 'what revision 3 changed' },
    ],
    load: async () => (await import('../commands/look/history.ts')).history,
  },
  jobCommands,
  notifyCommands,
  projectCommands,
  daemonCommands,
  {
    name: 'completion',
    summary: 'print the completion script of a shell',
    arguments: [{ syntax: '<shell>', summary: 'bash, zsh or fish', completes: 'shell' }],
    examples: [
      { command: 'source <(daruma completion bash)', meaning: 'for this bash; in ~/.bashrc for all' },
      { command: 'daruma completion zsh > "${fpath[1]}/_daruma"', meaning: 'zsh' },
      { command: 'daruma completion fish > ~/.config/fish/completions/daruma.fish', meaning: 'fish' },
    ],
    load: async () => (await import('../commands/completion.ts')).completionOf(commands),
  },
  {
    name: 'version',
    summary: 'print the versions of daruma and of the Node that runs it',
    examples: [{ command: 'daruma version', meaning: 'also: daruma --version' }],
    load: async () => (await import('../commands/version.ts')).version,
  },
  {
    name: '__complete',
    summary: 'names for the completion scripts',
    isHidden: true,
    arguments: [{ syntax: '<what>', summary: 'services, targets or projects' }],
    examples: [],
    load: async () => (await import('../commands/completion.ts')).completeNames,
  },
]
