/** How an instance ends: all of it, with its grace period, and nothing else with it. */

import type { Mutation } from './mutation.ts'

const lateKeepers = 'src/adapters/process/never-twice.test.ts'
const kills = 'src/adapters/process/kill.test.ts'
const steps = 'src/core/instance/step.test.ts'

export const endingMutations: readonly Mutation[] = [
  {
    name: 'no-kill-after-the-grace-period',
    rule: 'after the grace period everything in the instance is killed',
    file: 'src/core/instance/ending.ts',
    find: `  actions.push({ kind: 'kill', epoch: at.epoch })`,
    replace: ``,
    caughtBy: { file: steps, test: 'a new identity stops the old instance, waits for its end, and only then starts' },
  },
  {
    name: 'kill-reaches-the-command-alone',
    rule: 'the whole cgroup is killed: no child stays behind',
    file: 'src/adapters/process/instance-monitor.ts',
    find: `        this.cgroup.killAll()\n`,
    replace: `        if (this.#beginning.kind === 'started' && isAlive(this.#beginning)) process.kill(this.#beginning.pid, 'SIGKILL')\n`,
    caughtBy: { file: kills, test: 'v2 without namespaces: kill leaves no process, not even a daemonised grandchild' },
    isSlow: true,
  },
  {
    name: 'children-outlive-their-command',
    rule: 'when the command has ended, whatever is left in its cgroup is killed',
    file: 'src/adapters/process/instance-monitor.ts',
    find: `!this.#isLate() && readExit(this.directory) === null && !this.#isAbandoned()) return`,
    replace: `!this.#isLate()) return`,
    caughtBy: { file: kills, test: 'v2 without namespaces: when the command ends, no child of it stays behind' },
    isSlow: true,
  },
  {
    name: 'mounts-outlive-their-unmount',
    rule: 'the mounts of an instance are slaves of the host’s: what the host unmounts is let go',
    file: 'src/adapters/process/keepers/keeper-script.ts',
    find: `'--propagation', 'slave', `,
    replace: `'--propagation', 'private', `,
    caughtBy: {
      file: 'src/adapters/process/propagation.test.ts',
      test: 'a file system that the host unmounts is unmounted in what runs and in keepers that stand by, and one that it mounts is seen',
    },
    isSlow: true,
  },
  {
    name: 'rest-dies-with-the-daemon',
    rule: 'a stop that is under way outlives its daemon: what is left keeps the rest of the grace period',
    file: 'src/adapters/process/instance-monitor.ts',
    find: `    if (stop !== null && stop.signal !== 'SIGKILL') this.#asked = stop\n`,
    replace: ``,
    caughtBy: {
      file: 'src/adapters/process/stop.test.ts',
      test: 'v2: what a leader leaves behind keeps the rest of its time when the daemon dies meanwhile, and is not asked twice',
    },
  },
  {
    name: 'grace-period-begins-anew-with-each-daemon',
    rule: 'a stop that is under way outlives its daemon: its end comes when it would have come',
    file: 'src/core/instance/step.ts',
    find: `event.stop === undefined ? live : resumeEnd(live, event.stop, nowMs, actions)`,
    replace: `live`,
    caughtBy: {
      file: 'src/core/instance/ending.test.ts',
      test: 'a daemon that restarts in the middle of a stop gives the rest of the time, and signals only what had no signal',
    },
  },
  {
    name: 'rest-dies-with-the-leader',
    rule: 'the end of an instance is the end of all of it: what is left when the command has gone keeps the rest of the grace period',
    file: 'src/host/keeper.sh',
    find: `  [ -z "$daruma_left" ] || [ -z "$daruma_asked" ] || daruma_outlast\n`,
    replace: ``,
    caughtBy: {
      file: 'src/adapters/process/stop.test.ts',
      test: 'v2: what a leader leaves behind that goes at once is told too, and ends in its own time',
    },
  },
  {
    name: 'signal-leaves-the-cgroup',
    rule: 'a signal goes out only while the cgroup holds that pid',
    file: 'src/adapters/process/signal.ts',
    find: `  if (!members.includes(target.pid) && !members.includes(stat.parent)) return []\n`,
    replace: ``,
    caughtBy: { file: lateKeepers, test: 'a foreign process under a recorded pid is never touched' },
  },
  {
    name: 'signal-by-pid-alone',
    rule: 'identity is pid and start time, never a pid alone',
    file: 'src/adapters/process/signal.ts',
    find: `stat === null || stat.startTicks !== target.startTicks`,
    replace: `stat === null`,
    caughtBy: {
      file: 'src/adapters/process/signal.test.ts',
      test: 'a process of the same epoch that was given the recorded number later gets no signal',
    },
  },
  {
    name: 'signal-while-pids-can-be-reused',
    rule: 'a signal goes out only while the cgroup is frozen',
    file: 'src/adapters/process/signal.ts',
    find: `  if (freezer === null) return sendTo(`,
    replace: `  if (freezer !== undefined) return sendTo(`,
    caughtBy: {
      file: 'src/adapters/process/signal.test.ts',
      test: 'members are looked at and the signal is sent while nothing can end, and then all go on',
    },
  },
  {
    name: 'no-pid-namespace',
    rule: 'under root an instance has its own PID namespace: what escapes its cgroups dies with its first process',
    file: 'src/adapters/process/keepers/keeper-tools.ts',
    find: `unshare: namespaces ? tools.unshare : null`,
    replace: `unshare: null`,
    caughtBy: {
      file: 'src/adapters/process/escape.test.ts',
      test: 'a child that moves to other cgroups dies with its instance all the same',
    },
  },
]
