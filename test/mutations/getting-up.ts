/** Whatever falls gets up again: soon, not in a frenzy, visibly; and the companions, the logs and the full disk around it. */

import type { Mutation } from './mutation.ts'

const steps = 'src/core/instance/step.test.ts'
const companions = 'src/adapters/supervision/index.test.ts'
const fullDisk = 'src/adapters/process/surroundings.test.ts'

export const gettingUpMutations: readonly Mutation[] = [
  {
    name: 'first-restart-waits',
    rule: 'the first failure after a proven life is repaired at once',
    file: 'src/core/instance/backoff.ts',
    find: `failuresInARow > 1`,
    replace: `failuresInARow > 0`,
    caughtBy: { file: steps, test: 'a killed instance is started again in the same step, with a larger epoch' },
  },
  {
    name: 'no-back-off',
    rule: 'failures in quick succession wait, twice as long each time',
    file: 'src/core/instance/backoff.ts',
    find: `if (!isRetry(failuresInARow) ||`,
    replace: `if (failuresInARow > 0 ||`,
    caughtBy: {
      file: steps,
      test: 'quick failures wait twice as long each time, and past the budget the slot says crash-looping',
    },
  },
  {
    name: 'crash-loop-is-not-said',
    rule: 'a crash loop is visible as such',
    file: 'src/core/instance/step.ts',
    find: `failuresInARow > restart.budget && slot`,
    replace: `failuresInARow < 0 && slot`,
    caughtBy: {
      file: steps,
      test: 'quick failures wait twice as long each time, and past the budget the slot says crash-looping',
    },
  },
  {
    name: 'failures-are-never-forgiven',
    rule: 'an instance that has lived long enough has proven itself',
    file: 'src/core/instance/backoff.ts',
    find: `livedMs >= policy.resetAfterMs ? 1 : before + 1`,
    replace: `before + 1`,
    caughtBy: { file: steps, test: 'a life longer than resetAfter forgives the failures before it' },
  },
  {
    name: 'slow-starters-are-killed',
    rule: 'liveness counts only after start-up',
    file: 'src/core/instance/health.ts',
    find: `notAlive = wasUp && failuresInARow`,
    replace: `notAlive = failuresInARow`,
    caughtBy: {
      file: 'src/core/instance/health.test.ts',
      test: 'a liveness probe that stands alone counts failures only after its first success',
    },
  },
  {
    name: 'blocked-slot-gives-up',
    rule: 'a slot that is blocked tries again by itself',
    file: 'src/core/instance/step.ts',
    find: `obstacle: refusal, notBeforeMs: at.nowMs + obstacleRetryMs }`,
    replace: `obstacle: refusal, notBeforeMs: Number.MAX_SAFE_INTEGER }`,
    caughtBy: { file: steps, test: 'an occupied slot is blocked, names who holds it, and tries again' },
  },
  {
    name: 'full-disk-is-ignored',
    rule: 'on a full disk nothing new is started',
    file: 'src/server/rollout/reconciler.ts',
    find: `await this.#commit(changes)
`,
    replace: `await this.#commit(changes).catch(() => {})
`,
    caughtBy: {
      file: 'src/server/rollout/reconciler.test.ts',
      test: 'what cannot be written down is not started, and is when there is space again',
    },
  },
  {
    name: 'full-disk-leaves-half-a-start',
    rule: 'a start that the full disk refused leaves nothing half-made',
    file: 'src/adapters/process/index.ts',
    find: `        runAll(undo)\n        return explainStartFailure`,
    replace: `        return explainStartFailure`,
    caughtBy: {
      file: fullDisk,
      test: 'on a full disk nothing new is begun and nothing half-made is left; with space it works again',
    },
  },
  {
    name: 'full-disk-keeps-down-what-fell',
    rule: 'a start makes no file that it could have had before, so that a full disk keeps nothing down',
    file: 'src/host/spare-epoch.ts',
    find: `    if (!isFull || !reuse()) throw error`,
    replace: `    if (isFull) throw error`,
    caughtBy: { file: fullDisk, test: 'on a full disk everything that falls gets up again, again and again' },
  },
  {
    name: 'exit-code-needs-space',
    rule: 'a full disk loses no exit code: the keeper’s files have their space from the start',
    file: 'src/host/slot-files.ts',
    find: `const reserved = ' '.repeat(reservedBytes)`,
    replace: `const reserved = ''`,
    caughtBy: { file: fullDisk, test: 'an exit code is recorded on a full disk, and read by the next daemon' },
  },
  {
    name: 'log-begins-a-segment-without-room',
    rule: 'a log never passes its bound',
    file: 'src/host/logs/segment-writer.ts',
    find: `while (kept + this.#segmentBytes > this.#boundBytes`,
    replace: `while (kept > this.#boundBytes`,
    caughtBy: {
      file: 'src/host/logs/read-log.test.ts',
      test: 'the bound holds after every write, times included, and what is kept is the newest',
    },
  },
  {
    name: 'log-is-not-bounded',
    rule: 'logs are bounded, also while no daemon runs',
    file: 'src/host/logs/segment-writer.ts',
    find: `    for (const path of [oldest.path, timesPath(oldest.path)]) rmSync(path, { force: true })`,
    replace: ``,
    caughtBy: {
      file: 'src/host/log-collector.test.ts',
      test: 'a program that writes as fast as it can never passes its bound',
    },
    isSlow: true,
  },
  {
    name: 'keeper-saves-nothing',
    rule: 'what an instance wrote before its end is kept, also when daemon, supervisor and collector are all dead',
    file: 'src/host/keeper.sh',
    find: `    daruma_save_output\n`,
    replace: `    :\n`,
    caughtBy: { file: 'test/getting-up.test.ts', test: 'an exit code and log lines written while no daemon ran are not lost' },
    isSlow: true,
  },
  {
    name: 'last-words-are-lost',
    rule: 'what an instance wrote before its end is kept until somebody has read it',
    file: 'src/adapters/process/outputs.ts',
    find: `    if (libc().unreadBytes(hold.pipe) > 0) return
`,
    replace: ``,
    caughtBy: {
      file: 'src/adapters/process/never-twice.test.ts',
      test: 'a slot whose log somebody has removed starts nevertheless, and has one again',
    },
  },
  {
    name: 'daemon-forgets-its-companions',
    rule: 'the daemon gets a dead collector up',
    file: 'src/adapters/supervision/index.ts',
    find: `for (const companion of wanted) if`,
    replace: `for (const companion of wanted.slice(2)) if`,
    caughtBy: { file: companions, test: 'collector killed at once: all three are there again, one of each' },
    isSlow: true,
  },
  {
    name: 'collector-forgets-the-supervisor',
    rule: 'the collector gets a dead supervisor up, and it the daemon',
    file: 'src/host/log-collector.ts',
    find: `  if (known !== null && isAlive(known)) return`,
    replace: `  return`,
    caughtBy: { file: companions, test: 'daemon and supervisor killed at once: all three are there again, one of each' },
    isSlow: true,
  },
  {
    name: 'supervisor-takes-a-crash-for-a-wish',
    rule: 'a daemon that crashes is started again',
    file: 'src/host/supervisor.sh',
    find: `    0 | 78)`,
    replace: `    *)`,
    caughtBy: { file: companions, test: 'a daemon that crashes is started again, later each time' },
    isSlow: true,
  },
  {
    name: 'signal-counts-as-asked',
    rule: 'always back up: only a command or the init system ends a daemon for good',
    file: 'src/main/daemon.ts',
    find: `const isAsked = runs !== 'supervised'`,
    replace: `const isAsked = runs !== null`,
    caughtBy: {
      file: 'test/daemon-faults.test.ts',
      test: 'a daemon that is ended by a signal from outside is started again; one that a command stops is not',
    },
    isSlow: true,
  },
  {
    name: 'closed-database-is-a-refusal',
    rule: 'always back up: what may pass by itself is tried again',
    file: 'src/main/daemon.ts',
    find: `  'E_STATE_MOVED',\n`,
    replace: `  'E_STATE_MOVED',\n  'E_STORE_NOT_WRITABLE',\n`,
    caughtBy: {
      file: 'test/daemon-faults.test.ts',
      test: 'a daemon that gets no files, or cannot open its database, is tried again until it gets up',
    },
    isSlow: true,
  },
  {
    name: 'lack-of-files-is-a-refusal',
    rule: 'always back up: what may pass by itself is tried again',
    file: 'src/main/daemon.ts',
    find: `  'E_STATE_MOVED',\n`,
    replace: `  'E_STATE_MOVED',\n  'E_STATE_LOCK',\n`,
    caughtBy: {
      file: 'test/daemon-faults.test.ts',
      test: 'wherever in its start a daemon gets no more files, it ends as one that is to be tried again',
    },
    isSlow: true,
  },
  {
    name: 'damaged-database-keeps-everything-down',
    rule: 'what can be kept up without the database is kept up',
    file: 'src/main/state/emergency-store.ts',
    find: `error.code === 'E_STORE_CORRUPT'\n`,
    replace: `error.code === 'E_STORE_CLOSED'\n`,
    caughtBy: {
      file: 'test/daemon-faults.test.ts',
      test: 'with a damaged database what runs is adopted and kept up, changes are refused, and a backup brings everything back',
    },
    isSlow: true,
  },
  {
    name: 'damage-that-is-met-later-is-forgotten',
    rule: 'what can be kept up without the database is kept up',
    file: 'src/main/daemon.ts',
    find: `    if (isDamaged(error)) await noteDamage(options.state, error)\n`,
    replace: `    if (isDamaged(error) && options.state === '') await noteDamage(options.state, error)\n`,
    caughtBy: {
      file: 'test/daemon-faults.test.ts',
      test: 'a record that cannot be understood is a damaged database too, for every daemon until it is another file',
    },
    isSlow: true,
  },
  {
    name: 'cut-off-without-a-database-stays-down',
    rule: 'what can be kept up without the database is kept up, after a reboot too',
    file: 'src/agent/agent.ts',
    find: 'this.#options.trustsNotes && end.isCutOff',
    replace: '!this.#options.trustsNotes && end.isCutOff',
    caughtBy: {
      file: 'src/daemon/daemon.test.ts',
      test: 'without its damaged database a daemon starts again what a reboot has cut off, keeps it up, and changes nothing',
    },
  },
  {
    name: 'changes-without-a-database',
    rule: 'where it is not known what was applied, nothing is changed',
    file: 'src/daemon/api/refuse-without-store.ts',
    find: `  if (fault === null) return\n`,
    replace: `  if (fault !== undefined) return\n`,
    caughtBy: {
      file: 'src/daemon/daemon.test.ts',
      test: 'without its damaged database a daemon starts again what a reboot has cut off, keeps it up, and changes nothing',
    },
  },
  {
    name: 'removed-socket-stays-away',
    rule: 'a daemon can always be reached',
    file: 'src/adapters/http/socket.ts',
    find: `    if (inodeOf(options.file) === inode || inodeOf(folder) !== folderInode) return\n`,
    replace: `    if (inodeOf(folder) !== null) return\n`,
    caughtBy: {
      file: 'src/adapters/http/socket.test.ts',
      test: 'a socket that is removed or replaced is made again, for its owner alone',
    },
  },
  {
    name: 'removed-keeper-is-not-noticed',
    rule: 'always back up: what a start needs is there, or is made again',
    file: 'src/host/install-script.ts',
    find: `    if (now !== null && now === known) return path\n`,
    replace: `    if (now !== undefined) return path\n`,
    caughtBy: {
      file: 'src/adapters/process/never-twice.test.ts',
      test: 'a keeper script that was removed or replaced is there again with the next start',
    },
  },
  {
    name: 'what-no-cgroup-shows-is-gone',
    rule: 'never gone while the recorded process with its start time lives',
    file: 'src/adapters/process/discover.ts',
    find: `!isAlive(beginning)) return null`,
    replace: `isAlive(beginning)) return null`,
    caughtBy: {
      file: 'src/adapters/process/never-twice.test.ts',
      test: 'a daemon that finds v2 not mounted and uses v1 takes nothing that lives for ended',
    },
  },
]
