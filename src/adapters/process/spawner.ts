/**
 * Gives birth to keepers. A fork of this daemon copies the page tables of a hundred megabytes, some 4 ms of kernel time for each start;
 * a fork of a shell costs a twentieth. So shells stand by, and an order is one line of script on the standard input of one of them: in a
 * child that it forks, it sets the variables and reads the keeper's first stage, which goes over into a session of its own. (Not in the
 * shell's background: what it runs there ignores SIGINT for ever.)
 *
 * The line is evaluated, so there is one way to write a word into it: {@link quote}. An order that arrives torn is no whole command, and
 * no shell runs it. One that arrives late (the shell was stopped, or this daemon died) makes a late keeper, and that is held off like
 * any other, by the epoch and by its cgroup. A keeper that stands still on its way keeps one shell from its next order, and nobody else.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'

import type { Launch } from './launch.ts'

/** A shell that has answered nothing for that long is stopped or starved: another takes its place. */
const defaultSilenceLimitMs = 10_000
/** Opened when all others are at work: one is enough but for bursts, and for one that is kept waiting. */
const maxShells = 4
/** Below what any kernel takes for a single argument (MAX_ARG_STRLEN, 128 KiB). */
const maxOrderBytes = 120_000

type Trouble = (message: string, error: unknown) => void

export class Spawner {
  readonly #setsid: string | null
  readonly #onTrouble: Trouble
  readonly #silenceLimitMs: number
  readonly #shells = new Set<Shell>()
  /** Orders that wait until a shell has nothing to do, so that none waits behind one that is kept waiting. */
  readonly #queue: { readonly order: string; readonly resolve: () => void }[] = []

  /** `setsid` knows `--fork` (util-linux); null where there is none: then each keeper is a child of this process. */
  constructor(setsid: string | null, onTrouble: Trouble, silenceLimitMs: number = defaultSilenceLimitMs) {
    this.#setsid = setsid
    this.#onTrouble = onTrouble
    this.#silenceLimitMs = silenceLimitMs
  }

  /**
   * Resolves as soon as the keeper has been born, or will never be: which of them it is, only its own signs of life tell. Throws where it
   * is certain that there is none.
   */
  async spawn(launch: Launch): Promise<void> {
    if (this.#setsid === null || Object.keys(launch.environment).some((name) => shellsOwn.has(name))) return spawnChild(launch)
    const order = renderOrder(this.#setsid, launch)
    // Whether so much can be handed to a process, the kernel tells only whom it asks.
    if (Buffer.byteLength(order) > maxOrderBytes) return spawnChild(launch)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#queue.push({ order, resolve })
    this.#handOut()
    return promise
  }

  /** Ends the shells; what waits is not carried out. Keepers are nobody's children and live on. */
  close(): void {
    for (const { resolve } of this.#queue.splice(0)) resolve()
    for (const shell of this.#shells) shell.leave()
  }

  #handOut(): void {
    while (this.#queue.length > 0) {
      const shell = [...this.#shells].find((each) => each.isIdle) ?? this.#open()
      const next = shell === null ? undefined : this.#queue.shift()
      if (next === undefined) return
      void shell?.carryOut(next.order).then(() => {
        next.resolve()
        this.#handOut()
      })
    }
  }

  #open(): Shell | null {
    if (this.#shells.size >= maxShells) return null
    const shell = new Shell(this.#onTrouble, this.#silenceLimitMs, () => this.#shells.delete(shell))
    this.#shells.add(shell)
    return shell
  }
}

/** One shell that stands by, until it ends or is left. It has one order at a time, and that is answered in any case. */
class Shell {
  readonly #onTrouble: Trouble
  readonly #silenceLimitMs: number
  readonly #onEnd: () => void
  readonly #process: ChildProcess
  #answer: (() => void) | null = null

  constructor(onTrouble: Trouble, silenceLimitMs: number, onEnd: () => void) {
    this.#onTrouble = onTrouble
    this.#silenceLimitMs = silenceLimitMs
    this.#onEnd = onEnd
    // Without a free descriptor it has no pipes, and ends with an error like any other.
    const shell: ChildProcess = spawn('/bin/sh', ['-s'], { detached: true, stdio: ['pipe', 'pipe', 'ignore'], cwd: '/', env: {} })
    this.#process = shell
    // A byte for each order.
    shell.stdout?.on('data', () => this.#answer?.())
    const over = (why: unknown): void => {
      if (!this.isIdle) onTrouble('a shell that starts keepers ended; another takes its place', why)
      this.leave()
    }
    shell.once('error', over)
    shell.once('exit', (code, signal) => over(signal ?? code))
    // What is written to a shell that has just ended is answered by its end.
    shell.stdin?.on('error', () => {})
    // Nobody waits for it: it ends with us, when its standard input does.
    shell.unref()
    for (const pipe of [shell.stdin, shell.stdout]) (pipe as Socket | null)?.unref()
  }

  get isIdle(): boolean {
    return this.#answer === null
  }

  carryOut(order: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const silence = setTimeout(() => {
      this.#onTrouble(`a shell that starts keepers is silent for ${this.#silenceLimitMs} ms; another takes its place`, null)
      this.leave()
      // Our own unreaped child, so its number is not another's.
      this.#process.kill('SIGKILL')
    }, this.#silenceLimitMs)
    this.#answer = () => {
      clearTimeout(silence)
      this.#answer = null
      resolve()
    }
    this.#process.stdin?.write(order)
    return promise
  }

  /** Gets no more orders, ends when it has carried out the one that it has, and is no longer waited for. */
  leave(): void {
    this.#onEnd()
    this.#process.stdin?.end()
    this.#answer?.()
  }
}

/** Variables that a shell keeps for itself and lets nobody set, in one of the shells that /bin/sh may be: they arrive by another way. */
const shellsOwn: ReadonlySet<string> = new Set(
  'UID EUID PPID SHELLOPTS BASHOPTS BASH_VERSINFO GROUPS DIRSTACK FUNCNAME OPTIND OPTARG LINENO RANDOM SECONDS IFS _'.split(' '),
)

/** One line of a POSIX shell's script: starts the keeper, then writes one byte. Exported for its test. */
export function renderOrder(setsid: string, { words, environment, joins }: Launch): string {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${quote(value)}`)
  const assignments = variables.length === 0 ? '' : `export ${variables.join(' ')}; `
  const [keeper = '', ...rest] = words
  const begin = joins
    ? `daruma_setsid=${quote(setsid)} daruma_keeper=${quote(keeper)}; set -- ${rest.map(quote).join(' ')}; . "$daruma_keeper"`
    : `exec ${[setsid, '--fork', '/bin/sh', ...words].map(quote).join(' ')}`
  return `(exec </dev/null >/dev/null 2>&1; ${assignments}${begin}); echo\n`
}

/** Between single quotes a shell gives no character a meaning but the single quote. */
const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

async function spawnChild({ words, environment }: Launch): Promise<void> {
  const keeper = spawn('/bin/sh', words, { detached: true, stdio: 'ignore', cwd: '/', env: environment })
  keeper.unref()
  if (keeper.pid !== undefined) return
  throw await new Promise((resolve) => keeper.once('error', resolve))
}
