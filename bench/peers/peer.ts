/** One way to keep programs running, as the benches use it: ours and the two that everybody knows. */

import type { ProcessId } from '../../test/processes.ts'

export interface Peer extends AsyncDisposable {
  /** With its version: `pm2 6.0.8`. */
  readonly name: string
  /** Starts everything, its own daemon included, with `count` copies of `first-action.sh`. Resolves when its command returned. */
  start(count: number): Promise<void>
  /** What it needs for itself: daemon, supervisor, but neither the programs nor what stands beside each of them. */
  overhead(): readonly ProcessId[]
  /** Below the mount of cgroup v2: the one that its programs join instead of the one that it was started in; null where they stay. */
  cgroup(): string | null
  /** The program itself, as this machine sees it; the first of them. */
  program(): ProcessId | null
  stop(): Promise<void>
}

export interface PeerOptions {
  /** A folder of its own, removed by the caller. */
  readonly home: string
  /** The pipe into which each program writes as its first action. */
  readonly firstAction: string
}
