/**
 * Gives birth to keepers. A fork of this daemon copies the page tables of a hundred megabytes, some 4 ms of kernel time for each start;
 * a fork of a shell costs a twentieth. So a shell stands by, and an order is one line of script on its standard input: assignments,
 * and the `exec` of the keeper in a session of its own. (Not in its background: what a shell runs there ignores SIGINT for ever.)
 *
 * The line is evaluated, so there is one way to write a word into it: {@link quote}. An order that arrives torn is no whole command, and
 * no shell runs it. One that arrives late (the shell was stopped, or this daemon died) makes a late keeper, and that is held off like
 * any other, by the epoch and by its cgroup.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'

import type { Launch } from './launch.ts'

/** A shell that has answered nothing for that long is stopped or starved: another takes its place. */
const defaultSilenceLimitMs = 10_000
/** Below what any kernel takes for a single argument (MAX_ARG_STRLEN, 128 KiB). */
const maxOrderBytes = 120_000

export class Spawner {
  readonly #setsid: string | null
  readonly #onTrouble: (message: string, error: unknown) => void
  readonly #silenceLimitMs: number
  readonly #unanswered: (() => void)[] = []
  #shell: ChildProcess | null = null
  #silence: NodeJS.Timeout | null = null

  /** `setsid` knows `--fork` (util-linux); null where there is none: then each keeper is a child of this process. */
  constructor(
    setsid: string | null,
    onTrouble: (message: string, error: unknown) => void,
    silenceLimitMs: number = defaultSilenceLimitMs,
  ) {
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
    const shell = (this.#shell ??= this.#open())
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#unanswered.push(resolve)
    if (this.#unanswered.length === 1) this.#watchSilence()
    shell.stdin?.write(order)
    return promise
  }

  /** Ends the shell. Keepers are nobody's children and live on. */
  close(): void {
    this.#lose()
  }

  #open(): ChildProcess {
    const shell = spawn('/bin/sh', ['-s'], { detached: true, stdio: ['pipe', 'pipe', 'ignore'], cwd: '/', env: {} })
    // A byte for each order, in their order.
    shell.stdout.on('data', (bytes: Buffer) => {
      if (this.#shell === shell) this.#answered(bytes.length)
    })
    const over = (why: unknown): void => {
      if (this.#shell !== shell) return
      if (this.#unanswered.length > 0) this.#onTrouble('the shell that starts keepers ended; another takes its place', why)
      this.#lose()
    }
    shell.once('error', over)
    shell.once('exit', (code, signal) => over(signal ?? code))
    // What is written to a shell that has just ended is answered by its end.
    shell.stdin.on('error', () => {})
    // Nobody waits for it: it ends with us, when its standard input does.
    shell.unref()
    for (const pipe of [shell.stdin, shell.stdout]) (pipe as Socket).unref()
    return shell
  }

  #answered(count: number): void {
    for (const resolve of this.#unanswered.splice(0, count)) resolve()
    this.#watchSilence()
  }

  #lose(): void {
    this.#shell?.stdin?.end()
    this.#shell = null
    this.#answered(this.#unanswered.length)
  }

  #watchSilence(): void {
    if (this.#silence !== null) clearTimeout(this.#silence)
    this.#silence = null
    if (this.#unanswered.length === 0) return
    this.#silence = setTimeout(() => {
      this.#onTrouble(`the shell that starts keepers is silent for ${this.#silenceLimitMs} ms; another takes its place`, null)
      const shell = this.#shell
      this.#lose()
      // Our own unreaped child, so its number is not another's.
      shell?.kill('SIGKILL')
    }, this.#silenceLimitMs)
  }
}

/** Variables that a shell keeps for itself and lets nobody set, in one of the shells that /bin/sh may be: they arrive by another way. */
const shellsOwn: ReadonlySet<string> = new Set(
  'UID EUID PPID SHELLOPTS BASHOPTS BASH_VERSINFO GROUPS DIRSTACK FUNCNAME OPTIND OPTARG LINENO RANDOM SECONDS IFS _'.split(' '),
)

/** One line of a POSIX shell's script: starts the keeper, then writes one byte. Exported for its test. */
export function renderOrder(setsid: string, { words, environment }: Launch): string {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${quote(value)}`)
  const assignments = variables.length === 0 ? '' : `export ${variables.join(' ')}; `
  const command = [setsid, '--fork', '/bin/sh', ...words].map(quote).join(' ')
  return `(exec </dev/null >/dev/null 2>&1; ${assignments}exec ${command}); echo\n`
}

/** Between single quotes a shell gives no character a meaning but the single quote. */
const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

async function spawnChild({ words, environment }: Launch): Promise<void> {
  const keeper = spawn('/bin/sh', words, { detached: true, stdio: 'ignore', cwd: '/', env: environment })
  keeper.unref()
  if (keeper.pid !== undefined) return
  throw await new Promise((resolve) => keeper.once('error', resolve))
}
