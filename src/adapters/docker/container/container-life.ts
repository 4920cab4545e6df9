/**
 * One epoch that is a container, from the moment it is created until the engine has forgotten it. `look` asks the engine and takes no hint
 * of what changed, one look at a time. What a newcomer would get wrong: an answer that does not come is no answer. While the engine is
 * away nothing is assumed to have ended, nor while the kernel still has its first process, whatever the engine says. And as long as our own
 * start is unanswered nothing is removed, since both would be carried out at once when the engine goes on.
 */

import { setTimeout as sleep } from 'node:timers/promises'

import type { Exit } from '../../../core/model/status.ts'
import { isAlive, observeProcess } from '../../../system/process-stat.ts'
import { type Beginning, epochDirectory, readExit, type SlotPaths, writeBeginning, writeExit } from '../../../host/slot-files.ts'
import type { Log } from '../../../ports/log.ts'
import type { InstanceRef, RuntimeEvent, Usage } from '../../../ports/runtime/runtime.ts'
import { type CgroupPaths, findProcessesOf, observeCgroups, observeMemoryKills, observeUsage } from './cgroup.ts'
import { ContainerLog } from '../log/container-log.ts'
import type { Engine } from '../engine/engine.ts'
import { EngineSilent, isStatus, reasonOf } from '../engine/errors.ts'
import { type Found, parseExit, parseInspect } from '../engine/parse.ts'
import { asWitness, observeWitness, signalWitness, type Witness } from './witness.ts'

export interface LifeOptions {
  readonly instance: InstanceRef
  readonly paths: SlotPaths
  readonly engine: Engine
  /** Null where only the slot's note says that there is one: the engine was away when this daemon began. */
  readonly containerId: string | null
  /** Finds the epoch's container by its labels; null when the engine has none. */
  readonly find: () => Promise<string | null>
  /** Why nothing can be told of this epoch though an engine answers, or null. */
  readonly doubt: () => string | null
  readonly reach: (checkpoint: string) => Promise<void>
  readonly cleanUp: () => void
  readonly emit: (event: RuntimeEvent) => void
  readonly log: Log
  /** Reported as running by discovery: its end is told as an end, whatever is known of its beginning. */
  readonly isAdopted: boolean
}

/** The last lines of a container that has ended; after that it is removed all the same. */
const drainLimitMs = 10_000
/** Podman tells of a death up to a second later. */
const wordsLimitMs = 1500
/** An engine may report an end a moment before the kernel is done with the process. */
const deathLimitMs = 1000

export class ContainerLife {
  readonly instance: InstanceRef
  /** Resolves when the last event was emitted. */
  readonly over: Promise<void>
  readonly #options: LifeOptions
  readonly #resolveOver: () => void
  #id: string | null
  #log: ContainerLog | null = null
  #beginning: Extract<Beginning, { kind: 'started' }> | null = null
  #cgroups: CgroupPaths | null = null
  #witness: Witness | null = null
  #isLostWarned = false
  /** Our own start, until the engine has answered it. */
  #starting: Promise<unknown> | null = null
  #isEnding = false
  #isOver = false
  #isDetached = false
  #isMuted = false
  #isLooking = false
  #isNudged = false
  /** Of the last `die` event, for a container that was removed before it could be asked. */
  #diedWith: number | null = null

  constructor(options: LifeOptions) {
    this.#options = options
    this.instance = options.instance
    this.#id = options.containerId
    const { promise, resolve } = Promise.withResolvers<void>()
    this.over = promise
    this.#resolveOver = resolve
  }

  get containerId(): string | null {
    return this.#id
  }

  get isEnding(): boolean {
    return this.#isEnding
  }

  get beginning(): Extract<Beginning, { kind: 'started' }> | null {
    return this.#beginning
  }

  get memoryKills(): number | null {
    return this.#cgroups === null ? null : observeMemoryKills(this.#cgroups)
  }

  get usage(): Usage | null {
    return this.#cgroups === null ? null : observeUsage(this.#cgroups)
  }

  /** What the engine cannot be asked for may still be known: a beginning that an earlier daemon wrote down. */
  adopt(found: Found | null, recorded: Beginning): void {
    if (recorded.kind === 'started') this.#beginning = recorded
    const observed = observeWitness(this.#directory)
    if (observed.kind === 'lives') this.#witness = observed.witness
    if (found !== null) this.#noteRunning(found, false)
  }

  /** Tells the engine to start it. Resolves to its refusal, or null: it has started, or has not answered in time. */
  async start(): Promise<unknown> {
    const { engine } = this.#options
    const id = this.#id ?? ''
    const asked = engine.open((client) => client.startContainer(id))
    this.#starting = asked
    const answered = asked.then(
      () => ({ error: null }),
      (error: unknown) => ({ error }),
    )
    void answered.then(() => (this.#starting = null)).then(() => this.look())
    const abort = new AbortController()
    const late = sleep(engine.limits.workMs, null, { signal: abort.signal, ref: false }).catch(() => null)
    const answer = await Promise.race([answered, late])
    abort.abort()
    // Without an answer anything may be true: looking finds out which, however long that takes.
    if (answer === null) void engine.connect()
    const error = answer?.error ?? null
    return error instanceof EngineSilent ? null : error
  }

  noteDeath(exitCode: number | null): void {
    this.#diedWith = exitCode ?? this.#diedWith
    this.look()
  }

  look(): void {
    if (this.#isOver || this.#isDetached) return
    this.#isNudged = true
    if (this.#isLooking) return
    this.#isLooking = true
    void this.#lookUntilQuiet().finally(() => {
      this.#isLooking = false
      if (this.#isNudged) this.look()
    })
  }

  /** SIGKILL, then its removal; {@link over} tells when it is done. */
  end(): void {
    this.#isEnding = true
    this.look()
  }

  async signal(signal: NodeJS.Signals): Promise<void> {
    const id = this.#id
    if (id === null) return
    const { engine } = this.#options
    await engine
      .ask('kill', (client, abortSignal) => client.killContainer(id, signal, abortSignal), engine.limits.askMs)
      .catch((error: unknown) => {
        if (!isStatus(error, 404, 409, 500)) throw error
        // It does not run (any more), as far as the engine knows; a process that the engine has lost is asked without it.
        if (this.#witness !== null) signalWitness(this.#witness, signal)
      })
  }

  /** Stops watching and ends nothing. */
  async detach(): Promise<void> {
    this.#isDetached = true
    this.#log?.close()
  }

  /** It has never run and never will: removed without a word. */
  async abandon(): Promise<void> {
    this.#isOver = true
    this.#log?.close()
    try {
      if (this.#id !== null) await removeContainer(this.#options.engine, this.#id, 'may run')
    } finally {
      // One that could not be removed holds the name and runs nothing: the next start removes it.
      this.#options.cleanUp()
      this.#resolveOver()
    }
  }

  /** What found it ended reports its end. */
  mute(): void {
    this.#isMuted = true
  }

  async #lookUntilQuiet(): Promise<void> {
    await Promise.resolve()
    while (this.#isNudged && !this.#isOver && !this.#isDetached) {
      this.#isNudged = false
      try {
        await this.#lookOnce()
      } catch (error) {
        // Away: the engine's return, or the poll, makes us look again.
        if (this.#options.engine.fault === null)
          this.#options.log.write('warn', `looking at ${this.instance.slot} failed`, { error: reasonOf(error) })
        return
      }
    }
  }

  async #lookOnce(): Promise<void> {
    const { engine } = this.#options
    if (engine.fault !== null) return
    if (this.#options.doubt() !== null) return
    this.#id ??= await this.#options.find()
    const found = this.#id === null ? null : await inspectContainer(engine, this.#id)
    // Its start was refused and it is given up: whoever asked for the start tells that, and nobody tells it twice.
    if (this.#isOver) return
    if (found?.state !== 'running' && (await this.#outlives(found))) return
    if (found === null) {
      if (this.#starting !== null) return
      await this.#waitForWords()
      return this.#finish(this.#exitWithoutContainer())
    }
    switch (found.state) {
      case 'running':
        this.#noteRunning(found, true)
        if (this.#isEnding) await this.signal('SIGKILL')
        return
      case 'created':
        if (this.#starting === null) await this.#finishUnstarted()
        return
      case 'ended':
        this.#noteRunning(found, true)
        return this.#finish(found.exit ?? { kind: 'unknown' })
    }
  }

  /** Whether the kernel still has its first process, though the engine says that it has ended or has no such container. */
  async #outlives(found: Found | null): Promise<boolean> {
    const witness = this.#witness
    if (witness === null) return false
    if (this.#isEnding) signalWitness(witness, 'SIGKILL')
    const endMs = performance.now() + deathLimitMs
    while (isAlive(witness)) {
      if (performance.now() < endMs) {
        await sleep(20)
        continue
      }
      if (!this.#isLostWarned) {
        const state = found === null ? 'has no such container' : `says that its container is "${found.state}"`
        const message = `${this.instance.slot} still runs as process ${witness.pid}, though the container engine ${state}`
        this.#options.log.write('warn', `${message}: nothing is started in its place until that process has ended`)
      }
      this.#isLostWarned = true
      return true
    }
    return false
  }

  #noteRunning(found: Found, isNews: boolean): void {
    this.#follow(found.id)
    this.#cgroups ??= found.pid > 0 ? observeCgroups(found.pid) : null
    // Also known, and another one, where an administrator has restarted the container.
    if ((this.#beginning !== null && found.pid === (this.#witness?.pid ?? 0)) || found.startedAt === null) return
    const isFirst = this.#beginning === null
    if (!isFirst && found.pid === 0) return
    const stat = found.pid > 0 ? observeProcess(found.pid) : null
    const { pid } = found
    const startTicks = stat?.startTicks ?? 0
    this.#witness = asWitness({ pid, startTicks })
    this.#beginning = { kind: 'started', pid, startTicks, startedAt: found.startedAt }
    // Fields that we do not know are 0: only the pid and the start time are ever read.
    const line = `${pid} (container) S ${Array.from({ length: 18 }, () => '0').join(' ')} ${startTicks} 0`
    const { startedAt } = found
    this.#write(() => writeBeginning(this.#directory, line, startedAt))
    if (isNews && isFirst) this.#emit({ kind: 'started', ...this.instance, pid, startTicks, startedAt: found.startedAt })
  }

  #follow(containerId: string): void {
    const { engine, paths, log } = this.#options
    this.#log ??= new ContainerLog({ engine, containerId, epoch: this.instance.epoch, paths, log })
    this.#log.follow()
  }

  /** Removed by somebody: how it ended is in an event that may be on its way. */
  async #waitForWords(): Promise<void> {
    if (this.#beginning === null || this.#isEnding || readExit(this.#directory) !== null) return
    const end = performance.now() + wordsLimitMs
    while (this.#diedWith === null && performance.now() < end) await sleep(20)
  }

  /** It has been removed by somebody, after it had ended or by force. */
  #exitWithoutContainer(): Exit {
    const recorded = readExit(this.#directory)
    if (recorded !== null) return recorded
    if (this.#diedWith !== null) return parseExit({ code: this.#diedWith, isOom: false })
    return this.#isEnding ? { kind: 'signal', signal: 'SIGKILL' } : { kind: 'unknown' }
  }

  /** Ended for certain: what it was is taken down, and only then does it make room. */
  async #finish(exit: Exit): Promise<void> {
    const id = this.#id
    this.#write(() => writeExit(this.#directory, exit))
    await this.#options.reach('container.exit-written')
    if (id !== null) {
      // Never followed where it ended before anybody looked.
      if (this.#log !== null && !(await this.#log.drain(drainLimitMs)))
        this.#options.log.write('warn', `the last lines of ${this.instance.slot} could not be read`)
      await this.#options.reach('container.log-taken')
      await removeContainer(this.#options.engine, id, 'has ended')
      await this.#options.reach('container.removed')
    }
    this.#close()
    if (this.#beginning === null && !this.#options.isAdopted) {
      const message = 'the container was removed before it could start'
      this.#emit({ kind: 'refused', ...this.instance, refusal: { kind: 'failed', message } })
    } else this.#emit({ kind: 'gone', ...this.instance, exit })
    this.#resolveOver()
  }

  /** Created, and our start is answered or was never sent: it was given up, or the engine died over it. */
  async #finishUnstarted(): Promise<void> {
    if (this.#id !== null) await removeContainer(this.#options.engine, this.#id, 'may run')
    this.#close()
    const message = 'the container engine went away during the start'
    this.#emit({ kind: 'refused', ...this.instance, refusal: { kind: 'failed', message } })
    this.#resolveOver()
  }

  #close(): void {
    this.#isOver = true
    this.#log?.close()
    this.#options.cleanUp()
  }

  #emit(event: RuntimeEvent): void {
    if (!this.#isMuted) this.#options.emit(event)
  }

  get #directory(): string {
    return epochDirectory(this.#options.paths, this.instance.epoch)
  }

  /** Files of a slot that somebody has removed cost only what they would have told. */
  #write(write: () => void): void {
    try {
      write()
    } catch (error) {
      this.#options.log.write('warn', `${this.instance.slot}: ${String(error)}`)
    }
  }
}

/** Null when the engine has no such container. */
export async function inspectContainer(engine: Engine, idOrName: string): Promise<Found | null> {
  try {
    const raw = await engine.ask('inspect', (client, signal) => client.inspectContainer(idOrName, signal), engine.limits.askMs)
    return parseInspect(raw)
  } catch (error) {
    if (isStatus(error, 404)) return null
    throw error
  }
}

const orphanLimitMs = 5000

/**
 * Removes the container with whatever runs in it. A start that was under way in the engine in the very moment of the removal may leave
 * processes without a container: they are in its cgroup, and end here. Throws when it is not certain that nothing is left.
 */
export async function removeContainer(engine: Engine, id: string, it: 'may run' | 'has ended'): Promise<void> {
  const { workMs } = engine.limits
  const deadline = performance.now() + workMs
  for (;;) {
    try {
      await engine.ask('remove', (client, signal) => client.removeContainer(id, signal), workMs)
      break
    } catch (error) {
      if (isStatus(error, 404)) break
      // Another is removing it, or the kernel still holds its files for a moment.
      if (!isStatus(error, 409, 500) || performance.now() > deadline) throw error
      await sleep(50)
    }
  }
  // Anything that was seen ended was started, and nothing is started twice: there is no start left that could cross its removal.
  if (it === 'has ended') return
  const lastMs = performance.now() + orphanLimitMs
  for (let pids = findProcessesOf(id); pids.length > 0; pids = findProcessesOf(id)) {
    if (performance.now() > lastMs) throw new Error(`processes of a removed container live on: ${pids.join(', ')}`)
    for (const pid of pids) killQuietly(pid)
    await sleep(10)
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
