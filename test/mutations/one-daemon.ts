/** One daemon for one state directory, and what a daemon may believe about the past. */

import type { Mutation } from './mutation.ts'

const stateDirectory = {
  file: 'src/adapters/state-directory/index.ts',
  tests: 'src/adapters/state-directory/index.test.ts',
} as const

export const oneDaemonMutations: readonly Mutation[] = [
  {
    name: 'directory-is-not-locked',
    rule: 'one daemon: an flock on the state directory for the daemon’s whole life',
    file: stateDirectory.file,
    find: `  if (status === 0) return true`,
    replace: `  if (status !== null) return true`,
    caughtBy: {
      file: stateDirectory.tests,
      test: 'while one process has the directory another is refused and told who has it; with the end of the first it is free',
    },
  },
  {
    name: 'lock-is-on-a-file-inside',
    rule: 'the lock is on the directory’s inode: a restored file is a new inode',
    file: stateDirectory.file,
    find: `openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)`,
    replace: `openSync(join(path, 'identity.json'), 'a', 0o600)`,
    caughtBy: { file: stateDirectory.tests, test: 'a lock that is held survives whatever is done to the files inside' },
  },
  {
    name: 'copied-directory-is-accepted',
    rule: 'a daemon refuses a copy of somebody else’s directory',
    file: stateDirectory.file,
    find: `  if (!isSame) {`,
    replace: `  if (!isSame && takeOver) {`,
    caughtBy: { file: stateDirectory.tests, test: 'a copy is refused and left as it is while the original is there' },
  },
  {
    name: 'take-over-beside-the-original',
    rule: 'a daemon refuses a copy of somebody else’s directory',
    file: stateDirectory.file,
    find: `if (!takeOver || originalExists(recorded)) throw`,
    replace: `if (!takeOver) throw`,
    caughtBy: {
      file: stateDirectory.tests,
      test: 'a copy is refused and left as it is while the original is there, also with take-over',
    },
  },
  {
    name: 'epoch-ignores-the-database',
    rule: 'a daemon begins above the highest epoch of database, slot files and live cgroups',
    file: 'src/daemon/load.ts',
    find: `if (settledEpoch !== null && settledEpoch > known) world`,
    replace: `if (false) world`,
    caughtBy: {
      file: 'src/daemon/daemon.test.ts',
      test: 'a slot whose files are lost begins above the last epoch that the database knows of',
    },
  },
  {
    name: 'epoch-ignores-the-slot-file',
    rule: 'a daemon begins above the highest epoch of database, slot files and live cgroups',
    file: 'src/adapters/process/discover.ts',
    find: `Math.max(committed, 0, ...onDisk, ...inKernel)`,
    replace: `Math.max(0, ...onDisk, ...inKernel)`,
    caughtBy: {
      file: 'src/adapters/process/never-twice.test.ts',
      test: 'an epoch is never used twice, nor one below it, whatever became of its files',
    },
  },
  {
    name: 'epoch-ignores-live-cgroups',
    rule: 'a daemon begins above the highest epoch of database, slot files and live cgroups',
    file: 'src/adapters/process/discover.ts',
    find: `Math.max(committed, 0, ...onDisk, ...inKernel)`,
    replace: `Math.max(committed, 0, ...onDisk)`,
    caughtBy: {
      file: 'src/adapters/process/never-twice.test.ts',
      test: 'after a restore of older slot files the live epoch still counts',
    },
  },
  {
    name: 'new-daemon-restarts-what-runs',
    rule: 'instances run on through a daemon’s crash and are adopted: same pid, start time and epoch',
    file: 'src/daemon/load.ts',
    find: `tools.clock.wallTime(),\n      spec,`,
    replace: `tools.clock.wallTime(),\n      spec: null,`,
    caughtBy: { file: 'src/daemon/daemon.test.ts', test: 'a new daemon leaves what runs as it is' },
  },
  {
    name: 'ends-are-taken-in-by-every-daemon',
    rule: 'the end of an epoch is reported once',
    file: 'src/daemon/load.ts',
    find: `const isSettled = record.settledEpoch !== null && record.settledEpoch >= epoch`,
    replace: `const isSettled = false`,
    caughtBy: { file: 'src/daemon/daemon.test.ts', test: 'an end is told once, however many daemons come after it' },
  },
  {
    name: 'replaced-database-is-written',
    rule: 'a database that was replaced under a daemon is noticed before anything is read from or written to the old one',
    file: 'src/adapters/sqlite/database.ts',
    find: `if (identityOf(this.#file) === this.#identity) return true`,
    replace: `return true`,
    caughtBy: {
      file: 'src/adapters/sqlite/faults.test.ts',
      test: 'fails every call from then on, and the restored file is what the next one opens',
    },
  },
  {
    name: 'replaced-database-is-not-looked-for',
    rule: 'a daemon whose database was replaced ends, and the next one begins with the one that is there',
    file: 'src/main/daemon.ts',
    find: `(await inodeOf(databaseFile)) !== opened`,
    replace: `(await inodeOf(databaseFile)) === null`,
    caughtBy: {
      file: 'test/one-daemon.test.ts',
      test: 'a database replaced by rename under a living daemon is noticed, and what runs is adopted with the same pid and epoch',
    },
    isSlow: true,
  },
]
