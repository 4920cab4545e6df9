/** One instance a slot: the order of effects, the keeper's three questions, and the kernel as the witness. */

import type { Mutation } from './mutation.ts'

const lateKeepers = 'src/adapters/process/never-twice.test.ts'
const hangs = 'src/adapters/process/uninterruptible.test.ts'
const kills = 'src/adapters/process/kill.test.ts'
const steps = 'src/core/instance/step.test.ts'

/** As it stands there, point included: a change that moves it moves its point with it. */
const keeperTakesLock = `    [ "$daruma_word" = go ] || daruma_lock
    #@ point: locked
`
const durableEpoch = {
  file: 'src/adapters/process/durable-epoch.test.ts',
  test: 'nothing begins before its epoch is durable, and neither is a start answered',
} as const

export const neverTwiceMutations: readonly Mutation[] = [
  {
    name: 'spawn-does-not-wait-for-the-commit',
    rule: 'write first: the epoch is committed before anything is spawned',
    file: 'src/adapters/process/index.ts',
    find: `const committed = commitEpoch(paths, order.epoch)`,
    replace: `const committed = setImmediate(() => void commitEpoch(paths, order.epoch))`,
    caughtBy: { file: lateKeepers, test: 'the order of effects is the promise: every checkpoint is reached once, in order' },
  },
  {
    name: 'spawn-does-not-wait-for-the-answer',
    rule: 'write first: the epoch is durable, not only written, before anything is spawned',
    file: 'src/adapters/process/index.ts',
    find: `    await committed\n`,
    replace: ``,
    caughtBy: durableEpoch,
  },
  {
    name: 'spawn-does-not-wait-for-the-disk',
    rule: 'write first: the epoch is durable, not only written, before anything is spawned',
    file: 'src/host/slot-files.ts',
    find: `of await Promise.allSettled([syncData(descriptor), ...folders]))`,
    replace: `of await Promise.allSettled([void syncData(descriptor).catch(() => {}), ...folders]))`,
    caughtBy: durableEpoch,
  },
  {
    name: 'new-slot-is-not-durable',
    rule: 'write first: with its first epoch the slot itself is durable',
    file: 'src/host/slot-files.ts',
    find: `...folders]))`,
    replace: `]))`,
    caughtBy: durableEpoch,
  },
  {
    name: 'assignment-is-acted-on-first',
    rule: 'write first: an assignment is durable before a slot acts on it',
    file: 'src/server/rollout/reconciler.ts',
    find: `    if (changes.length > 0 || this.#completed.size > 0) await this.#commit(changes)
    for (const { record, spec } of changes) this.#assign(record, spec)
`,
    replace: `    for (const { record, spec } of changes) this.#assign(record, spec)
    this.#setGates(new Set(names))
    if (changes.length > 0 || this.#completed.size > 0) await this.#commit(changes)
`,
    caughtBy: {
      file: 'src/server/rollout/reconciler.test.ts',
      test: 'the host is told to begin only when the assignment behind it is durable',
    },
  },
  {
    name: 'empty-cgroup-is-the-end',
    rule: 'an instance is gone when process 1 of its namespace is: what has left the cgroup may hang in an uninterruptible call',
    file: 'src/adapters/process/instance-monitor.ts',
    find: `if (isKeeperAlive(keeper)) {`,
    replace: `if (this.#isEnding && keeper === null) {`,
    caughtBy: {
      file: hangs,
      test: 'a child that left the cgroup and the lock, and hangs where nothing can kill it, is not overlapped by a successor',
    },
  },
  {
    name: 'empty-cgroup-is-the-end-for-the-next-daemon',
    rule: 'a daemon that begins asks for process 1 of the namespace, too',
    file: 'src/adapters/process/site.ts',
    find: `return !isKeeperAlive(this.keeperOf(slot, epoch)) && this`,
    replace: `return this`,
    caughtBy: {
      file: hangs,
      test: 'a daemon that finds an empty cgroup while such a child hangs takes the slot for occupied',
    },
  },
  {
    name: 'keeper-takes-no-lock',
    rule: 'the keeper takes the slot lock before it runs anything',
    file: 'src/host/keeper.sh',
    find: keeperTakesLock,
    replace: `    #@ point: locked\n`,
    caughtBy: {
      file: lateKeepers,
      test: 'somebody else who holds the slot lock makes the start refused, by name; when he lets go it works',
    },
    isSlow: true,
  },
  {
    name: 'daemon-only-says-that-it-has-locked',
    rule: 'the slot lock is held before anything runs, also where the daemon takes it for the keeper',
    file: 'src/adapters/process/keepers/lock-for.ts',
    find: `return isAlive(keeper) && libc().lock(borrowed)`,
    replace: `return isAlive(keeper)`,
    caughtBy: {
      file: lateKeepers,
      test: 'somebody else who holds the slot lock makes the start refused, by name; when he lets go it works',
    },
    isSlow: true,
  },
  {
    name: 'keeper-leaves-the-lock-to-others',
    rule: 'the keeper takes the slot lock before it runs anything',
    file: 'src/host/keeper.sh',
    find: `  "$daruma_flock" -n 9 || { command -p sleep 0.05;`,
    replace: `  true || { command -p sleep 0.05;`,
    caughtBy: {
      file: 'src/host/keeper.test.ts',
      test: 'a keeper that finds the lock held runs nothing, and does not even ask whether it is superseded',
    },
  },
  {
    name: 'keeper-compares-before-the-lock',
    rule: 'the lock comes before the comparison: only under it does the comparison mean anything',
    file: 'src/host/keeper.sh',
    find: keeperTakesLock,
    replace: `    read -r daruma_last <"$daruma_slot/epoch" || daruma_refuse superseded
    [ "$daruma_last" = "$daruma_epoch" ] || daruma_refuse superseded
${keeperTakesLock}`,
    caughtBy: {
      file: 'src/host/keeper.test.ts',
      test: 'a keeper that finds the lock held runs nothing, and does not even ask whether it is superseded',
    },
  },
  {
    name: 'keeper-compares-nothing',
    rule: 'a late keeper finds itself superseded and leaves',
    file: 'src/host/keeper.sh',
    find: `    [ "$daruma_last" = "$daruma_epoch" ] || daruma_refuse superseded\n`,
    replace: ``,
    caughtBy: {
      file: 'src/host/keeper.test.ts',
      test: `a keeper that finds "0000000000000006\\n" as the slot's epoch is superseded and runs nothing`,
    },
  },
  {
    name: 'keeper-obeys-what-was-meant-for-another',
    rule: 'a ready keeper is used once: it carries out only what was meant for it',
    file: 'src/host/keeper.sh',
    find: `read -r daruma_told daruma_word && [ "$daruma_told" = "$daruma_number" ] ||`,
    replace: `read -r daruma_told daruma_word ||`,
    caughtBy: { file: 'src/host/keeper.test.ts', test: 'what was meant for another keeper is not carried out by this one' },
  },
  {
    name: 'keeper-begins-with-what-is-reserved',
    rule: 'a keeper that ran nothing records no end: only its own line says that it has begun',
    file: 'src/host/keeper.sh',
    find: `case $daruma_line in [0-9]*) ;; *) return 1 ;; esac`,
    replace: `case $daruma_line in refused*) return 1 ;; esac`,
    caughtBy: {
      file: 'src/host/keeper.test.ts',
      test: 'a ready keeper whose daemon dies before the last word, or in the middle of it, runs nothing',
    },
  },
  {
    name: 'keeper-obeys-half-a-message',
    rule: 'a daemon that dies in the middle of a message has said nothing',
    file: 'src/host/keeper.sh',
    find: `read -r daruma_told daruma_word && [`,
    replace: `read -r daruma_told daruma_word; [`,
    caughtBy: {
      file: 'src/host/keeper.test.ts',
      test: 'a ready keeper whose daemon dies before the last word, or in the middle of it, runs nothing',
    },
  },
  {
    name: 'last-word-comes-with-the-order',
    rule: 'a keeper is told to run only when it waits for that word, so that it can be read by the shell that obeys it alone',
    file: 'src/adapters/process/keepers/keeper-lane.ts',
    find: `    if (this.#hasWaited) this.#onWaits()`,
    replace: `    this.#onWaits()`,
    caughtBy: {
      file: 'src/adapters/process/keepers/ready-keepers.test.ts',
      test: 'the last word is made and sent when the keeper waits for it, and not before',
    },
  },
  {
    name: 'ready-keeper-is-given-twice',
    rule: 'a ready keeper is used once: no two starts are given the same one',
    file: 'src/adapters/process/keepers/ready-keepers.ts',
    find: `for (let keeper = this.#ready.shift(); keeper !== undefined; keeper = this.#ready.shift()) {`,
    replace: `for (let keeper = this.#ready[0]; keeper !== undefined; keeper = this.#ready.shift()) {`,
    caughtBy: {
      file: 'src/adapters/process/keepers/ready-keepers.test.ts',
      test: 'no keeper is handed out twice, however many ask at once',
    },
  },
  {
    name: 'ready-keepers-outlive-their-daemon',
    rule: 'a ready keeper of a dead daemon ends by itself, and holds nothing',
    file: 'src/adapters/process/keepers/keeper-script.ts',
    find: '. ${quote(tools.keeper)}\\n`',
    replace: '. ${quote(tools.keeper)}; trap "command -p sleep 600" EXIT\\n`',
    caughtBy: {
      file: 'src/adapters/process/keepers/ready-keepers.test.ts',
      test: 'the ready keepers of a daemon that was killed end by themselves, and the next daemon removes their cgroups',
    },
  },
  {
    name: 'instances-are-what-the-shell-was',
    rule: 'an instance is what the config says, whatever the shell had in which `up` was typed',
    file: 'src/adapters/process/index.ts',
    find: `prologue: renderKnownState(site.survey.foreignCgroups),`,
    replace: `prologue: '',`,
    caughtBy: {
      file: 'src/adapters/process/known-state.test.ts',
      test: 'an instance is the same under any nice value, priority, processor, limit, class, mask and slack of the shell before it',
    },
  },
  {
    name: 'label-comes-after-the-order',
    rule: 'the kernel is the witness: a keeper has its label before it is told anything',
    file: 'src/adapters/process/index.ts',
    find: `    this.#site.bind(keeper.number, order.slot, order.epoch)\n`,
    replace: ``,
    caughtBy: {
      file: lateKeepers,
      test: 'what runs is found although its slot directory is gone, and nothing is started beside it',
    },
  },
  {
    name: 'start-does-not-ask-the-kernel',
    rule: 'before a start the older cgroups are empty and closed, else the occupant is named',
    file: 'src/adapters/process/index.ts',
    find: `    if (this.#isOccupied(order.slot)) return`,
    replace: `    if (false) return`,
    caughtBy: { file: kills, test: `v2: a start is refused while the slot's earlier epoch lives, and naming who lives there` },
  },
  {
    name: 'closing-leaves-the-door-open',
    rule: 'what is closed has no cgroup any more, so that nothing that comes late can join it',
    file: 'src/adapters/process/cgroups/cgroup.ts',
    find: `    rmdirSync(directory)\n`,
    replace: `    if (cgroupMembers(directory).length > 0) rmdirSync(directory)\n`,
    caughtBy: {
      file: 'src/adapters/process/keepers/ready-keepers.test.ts',
      test: 'the ready keepers of a daemon that was killed end by themselves, and the next daemon removes their cgroups',
    },
    isSlow: true,
  },
  {
    name: 'start-beside-what-is-ending',
    rule: 'a start is ordered only from a vacant slot',
    file: 'src/core/instance/step.ts',
    find: `    case 'ending':\n      return moveEnding(slot, at, nowMs, actions)`,
    replace: `    case 'ending':\n      return at.killed ? startIfDue(slot, nowMs, actions) : moveEnding(slot, at, nowMs, actions)`,
    caughtBy: {
      file: steps,
      test: 'never a second start before the first epoch is gone or refused, and epochs only grow, whatever happens',
    },
  },
  {
    name: 'word-of-an-old-epoch-frees-the-slot',
    rule: 'a slot becomes vacant only by the word that its present epoch is gone',
    file: 'src/core/instance/step.ts',
    find: `return isOccupiedBy(slot, event.epoch) ? takeGone(`,
    replace: `return slot.occupancy.kind !== 'vacant' ? takeGone(`,
    caughtBy: { file: steps, test: 'a word about an epoch that is not the present one changes nothing' },
  },
  {
    name: 'epoch-is-used-again',
    rule: 'an epoch is new with each start in a slot',
    file: 'src/core/instance/step.ts',
    find: `Math.max(floor, slot.lastEpoch + 1)`,
    replace: `Math.max(floor, slot.lastEpoch)`,
    caughtBy: { file: steps, test: 'a killed instance is started again in the same step, with a larger epoch' },
  },
  {
    name: 'end-is-told-twice',
    rule: 'gone is reported once, and is the last word of an epoch',
    file: 'src/adapters/process/instance-monitor.ts',
    find: `    void this.#report(exit)`,
    replace: `    void this.#report(exit)\n    void this.#report(exit)`,
    caughtBy: {
      file: 'src/adapters/process/instance-monitor.test.ts',
      test: 'an instance reports its pid as this host sees it, its start time, and its end once',
    },
  },
]
