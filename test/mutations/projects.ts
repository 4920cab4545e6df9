/** What a project leaves when it goes or gets another name, and what the next one of its place may believe. */

import type { Mutation } from './mutation.ts'

const tests = 'src/daemon/projects.test.ts'

export const projectMutations: readonly Mutation[] = [
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
    find: `if (record.removal !== undefined) await this.#goOnRemoving(record)`,
    replace: `if (record.place === '') await this.#goOnRemoving(record)`,
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
