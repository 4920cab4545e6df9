/** What a project leaves when it goes or gets another name, and what the next one of its place may believe. */

import type { Mutation } from './mutation.ts'

const tests = 'src/daemon/projects.test.ts'

export const projectMutations: readonly Mutation[] = [
  {
    name: 'kept-volumes-of-a-living-project',
    rule: "what a removed project has left is nobody else's: a project that has taken up its place is not removed by the old name",
    file: 'src/daemon/removal.ts',
    find: '.filter(({ place }) => !isTaken(place))',
    replace: '.filter(({ place }) => place !== undefined || isTaken(place))',
    caughtBy: {
      file: 'src/daemon/projects.test.ts',
      test: 'volumes that a project has taken up again are no longer what a removed one has left, whatever it is called since',
    },
  },
  {
    name: 'found-project-is-let-go-before-its-ends',
    rule: 'a project that is found on disk alone is kept while anything in it may be begun again',
    file: 'src/daemon/project.ts',
    find: ' && this.#agent.isEmpty()',
    replace: '',
    caughtBy: {
      file: 'src/daemon/daemon.test.ts',
      test: 'without its damaged database a daemon starts again what a reboot has cut off, keeps it up, and changes nothing',
    },
  },
  {
    name: 'found-projects-are-not-opened',
    rule: 'what runs is shown and never started beside itself, also where the database has never heard of its project',
    file: 'src/daemon/projects.ts',
    find: `[...known, ...namedByOrigins(found, known, written)]`,
    replace: `[...known, ...namedByOrigins([], known, written)]`,
    caughtBy: {
      file: tests,
      test: 'projects that are found on disk and in no record run on, are shown, and are applied to again without a second start',
    },
  },
  {
    name: 'renamed-config-begins-a-second-copy',
    rule: 'a config that was applied under another name begins nothing before somebody has said what is meant',
    file: 'src/core/plan/ownership.ts',
    find: `return from.length === 0 ? { kind: 'new' }`,
    replace: `return from.length >= 0 ? { kind: 'new' }`,
    caughtBy: {
      file: 'src/core/plan/ownership.test.ts',
      test: 'a config that was applied under another name is no new project',
    },
  },
  {
    name: 'silent-daemon-counts-as-none',
    rule: 'a daemon that does not answer may run this config: no second copy is begun beside it before somebody has said so',
    file: 'src/cli/daemon/other-states.ts',
    find: `return error.code === 'E_DAEMON_SILENT' ? 'silent' : 'nobody'`,
    replace: `return 'nobody'`,
    caughtBy: {
      file: 'src/cli/daemon/other-states.test.ts',
      test: 'a second copy is not begun beside a daemon that takes its time to say that it runs this config, nor beside a silent one',
    },
  },
  {
    name: 'name-is-taken-from-another-folder',
    rule: 'a config of the same name from another folder removes nothing before somebody has said what is meant',
    file: 'src/core/plan/ownership.ts',
    find: `named.file === config.file || !named.holds`,
    replace: `named.file !== '' || !named.holds`,
    caughtBy: {
      file: 'src/core/plan/ownership.test.ts',
      test: 'a name that comes from another folder is not simply taken',
    },
  },
  {
    name: 'removed-project-forgets-its-claims',
    rule: 'an epoch is given out once, also by a project that was removed and is applied again',
    file: 'src/daemon/removal.ts',
    find: `key !== prefix + keys.claims`,
    replace: `key !== prefix`,
    caughtBy: {
      file: tests,
      test: 'a project that was removed and is applied again begins at revision 1 and gives out no epoch again',
    },
  },
  {
    name: 'removal-is-not-gone-on-with',
    rule: 'a removal that was begun is ended, whatever dies over it',
    file: 'src/daemon/projects.ts',
    find: `    this.#leaving.begin()\n`,
    replace: ``,
    caughtBy: {
      file: tests,
      test: 'daemons that die over a removal leave the project whole or gone, and nothing of it in between',
    },
  },
  {
    name: 'kept-volumes-are-anybodys',
    rule: 'the volumes of one project are never found by another',
    file: 'src/daemon/removal.ts',
    find: `if (!isTaken(place) && !places.has(place)) return place`,
    replace: `if (!isTaken(place)) return place`,
    caughtBy: {
      file: tests,
      test: 'volumes that a removed project has left are found by the next one of its name, and by no other',
    },
  },
  {
    name: 'running-project-is-removed',
    rule: 'only what is down is removed',
    file: 'src/daemon/projects.ts',
    find: `  if (project.isEmpty()) return
  throw new DarumaError('E_PROJECT_RUNNING'`,
    replace: `  if (project !== null) return
  throw new DarumaError('E_PROJECT_RUNNING'`,
    caughtBy: { file: tests, test: 'a project in which something runs is not removed' },
  },
]
