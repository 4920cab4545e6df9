/** Notices: each trouble told once, none lost, and whatever comes twice under one id. */

import type { Mutation } from './mutation.ts'

const rules = 'src/core/notices/trouble.test.ts'
const server = 'src/server/notices/notices.test.ts'

export const noticeMutations: readonly Mutation[] = [
  {
    name: 'notice-is-sent-unwritten',
    rule: 'a notice is a record before it is sent, so that the next daemon sends it under the same id',
    file: 'src/server/notices/delivery.ts',
    find: `    this.#record = record
    this.#isSaved = await this.#tools.save(record)`,
    replace: `    this.#record = record
    if (record.pending === null) this.#isSaved = await this.#tools.save(record)`,
    caughtBy: {
      file: server,
      test: 'a daemon that dies between the far end and its own record tells it again, with the same id',
    },
  },
  {
    name: 'notice-is-made-anew-each-time',
    rule: 'what is not taken is sent again as it was',
    file: 'src/server/notices/delivery.ts',
    find: `if (this.#record.pending === null) await`,
    replace: `await`,
    caughtBy: {
      file: server,
      test: 'a notice that is not taken is sent again with the same id, and what comes meanwhile is in the next one',
    },
  },
  {
    name: 'notice-refused-counts-as-taken',
    rule: 'a notice is told until it is taken',
    file: 'src/server/notices/delivery.ts',
    find: `if (!answer.isTaken) return`,
    replace: `if (!answer.isTaken && this.#record.attempts < 0) return`,
    caughtBy: {
      file: server,
      test: 'a notice that is not taken is sent again with the same id, and what comes meanwhile is in the next one',
    },
  },
  {
    name: 'trouble-begins-with-each-daemon',
    rule: 'a trouble is told once, whatever daemon sees it',
    file: 'src/core/notices/trouble.ts',
    find: `for (const trouble of known) this.#all.set(trouble.key, trouble)`,
    replace: `for (const trouble of known.slice(0, 0)) this.#all.set(trouble.key, trouble)`,
    caughtBy: {
      file: server,
      test: 'a new daemon tells nothing a second time, neither while it lasts nor of an end that has not come',
    },
  },
  {
    name: 'trouble-over-at-the-first-good-moment',
    rule: 'a trouble is over when all has been well for a while, by the same instances',
    file: 'src/core/notices/trouble.ts',
    find: `before?.mark === mark ? before.sinceMs : nowMs`,
    replace: `before?.sinceMs ?? nowMs`,
    caughtBy: {
      file: rules,
      test: 'another instance that is well, and any doubt, begin the wait anew: a restart between two looks is no recovery',
    },
  },
  {
    name: 'trouble-forgotten-before-it-is-told',
    rule: 'the end of a trouble is kept until all were told of it',
    file: 'src/server/notices/delivery.ts',
    find: `return lastOf(trouble) <= this.#record.toldUpTo ||`,
    replace: `return true ||`,
    caughtBy: { file: server, test: 'a crash loop is told once, however long it lasts, and once that it is over' },
  },
]
