/**
 * A state directory with everything that happens in it, for tests: real daemons started by the real command, real instances, and
 * a clean-up that leaves nothing, however the test ended. The command under test is `bin/daruma`, or the one that
 * DARUMA_UNDER_TEST names (a mutant's).
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hangLimit } from './hang-limit.ts'
import type { RecordedEvent } from '../src/core/model/event.ts'
import type { InstanceStatus, StatusAnswer } from '../src/protocol/api.ts'
import { cleanUp, makeWorkshop } from './clean-up.ts'
import { findCompanions, type Role } from './companions.ts'
import { isAlive, signalProcess, until, type ProcessId } from './processes.ts'
import { slotDirectory, usualProject } from './slot-directory.ts'
import { askDaemon, askDaemonLines } from './socket.ts'
import { readLogIn } from './support/slot-log.ts'
import type { Witness } from './witness/index.ts'

export const root: string = join(import.meta.dirname, '..')
const launcherUnderTest: string = process.env['DARUMA_UNDER_TEST'] ?? join(root, 'bin/daruma')
/** The folder that holds `bin` and `dist` of what is tested. */
export const packageUnderTest: string = join(launcherUnderTest, '../..')
export const fixtures: string = join(import.meta.dirname, 'fixtures')

/** From the end of a command to the end of its output. */
const pipeLimitMs = 2000

export type Services = Readonly<Record<string, Readonly<Record<string, unknown>>>>

export interface Outcome {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  readonly outcome: Promise<Outcome>
}

export interface MachineOptions {
  /** Its port goes into every service's environment. */
  readonly witness?: Witness
  /** The launcher; default: `bin/daruma`. */
  readonly launcher?: string
  /** Added to the environment of every command, and so of the daemon that it starts. */
  readonly environment?: Readonly<Record<string, string>>
  /** An existing directory for the state instead of a fresh one in the workshop. */
  readonly state?: string
  /** What a config says beside its name and its services: `balancer`. */
  readonly project?: Readonly<Record<string, unknown>>
  /** Where several projects live in the state: the one that this machine's config describes, and that everything here is about. Default: all. */
  readonly name?: string
}

export class Machine implements AsyncDisposable {
  /** The test's own folder: config, state, anything else. Gone at the end. */
  readonly workshop: string
  readonly state: string
  readonly config: string
  readonly #options: MachineOptions
  readonly #commands = new Set<ChildProcess>()

  constructor(options: MachineOptions = {}) {
    this.#options = options
    this.workshop = makeWorkshop()
    this.state = options.state ?? join(this.workshop, 'state')
    this.config = join(this.workshop, 'config', 'daruma.config.ts')
    mkdirSync(join(this.workshop, 'config'))
  }

  /** Of the project that its config describes. */
  get name(): string {
    return this.#options.name ?? usualProject
  }

  get launcher(): string {
    return this.#options.launcher ?? launcherUnderTest
  }

  writeConfig(services: Services): void {
    const withWitness = Object.fromEntries(Object.entries(services).map(([name, service]) => [name, this.#watched(service)]))
    this.writeConfigText(
      `export default define(${JSON.stringify({ name: this.name, ...this.#options.project, services: withWitness }, null, 2)})`,
    )
  }

  writeConfigText(text: string): void {
    writeFileSync(this.config, `import { define } from 'daruma'\n\n${text}\n`)
  }

  #watched(service: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    const port = this.#options.witness?.port
    if (port === undefined) return service
    return { ...service, environment: { ...(service['environment'] as object | undefined), WITNESS_PORT: String(port) } }
  }

  /** Starts a command of the command line on this state. */
  start(words: readonly string[], options: { readonly environment?: Readonly<Record<string, string>> } = {}): Running {
    const child = spawn(this.launcher, [...words, '--state', this.state, '--file', this.config], {
      cwd: join(this.workshop, 'config'),
      env: { ...baseEnvironment(), ...this.#options.environment, ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#commands.add(child)
    return { child, outcome: collect(child).finally(() => this.#commands.delete(child)) }
  }

  async run(
    words: readonly string[],
    options: { readonly limitMs?: number; readonly environment?: Readonly<Record<string, string>> } = {},
  ): Promise<Outcome> {
    const { child, outcome } = this.start(words, options)
    const limit = setTimeout(() => child.kill('SIGKILL'), hangLimit(options.limitMs ?? 60_000))
    try {
      return await outcome
    } finally {
      clearTimeout(limit)
    }
  }

  /** `daruma up --yes`, which must succeed. */
  async up(services?: Services): Promise<Outcome> {
    if (services !== undefined) this.writeConfig(services)
    const outcome = await this.run(['up', '--yes'])
    if (outcome.code !== 0)
      throw new Error(`up ended with ${outcome.code ?? outcome.signal}\n${outcome.stdout}${outcome.stderr}${this.#lastWords()}`)
    return outcome
  }

  /** Null while no daemon answers. */
  status(): Promise<StatusAnswer | null> {
    return askDaemon<StatusAnswer>(this.state, this.#about('/v1/status?'))
  }

  async events(): Promise<readonly RecordedEvent[]> {
    return (await askDaemonLines(this.state, this.#about('/v1/events?since=0&limit=10000&'))) as readonly RecordedEvent[]
  }

  async instance(slot: string): Promise<InstanceStatus> {
    const found = (await this.status())?.instances.find((instance) => instance.slot === slot)
    if (found === undefined) throw new Error(`no instance ${slot}`)
    return found
  }

  /** Waits for a state of affairs; a failure shows the last status and the last events. */
  async waitFor(description: string, look: (status: StatusAnswer) => boolean, limitMs: number = 20_000): Promise<StatusAnswer> {
    let last: StatusAnswer | null = null
    try {
      return await until(description, limitMs, async () => {
        last = (await this.status()) ?? last
        return last !== null && look(last) ? last : null
      })
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${JSON.stringify(last, null, 1)}\n${await this.report()}`, { cause: error })
    }
  }

  /** Everything desired runs (or is done), is ready, and no operation is under way. */
  waitUntilSettled(limitMs: number = 30_000): Promise<StatusAnswer> {
    return this.waitFor('everything desired is ready', isSettled, limitMs)
  }

  /** The last events as text: for failures. */
  async report(): Promise<string> {
    const events = await this.events().catch(() => [])
    const lines = events
      .slice(-40)
      .map(
        ({ at, kind, slot, epoch, message, cause }) => `${at} ${kind} ${slot ?? ''} ${epoch ?? ''} ${message} (${cause ?? ''})`,
      )
    return `${lines.join('\n')}${this.#lastWords()}`
  }

  #lastWords(): string {
    const log = join(this.state, 'daemon.log')
    return existsSync(log) ? `\ndaemon.log:\n${readFileSync(log, 'utf8').split('\n').slice(-15).join('\n')}` : ''
  }

  log(slot: string): string {
    return readLogIn(this.state, slotDirectory(this.state, this.#qualified(slot)))
  }

  #about(path: string): string {
    const { name } = this.#options
    return name === undefined ? path : `${path}project=${name}`
  }

  #qualified(slot: string): string {
    const { name } = this.#options
    return name === undefined || slot.startsWith('@') ? slot : `${name}/${slot}`
  }

  /** Who plays the role now: for `instance` and `keeper` in one slot, or in all. */
  find(role: Role, slot?: string): readonly ProcessId[] {
    if (slot !== undefined) return findCompanions(this.state, role, this.#qualified(slot))
    return findCompanions(this.state, role, null, this.#options.name)
  }

  async findOne(role: Role, slot?: string): Promise<ProcessId> {
    return until(`${role} ${slot ?? ''} of ${this.state} is found`, 10_000, () => this.find(role, slot)[0])
  }

  /** Signals everybody in the role, and for SIGKILL waits until they are gone. Returns who it was. */
  async kill(role: Role, slot?: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<readonly ProcessId[]> {
    const found = this.find(role, slot)
    for (const id of found) signalProcess(id, signal)
    if (signal === 'SIGKILL') await until(`${role} is gone`, 5000, () => found.every((id) => !isAlive(id)), 2)
    return found
  }

  /** Waits until nobody plays the role any more. */
  async waitForNobody(role: Role, slot?: string): Promise<void> {
    await until(`no ${role} is left`, 10_000, () => this.find(role, slot).length === 0)
  }

  /** Kills everybody who would start a daemon, and the daemon, until nobody has started another: instances run on alone. */
  async killDaemonForGood(): Promise<void> {
    const everybody = ['collector', 'supervisor', 'daemon'] as const
    do {
      for (const role of everybody) await this.kill(role)
    } while (everybody.some((role) => this.find(role).length > 0))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#commands) child.kill('SIGKILL')
    await cleanUp(this.workshop, this.state)
  }
}

export function isSettled(status: StatusAnswer): boolean {
  const { operation, services, instances } = status
  if (operation !== null && (operation.state === 'running' || operation.state === 'rolling-back')) return false
  const jobs = new Set(services.filter(({ kind }) => kind === 'job').map(({ service }) => service))
  return (
    services.every(({ kind, ready, desired }) => kind === 'job' || ready === desired) &&
    instances.every(({ service, state }) => (jobs.has(service) ? state === 'completed' : state === 'running'))
  )
}

export function baseEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('DARUMA_') && !name.startsWith('NODE_'))
  return { ...(Object.fromEntries(kept) as Record<string, string>), DARUMA_NODE: process.execPath, NO_COLOR: '1' }
}

async function collect(child: ChildProcess): Promise<Outcome> {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (part: Buffer) => (stdout += part.toString('utf8')))
  child.stderr?.on('data', (part: Buffer) => (stderr += part.toString('utf8')))
  const closed = once(child, 'close')
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  // A daemon that keeps a pipe of the command would hold whoever started it: ssh, CI, this test.
  let isClosed = false
  void closed.then(() => (isClosed = true))
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, pipeLimitMs).unref())])
  if (!isClosed) throw new Error('the command has ended, but somebody keeps its output open')
  return { code, signal, stdout, stderr }
}

/** A service that reports itself to the witness. */
export const reporter = (mode: string = 'healthy'): { command: readonly string[]; environment: Record<string, string> } => ({
  command: [process.execPath, join(fixtures, 'reporter.mjs')],
  environment: { MODE: mode },
})
