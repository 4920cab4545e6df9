/**
 * How Node is started for a daemon, by whoever starts one: the supervisor has the same words in its own file, systemd in the unit. A daemon
 * makes little garbage and computes little, so V8's large young generation and its optimising compilers, whose code and threads are
 * memory, are left out (decision 17). Both options are known to every Node from 24.12 on.
 */

export const daemonFlags: readonly string[] = [
  // MiB; V8's own choice is 16.
  '--max-semi-space-size=1',
  // Interpreter and baseline code, as for what runs seldom.
  '--max-opt=1',
]
