/**
 * The {@link Runtime} on containers of this host's engine, and the {@link Images} that they are started from. The engine's unique name is
 * the slot's lock; labels say whose container it is. The order of effects in `start` is the promise "never twice": the epoch file first,
 * then a container that holds the name and runs nothing, and only then its start, asked for by its id. Anything that wants the name must
 * have removed the container, and a removed one cannot be started by any request that is still under way.
 */

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { type SlotId, asEpoch } from '../../core/model/id.ts'
import type { StartLane } from '../../system/start-turns.ts'
import {
  commitEpoch,
  ensureSlot,
  epochDirectory,
  listEpochs,
  makeEpochDirectory,
  pruneEpochs,
  readEpochNote,
  readNumber,
  slotPaths,
  writeEpochFiles,
} from '../../host/slot-files.ts'
import { withStopNote } from '../../host/stop-note.ts'
import { readLog } from '../../host/logs/read-log.ts'
import { SecretFiles } from '../../host/secret-files.ts'
import type { Checkpoint } from '../../ports/checkpoint.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Images } from '../../ports/runtime/images.ts'
import type { Log } from '../../ports/log.ts'
import type {
  Discovery,
  ExecPlan,
  Guarantees,
  InstanceRef,
  ProcessIdentity,
  Runtime,
  RuntimeEvent,
  StartOrder,
  StartRefusal,
  Usage,
} from '../../ports/runtime/runtime.ts'
import { ContainerLife, inspectContainer, removeContainer } from './container/container-life.ts'
import { clearOlder, createContainer } from './container/create-container.ts'
import { discoverContainers } from './discover.ts'
import type { EngineConnection } from './connection.ts'
import type { Engine } from './engine/engine.ts'
import { reasonOf } from './engine/errors.ts'
import { EventStream } from './engine/event-stream.ts'
import { planExec } from './container/exec.ts'
import { observeHolders } from './holders.ts'
import { Network } from './network.ts'
import { askForList, listOwnContainers } from './container/own-containers.ts'
import type { EngineEvent } from './engine/parse.ts'
import type { ContainerStart } from './container/render.ts'
import { prepareVolumes } from './container/volumes.ts'
import { findLivingWitness, observeWitness } from './container/witness.ts'
import { explainStartFailure } from './start-failure.ts'

export interface DockerOptions {
  /** Of the project: where its slots and volumes are. */
  readonly stateDirectory: string
  /** The state's id in lower-case hex, and the project behind an underscore; part of every container's name. */
  readonly stateId: string
  readonly checkpoint: Checkpoint
  readonly log: Log
}

/** Of one project. It ends before the connection does. */
export function createContainers(options: DockerOptions, { engine, images, starts }: EngineConnection): Runtime {
  return new DockerRuntime(options, { engine, images, starts: starts.lane(options.stateId) })
}

class DockerRuntime implements Runtime {
  readonly #options: DockerOptions
  readonly #engine: Engine
  readonly #images: Images
  readonly #lives = new Map<string, ContainerLife>()
  /** Slots of which we know all containers that there can be: they were listed once, and each creation since has been answered. */
  readonly #clearSlots = new Set<SlotId>()
  readonly #starts: StartLane
  readonly #events: EventStream
  readonly #secretFiles: SecretFiles
  readonly #network: Network
  readonly #unlisten: () => void
  /** Since when nothing of this state has been in the engine; null while something is. */
  #emptySinceMs: number | null = null
  #emit: (event: RuntimeEvent) => void = () => {}
  #poll: NodeJS.Timeout | null = null
  #isPolling = false

  constructor(options: DockerOptions, shared: { readonly engine: Engine; readonly images: Images; readonly starts: StartLane }) {
    const { engine, images } = shared
    this.#starts = shared.starts
    this.#options = options
    this.#engine = engine
    this.#images = images
    this.#events = new EventStream({
      engine,
      stateId: options.stateId,
      onEvent: (event) => this.#take(event),
      onReconnect: () => this.#lookAtAll(),
    })
    const { stateId, log } = options
    this.#secretFiles = new SecretFiles(stateId, 'containers')
    this.#network = new Network({ engine, stateId, log, reach: (checkpoint) => this.#reach(checkpoint) })
    this.#unlisten = engine.listen((fault) => {
      if (fault === null) this.#lookAtAll()
    })
  }

  async discover(onEvent: (event: RuntimeEvent) => void): Promise<Discovery> {
    this.#emit = onEvent
    mkdirSync(join(this.#options.stateDirectory, 'slots'), { recursive: true, mode: 0o700 })
    const found = await discoverContainers({
      engine: this.#engine,
      stateDirectory: this.#options.stateDirectory,
      stateId: this.#options.stateId,
      makeLife: (instance, containerId) => this.#makeLife(instance, containerId, true),
    })
    // Of an engine that does not answer it is not known who still needs his.
    if (this.#engine.info !== null && this.#engine.fault === null)
      this.#secretFiles.sweep([...this.#lives.values()].map((life) => life.instance))
    void this.#events.run()
    this.#poll ??= setInterval(() => void this.#pollOnce(), this.#engine.limits.pollMs)
    this.#poll.unref()
    return found
  }

  start(order: StartOrder): Promise<StartRefusal | null> {
    const { runs } = order
    if (runs.kind !== 'container') return Promise.resolve({ kind: 'failed', message: 'the order is for a process' })
    return this.#starts.run(order.isRetry, async () => {
      const undo: (() => void)[] = []
      const refusal = await this.#startInNetwork({ ...order, runs }, undo).catch((error: unknown) =>
        explainStartFailure(error, order),
      )
      if (refusal !== null) for (const step of undo.toReversed()) step()
      return refusal
    })
  }

  async #startInNetwork(order: ContainerStart, undo: (() => void)[]): Promise<StartRefusal | null> {
    if (this.#engine.info === null || this.#engine.fault !== null) {
      const fault = await this.#engine.connect()
      if (fault !== null) return { kind: 'engine-away', message: fault }
    }
    const start = (): Promise<StartRefusal | null> => this.#start(order, undo)
    return order.runs.network === 'bridge' ? this.#network.during(start) : start()
  }

  async #start(order: ContainerStart, undo: (() => void)[]): Promise<StartRefusal | null> {
    const paths = this.#paths(order.slot)
    ensureSlot(paths, order.maxLogBytes)
    const last = readNumber(paths.epoch) ?? listEpochs(paths).at(-1) ?? 0
    if (last >= order.epoch) return { kind: 'superseded', by: asEpoch(last) }
    if (this.#livesIn(order.slot) || findLivingWitness(paths) !== null)
      return { kind: 'occupied', holders: await this.holders(order.slot) }
    if (!makeEpochDirectory(paths, order.epoch)) return { kind: 'superseded', by: order.epoch }
    const directory = epochDirectory(paths, order.epoch)
    undo.push(() => rmSync(directory, { recursive: true, force: true }))
    await this.#reach('container.directory-made')

    const { runs, note } = order
    writeEpochFiles(directory, {
      directory: runs.directory ?? '',
      user: runs.user,
      namespaces: true,
      note,
      container: this.#engine.info?.identity ?? '',
    })
    prepareVolumes(this.#options.stateDirectory, order)
    undo.push(() => this.#secretFiles.remove(order))
    await this.#reach('container.note-written')
    // Asked while the disk is waited for: whatever stands under the slot's labels by now is older.
    const isClear = this.#clearSlots.delete(order.slot)
    const listing = isClear ? [] : listOwnContainers(this.#engine, this.#options.stateId, { slot: order.slot })
    const [others] = await Promise.all([listing, commitEpoch(paths, order.epoch)])
    await this.#reach('container.epoch-committed')

    const tools = {
      engine: this.#engine,
      images: this.#images,
      stateId: this.#options.stateId,
      stateDirectory: this.#options.stateDirectory,
      hostAddress: this.#network.hostAddress,
      secretFiles: this.#secretFiles,
      reach: (checkpoint: string) => this.#reach(checkpoint),
    }
    const inTheWay = await clearOlder(tools, order, others)
    if (inTheWay !== null) return inTheWay
    const created = await createContainer(tools, order)
    this.#clearSlots.add(order.slot)
    if ('refusal' in created) return created.refusal
    await this.#reach('container.created')
    const life = this.#makeLife(order, created.id, false)
    const error = await life.start()
    if (error !== null) {
      await life.abandon().catch((failure: unknown) => this.#warn('a container that did not start could not be removed', failure))
      return { kind: 'failed', message: `${order.slot}: ${reasonOf(error)}` }
    }
    undo.length = 0
    await this.#reach('container.started')
    return null
  }

  async signal(...[instance, signal, to = 'leader', stop]: Parameters<Runtime['signal']>): Promise<void> {
    const life = this.#lives.get(keyOf(instance))
    if (life === undefined || life.beginning === null) return
    if (stop === undefined) return life.signal(signal)
    await withStopNote(
      epochDirectory(this.#paths(instance.slot), instance.epoch),
      { signal, to, stop },
      {
        send: () => life.signal(signal),
        onTrouble: (error) => this.#warn('a stop could not be noted for the next daemon', error),
      },
    )
  }

  async kill(instance: InstanceRef, limitMs: number): Promise<void> {
    const life = this.#lives.get(keyOf(instance))
    if (life === undefined) return
    life.end()
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const timer = setTimeout(() => resolve(false), limitMs)
    void life.over.then(() => resolve(true))
    const isOver = await promise
    clearTimeout(timer)
    if (isOver) return
    const { fault } = this.#engine
    const why = fault === null ? 'its processes do not end, or the engine does not remove it' : `the engine is away: ${fault}`
    throw new DarumaError('E_RUNTIME_UNKILLABLE', `the container of ${instance.slot} was not gone within ${limitMs} ms: ${why}`, {
      hint: 'nothing else is started in its place until the engine says that it is gone',
    })
  }

  /** Rejects where the engine does not answer: then it is unknown, and nothing may start. */
  async isOccupied(slot: SlotId): Promise<boolean> {
    if (this.#livesIn(slot) || findLivingWitness(this.#paths(slot)) !== null) return true
    // A foreign container that only has the name is in nobody's way but a container's.
    for (const { id } of await listOwnContainers(this.#engine, this.#options.stateId, { slot })) {
      const found = await inspectContainer(this.#engine, id)
      if (found?.state === 'running') return true
      if (found !== null) await removeContainer(this.#engine, id, found.state === 'ended' ? 'has ended' : 'may run')
    }
    return false
  }

  holders(slot: SlotId): Promise<readonly ProcessIdentity[]> {
    const { stateId } = this.#options
    return observeHolders(this.#engine, { stateId, slot, paths: this.#paths(slot), isLive: this.#livesIn(slot) })
  }

  memoryKills(instance: InstanceRef): number | null {
    return this.#lives.get(keyOf(instance))?.memoryKills ?? null
  }

  usage(instance: InstanceRef): Usage | null {
    return this.#lives.get(keyOf(instance))?.usage ?? null
  }

  async exec(instance: InstanceRef, command: readonly string[]): Promise<ExecPlan> {
    const life = this.#lives.get(keyOf(instance))
    const containerId = life === undefined || life.beginning === null ? null : life.containerId
    return planExec({ slot: instance.slot, containerId, info: this.#engine.info, command })
  }

  readLog(...[slot, from, maxBytes]: Parameters<Runtime['readLog']>): ReturnType<Runtime['readLog']> {
    return readLog(this.#paths(slot).directory, from, maxBytes)
  }

  /** Only what an engine keeps of it; files are forgotten by anything that shares them. */
  async forget(slot: SlotId): Promise<void> {
    if (await this.isOccupied(slot))
      throw new DarumaError('E_RUNTIME_OCCUPIED', `${slot} cannot be forgotten: its container still runs`)
    this.#clearSlots.delete(slot)
  }

  guarantees(): Guarantees {
    const limits = ['cpu', 'memory', 'pids'] as const
    return { killing: 'engine', namespaces: true, lock: true, limits, strict: { possible: true, because: null }, weaker: [] }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#poll !== null) clearInterval(this.#poll)
    this.#events.close()
    if (this.#lives.size === 0) await this.#network.removeUnused()
    await Promise.all([...this.#lives.values()].map((life) => life.detach()))
    if (this.#lives.size === 0) await this.#secretFiles.close()
    this.#lives.clear()
    this.#emit = () => {}
    this.#unlisten()
  }

  #makeLife(instance: InstanceRef, containerId: string | null, isAdopted: boolean): ContainerLife {
    const { slot, epoch } = instance
    const paths = this.#paths(slot)
    const key = keyOf(instance)
    const life = new ContainerLife({
      instance: { slot, epoch },
      paths,
      engine: this.#engine,
      containerId,
      isAdopted,
      find: () => this.#findContainer(instance),
      doubt: () => (containerId === null ? this.#doubtOf(instance) : null),
      reach: (checkpoint) => this.#reach(checkpoint),
      cleanUp: () => {
        this.#lives.delete(key)
        this.#secretFiles.remove(instance)
        const isLive = (other: number): boolean => this.#lives.has(keyOf({ slot, epoch: asEpoch(other) }))
        pruneEpochs(paths, isLive).catch((error: unknown) => this.#warn('old epochs could not be removed', error))
      },
      emit: (event) => this.#emit(event),
      log: this.#options.log,
    })
    this.#lives.set(key, life)
    return life
  }

  async #findContainer(instance: InstanceRef): Promise<string | null> {
    const [found] = await listOwnContainers(this.#engine, this.#options.stateId, instance)
    return found?.id ?? null
  }

  /** Another engine than the one that it was started by cannot say that it is gone; that its first process is dead, the kernel can. */
  #doubtOf({ slot, epoch }: InstanceRef): string | null {
    const directory = epochDirectory(this.#paths(slot), epoch)
    const { container = '' } = readEpochNote(directory) ?? {}
    if (container === '' || container === this.#engine.info?.identity) return null
    return observeWitness(directory).kind === 'ended' ? null : 'it was started by another engine'
  }

  #take(event: EngineEvent): void {
    for (const life of this.#lives.values()) {
      if (life.containerId !== event.id) continue
      if (event.action === 'die') life.noteDeath(event.exitCode)
      else life.look()
    }
  }

  /** One question for all: only those that are not where they should be are looked at more closely. */
  async #pollOnce(): Promise<void> {
    if (this.#isPolling || this.#engine.fault !== null) return
    this.#isPolling = true
    try {
      const listed = await askForList(this.#engine, this.#options.stateId)
      const running = new Set(listed.filter(({ State }) => State === 'running').map(({ Id }) => Id))
      for (const life of this.#lives.values())
        if (life.beginning === null || life.isEnding || !running.has(life.containerId ?? '')) life.look()
      await this.#leaveNetwork(listed.length === 0 && this.#lives.size === 0)
    } catch {
      // Away, which the engine itself has told; all are looked at when it is back.
    } finally {
      this.#isPolling = false
    }
  }

  /** A restart, or a schedule's next run, must find the network where it was; a project that is down needs none. */
  async #leaveNetwork(isEmpty: boolean): Promise<void> {
    if (!isEmpty) this.#emptySinceMs = null
    else this.#emptySinceMs ??= performance.now()
    if (this.#emptySinceMs !== null && performance.now() - this.#emptySinceMs >= this.#engine.limits.idleMs)
      await this.#network.removeUnused()
  }

  #lookAtAll(): void {
    for (const life of this.#lives.values()) life.look()
  }

  #livesIn(slot: SlotId): boolean {
    return [...this.#lives.values()].some(({ instance }) => instance.slot === slot)
  }

  #paths(slot: SlotId): ReturnType<typeof slotPaths> {
    return slotPaths(this.#options.stateDirectory, slot)
  }

  async #reach(name: string): Promise<void> {
    if (this.#options.checkpoint !== null) await this.#options.checkpoint(name)
  }

  #warn(message: string, error: unknown): void {
    this.#options.log.write('warn', message, { error: String(error) })
  }
}

const keyOf = (instance: InstanceRef): string => `${instance.slot} ${instance.epoch}`
