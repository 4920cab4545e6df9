/** `daruma job …`, the commands about schedules, jobs and their runs: a branch of the tree. */

import type { ArgumentSpec, CommandSpec, FlagSpec } from './command-spec.ts'

const job: ArgumentSpec = { syntax: '<name>', summary: 'a schedule or a job', completes: 'service' }
const follow: FlagSpec = { syntax: '-f, --follow', summary: 'follow the output of the run until it ends' }

export const jobCommands: CommandSpec = {
  name: 'job',
  summary: 'schedules and jobs: when they run next, how they ran, what they printed',
  examples: [{ command: 'daruma job ls', meaning: 'all of them' }],
  children: [
    {
      name: 'ls',
      summary: 'the schedules and jobs: next tick, what runs, how the last run ended',
      examples: [
        { command: 'daruma job ls', meaning: 'the table' },
        { command: "daruma job ls --json | jq '.[] | {service, nextAt}'", meaning: 'for a script' },
      ],
      load: async () => (await import('../commands/job.ts')).list,
    },
    {
      name: 'run',
      summary: 'run a schedule now, outside its timetable; prints the slot of the run',
      detail: 'A run by hand obeys `overlap` like any other. Ctrl-C stops watching, not the run.',
      arguments: [job],
      flags: [{ syntax: '--wait', summary: "wait for its end, and exit with the run's own exit code" }, follow],
      examples: [
        { command: 'daruma job run report', meaning: 'start it and return' },
        { command: 'daruma job run report --follow', meaning: 'start it, see what it prints, and how it ends' },
      ],
      exits: [
        {
          code: 'other',
          meaning: "with --wait or --follow: the run's own exit code; 128 + n when signal n ended it; 1 when it has none",
        },
      ],
      load: async () => (await import('../commands/job.ts')).run,
    },
    {
      name: 'runs',
      summary: 'the runs that are kept, newest first, and the ticks that started none',
      arguments: [job],
      flags: [{ syntax: '-n, --lines <count>', summary: 'the newest runs (20)' }],
      examples: [{ command: 'daruma job runs report', meaning: 'when each began, how long it took, how it ended' }],
      load: async () => (await import('../commands/job.ts')).runs,
    },
    {
      name: 'logs',
      summary: 'what a run printed: the newest, or the one of a tick',
      arguments: [job, { syntax: '[tick]', summary: 'as `daruma job runs` names it: 2026-11-22T03:00:00Z' }],
      flags: [follow, { syntax: '-n, --lines <count>', summary: 'the last lines (1000)' }],
      examples: [
        { command: 'daruma job logs report', meaning: 'of the run that is under way, or else of the last one' },
        { command: 'daruma job logs report 2026-11-22T03:00:00Z', meaning: 'of that tick' },
      ],
      load: async () => (await import('../commands/job.ts')).logs,
    },
  ],
}
