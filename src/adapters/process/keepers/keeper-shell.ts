/**
 * A shell that makes keepers. A fork of this daemon copies the page tables of a hundred megabytes, some 4 ms of kernel time; a fork of a
 * shell costs a twentieth. It holds one end of each lane, so that a keeper gets its own by inheritance. Not in the shell's background: what
 * a shell runs there ignores SIGINT forever, with which databases are stopped.
 */

import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'

import { KeeperLane } from './keeper-lane.ts'
import { renderSpawn } from './keeper-script.ts'
import type { KeeperTools } from './keeper-tools.ts'

/** A shell names descriptors by one digit; 8 and 9 are the keeper's own. */
const laneDescriptors: readonly number[] = [3, 4, 5, 6, 7]

export class KeeperShell {
  readonly lanes: readonly KeeperLane[]
  readonly #tools: () => KeeperTools
  readonly #descriptors: readonly number[]
  readonly #stdin: Socket | null
  readonly #onEnd: (why: unknown) => void
  #isOver = false

  /**
   * `prologue` is what it does before everything else, and what every keeper inherits. Where no tool gives a child a session of its own
   * (`setsid` is null), the shell itself becomes a keeper, the only one: Node has made it lead a session.
   */
  constructor(options: {
    readonly tools: () => KeeperTools
    readonly prologue: string
    readonly onFree: () => void
    /** It has ended unasked. */
    readonly onEnd: (why: unknown) => void
  }) {
    this.#tools = options.tools
    this.#onEnd = options.onEnd
    const isOnce = options.tools().setsid === null
    this.#descriptors = isOnce ? laneDescriptors.slice(0, 1) : laneDescriptors
    const pipes = this.#descriptors.map(() => 'pipe' as const)
    const shell = spawn('/bin/sh', ['-s'], { detached: true, stdio: ['pipe', 'ignore', 'ignore', ...pipes], cwd: '/', env: {} })
    // Without a free descriptor it has no pipes, and ends with an error like any other.
    const sockets = this.#descriptors.map((descriptor) => (shell.stdio as readonly unknown[])[descriptor] as Socket | undefined)
    this.lanes = sockets.flatMap((socket) =>
      socket === undefined ? [] : [new KeeperLane({ socket, isOnce, onFree: options.onFree })],
    )
    this.#stdin = shell.stdin as Socket | null
    shell.once('error', (error) => this.#end(error))
    shell.once('exit', (code, signal) => (isOnce ? undefined : this.#end(signal ?? code)))
    // What is written to a shell that has just ended is answered by its end.
    this.#stdin?.on('error', () => {})
    // Nobody waits for it: it ends with us, when its standard input does.
    shell.unref()
    this.#stdin?.unref()
    // A lane may be given up while a keeper is made for it. Caught, not ignored: that would be inherited.
    this.#stdin?.write(`trap : PIPE\n${options.prologue}`)
  }

  /** Whether all its lanes can be used, now or later. */
  get isWhole(): boolean {
    return !this.#isOver && this.lanes.length > 0 && this.lanes.every((lane) => !lane.isSpoiled)
  }

  /** Whether a keeper listens on one of its lanes, or is about to. */
  get isInUse(): boolean {
    return !this.#isOver && this.lanes.some((lane) => !lane.isFree && !lane.isSpoiled)
  }

  /** Makes a process that listens on the lane. What becomes of it the lane tells. */
  make(lane: KeeperLane, keeper: { readonly number: number; readonly joinFile: string | null }): void {
    const descriptor = this.#descriptors[this.lanes.indexOf(lane)]
    if (descriptor === undefined) throw new Error('a lane of another shell')
    this.#stdin?.write(renderSpawn(this.#tools(), { ...keeper, lane: descriptor, lanes: this.#descriptors }))
  }

  /** Keepers that run a command are nobody's children and live on; those that stand by end. */
  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const lane of this.lanes) lane.spoil()
    this.#stdin?.end()
  }

  #end(why: unknown): void {
    if (this.#isOver) return
    this.close()
    this.#onEnd(why)
  }
}
