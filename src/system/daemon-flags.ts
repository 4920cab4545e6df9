/**
 * How Node is started for a daemon, by anything that starts one: the supervisor has the same words in its own file, systemd in the unit. A daemon
 * makes little garbage and computes little, so V8's large young generation and its last compiler, whose code and threads are
 * memory, are left out (decision 17). All options are known to every Node from 24.12 on.
 */

export const daemonFlags: readonly string[] = [
  // MiB; V8's own choice is 16.
  '--max-semi-space-size=1',
  // Up to the middle compiler, Maglev.
  '--max-opt=2',
  // A young generation so small is cleaned by one thread before others have woken up, above all where the cores have other work.
  '--no-parallel-scavenge',
]

/** The collector makes next to no garbage and computes nothing: no thread helps it. */
export const collectorFlags: readonly string[] = ['--max-semi-space-size=1', '--max-opt=0', '--single-threaded']
