/**
 * A process runtime on a state directory of its own, with everything it makes removed afterwards, also when the test fails. Events
 * are kept whole and in order; `event` waits for one with a limit.
 */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { createProcessRuntime } from '../../src/adapters/process/index.ts'
import type { ProcessRuntimeOptions } from '../../src/adapters/process/options.ts'
import { type SlotId, asEpoch, asServiceName, slotId } from '../../src/core/model/id.ts'
import type { Checkpoint } from '../../src/ports/checkpoint.ts'
import type { Discovery, InstanceRef, ProcessOrder, Runtime, RuntimeEvent, StartOrder } from '../../src/ports/runtime/runtime.ts'
import { removeTraces } from '../clean-up.ts'
import { hangLimit } from '../hang-limit.ts'
import { readSlotLogText } from './slot-log.ts'

export const hostScripts: string = fileURLToPath(new URL('../../src/host', import.meta.url))
export const isRoot: boolean = process.geteuid?.() === 0
export const needsRoot: string | false = isRoot ? false : 'needs root'
export const web: SlotId = slotId(asServiceName('web'), 0)

export const instance = (epoch: number, slot: SlotId = web): InstanceRef => ({ slot, epoch: asEpoch(epoch) })

/** A start order as a test says it: what differs from a plain process in `/`. */
export type OrderOver = Partial<Omit<StartOrder, 'runs'>> & Partial<Pick<ProcessOrder, 'directory' | 'user' | 'tree'>>

type Force = NonNullable<ProcessRuntimeOptions['force']>

export class RuntimeBed {
  readonly state: string
  readonly stateId: string = randomBytes(8).toString('hex')
  readonly events: RuntimeEvent[] = []
  readonly warnings: string[] = []
  runtime!: Runtime
  discovery!: Discovery

  private constructor(state: string) {
    this.state = state
  }

  static async open(
    t: TestContext,
    options: {
      readonly force?: Force
      readonly scripts?: string
      readonly state?: string
      readonly checkpoint?: Checkpoint
    } = {},
  ): Promise<RuntimeBed> {
    const bed = new RuntimeBed(options.state ?? mkdtempSync(join(tmpdir(), 'daruma-bed-')))
    t.after(() => bed.#destroy())
    await bed.reopen(options)
    return bed
  }

  /** What a new daemon does after the old one was killed: nothing is ended, everything is found again. */
  async reopen(
    options: {
      readonly force?: Force
      readonly scripts?: string
      readonly checkpoint?: Checkpoint
      readonly arrivalLimitMs?: number
    } = {},
  ): Promise<void> {
    await this.runtime?.[Symbol.asyncDispose]()
    this.events.length = 0
    this.runtime = await createProcessRuntime({
      stateDirectory: this.state,
      stateId: this.stateId,
      scripts: options.scripts ?? hostScripts,
      checkpoint: options.checkpoint ?? null,
      log: {
        write: (level, message, detail) => {
          if (level !== 'info') this.warnings.push(`${message} ${JSON.stringify(detail)}`)
        },
      },
      ...(options.force === undefined ? {} : { force: options.force }),
      ...(options.arrivalLimitMs === undefined ? {} : { arrivalLimitMs: options.arrivalLimitMs }),
    })
    this.discovery = await this.runtime.discover((event) => this.events.push(event))
  }

  order(epoch: number, command: readonly string[], { directory = '/', user = null, tree, ...more }: OrderOver = {}): StartOrder {
    return {
      ...instance(epoch),
      runs: { kind: 'process', command, directory, user, ...(tree === undefined ? {} : { tree }) },
      environment: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
      limits: { cpuCores: null, memoryBytes: null, pids: null },
      volumes: [],
      secretFiles: {},
      ulimits: {},
      maxLogBytes: 1 << 24,
      note: `{"epoch":${epoch}}`,
      isRetry: false,
      ...more,
    }
  }

  /** Starts and waits until the command runs. */
  async run(
    epoch: number,
    command: readonly string[],
    more: OrderOver = {},
  ): Promise<Extract<RuntimeEvent, { kind: 'started' }>> {
    const refusal = await this.runtime.start(this.order(epoch, command, more))
    if (refusal !== null) throw new Error(`refused: ${JSON.stringify(refusal)}`)
    return await this.event('started', epoch, more.slot)
  }

  async event<Kind extends RuntimeEvent['kind']>(
    kind: Kind,
    epoch: number,
    slot: SlotId = web,
  ): Promise<Extract<RuntimeEvent, { kind: Kind }>> {
    const find = (): RuntimeEvent | undefined =>
      this.events.find((event) => event.kind === kind && event.epoch === epoch && event.slot === slot)
    await until(
      () => find() !== undefined,
      () => `${kind} of epoch ${epoch}; seen: ${JSON.stringify(this.events)} ${this.warnings.join('\n')}`,
    )
    return find() as Extract<RuntimeEvent, { kind: Kind }>
  }

  path(...names: readonly string[]): string {
    return join(this.state, ...names)
  }

  logText(): string {
    return readSlotLogText(this.state, 'web.0')
  }

  /** Living processes in any cgroup of an epoch of this state. Keepers that stand by belong to none. */
  processes(): number[] {
    const cgroups = this.#cgroups()
    const used = new Set(cgroups.flatMap((directory) => /\/keepers\/(\d+)\/[^/]+$/.exec(directory)?.[1] ?? []))
    const isOfEpoch = (directory: string): boolean => {
      const number = /\/keepers\/(\d+)(\/|$)/.exec(directory)?.[1]
      return number === undefined || used.has(number)
    }
    return membersOf(cgroups.filter(isOfEpoch))
  }

  #cgroups(): string[] {
    const mounts = ['/sys/fs/cgroup', ...list('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name))]
    const all: string[] = []
    const walk = (directory: string): void => {
      if (!existsSync(directory)) return
      for (const name of list(directory)) walk(join(directory, name))
      all.push(directory)
    }
    for (const mount of mounts) walk(join(mount, 'daruma', this.stateId))
    return all
  }

  async #destroy(): Promise<void> {
    await this.runtime?.[Symbol.asyncDispose]()
    for (let round = 0; round < 200; round++) {
      const living = [...new Set([...membersOf(this.#cgroups()), ...processesNaming(this.state)])]
      if (living.length === 0) break
      for (const directory of this.#cgroups()) write(join(directory, 'freezer.state'), 'THAWED')
      for (const pid of living) kill(pid)
      await sleep(10)
    }
    await removeTraces(this.stateId)
    rmSync(this.state, { recursive: true, force: true })
  }
}

function membersOf(cgroups: readonly string[]): number[] {
  const lines = cgroups.flatMap((directory) => read(join(directory, 'cgroup.procs')).split('\n'))
  return [...new Set(lines.filter((line) => line !== '').map(Number))]
}

/** Fails, saying what was awaited, when the claim is not true in time. */
export async function until(claim: () => boolean, what: string | (() => string), limitMs: number = 10_000): Promise<void> {
  const began = performance.now()
  const deadline = began + hangLimit(limitMs)
  while (!claim()) {
    if (performance.now() > deadline)
      throw new Error(`not within ${hangLimit(limitMs)} ms: ${typeof what === 'string' ? what : what()}`)
    // Often at first; a long wait gets no more than a twentieth longer by the pauses.
    await sleep(Math.min(Math.max((performance.now() - began) / 20, 3), 30))
  }
}

/** A copy of the host scripts in which one `#@ point:` line of the keeper is replaced by shell text. */
export function instrumentKeeper(bed: { readonly state: string }, point: string, text: string): string {
  const directory = join(bed.state, 'instrumented', point)
  mkdirSync(directory, { recursive: true })
  cpSync(hostScripts, directory, { recursive: true, filter: (path) => !path.endsWith('.ts') })
  const keeper = join(directory, 'keeper.sh')
  const source = readFileSync(keeper, 'utf8')
  const marker = `#@ point: ${point}\n`
  if (source.split(marker).length !== 2) throw new Error(`the keeper has not exactly one point ${point}`)
  rmSync(keeper)
  writeFileSync(
    keeper,
    source.replace(marker, () => `${text}\n`),
  )
  return directory
}

/** Processes whose command line holds the text (a state directory's path): keepers that have joined nothing yet. */
export function processesNaming(text: string): number[] {
  return list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter(
      (pid) =>
        pid !== process.pid && (read(`/proc/${pid}/cmdline`).includes(text) || read(`/proc/${pid}/environ`).includes(text)),
    )
}

export const isRunning = (pid: number): boolean => {
  const line = read(`/proc/${pid}/stat`)
  return line !== '' && !/\) [ZX] /.test(line)
}

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  // 0 would be our own process group: the whole test run would vanish without a word.
  assert.ok(pid > 1, `a process id to kill, not ${pid}`)
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended.
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  } catch {
    return []
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'r+' })
  } catch {
    // Not this kind of hierarchy.
  }
}
