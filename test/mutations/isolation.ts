/** Several projects in one daemon: none sees anything of another, and none keeps another waiting. */

import type { Mutation } from './mutation.ts'

const histories = {
  file: 'src/sim/histories/two-projects.test.ts',
  test: 'two projects of one machine, whatever befalls either or both: never twice, always back up, and nothing of one in the other',
} as const
const turns = 'src/system/start-turns.test.ts'

export const isolationMutations: readonly Mutation[] = [
  {
    name: 'projects-share-their-records',
    rule: 'of the one database each project has a part of its own',
    file: 'src/server/records.ts',
    find: 'export const projectPrefix = (place: ProjectId): string => `projects/${place}/`',
    replace: "export const projectPrefix = (_place: ProjectId): string => 'projects/'",
    caughtBy: histories,
    isSlow: true,
  },
  {
    name: 'starts-without-turns',
    rule: 'a project with 5,000 starts that wait delays the first of another by one place',
    file: 'src/system/start-turns.ts',
    find: '      this.#queues.delete(of)\n      if (!queue.isEmpty) this.#queues.set(of, queue)',
    replace: '      if (queue.isEmpty) this.#queues.delete(of)',
    caughtBy: { file: turns, test: 'projects take turns, however many starts of one of them wait' },
  },
  {
    name: 'retries-are-not-last',
    rule: 'what has failed repeatedly waits for what has not',
    file: 'src/system/start-turns.ts',
    find: 'const queue = isRetry ? this.#retries : this.#first',
    replace: 'const queue = this.#first',
    caughtBy: {
      file: turns,
      test: 'what has failed before waits for what has not, is tried one at a time, and rests for as long as a try took',
    },
  },
]
