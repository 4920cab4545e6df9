/**
 * The {@link Runtime} on processes of this host: slots on disk, cgroups in the kernel, a keeper for each instance. The order of
 * effects in `start` is the promise "never twice"; between every two of them a fault test can stop or kill this daemon.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { type SlotId, asEpoch } from '../../core/model/id.ts'
import type { SignalName, StopPolicy } from '../../core/model/service.ts'
import { SecretFiles } from '../../host/secret-files.ts'
import { shedInheritance } from '../../system/inherited-descriptors.ts'
import { type InstalledScripts, keepInstalled } from '../../host/install-script.ts'
import { DarumaError } from '../../ports/error.ts'
import type {
  Discovery,
  ExecPlan,
  Guarantees,
  InstanceRef,
  LogPage,
  LogStart,
  ProcessIdentity,
  Runtime,
  RuntimeEvent,
  StartOrder,
  StartRefusal,
  StopNotice,
  Usage,
} from '../../ports/runtime/runtime.ts'
import { Afterwards } from './afterwards.ts'
import { discoverSlots } from './discover.ts'
import { type Cgroup } from './cgroups/cgroup.ts'
import { planExec } from './exec.ts'
import { maxParallelStarts, type StartLane, StartTurns } from '../../system/start-turns.ts'
import { HeldNamespaces } from './keepers/held-namespaces.ts'
import { prewarmCgroupMove } from './keepers/prewarm-cgroup-move.ts'
import { observeHolders } from './holders.ts'
import { LeftoverLimits } from './cgroups/leftover-limits.ts'
import type { ProcessRuntimeOptions } from './options.ts'
import { Outputs } from './outputs.ts'
import { findFault, findUser, planRun, type ProcessStart } from './launch.ts'
import { InstanceMonitor, type InstanceMonitorOptions } from './instance-monitor.ts'
import { Site } from './site.ts'
import { Spares } from './spares.ts'
import { explainRefusal, explainStartFailure } from './start-failure.ts'
import { lockFor } from './keepers/lock-for.ts'
import { renderGo, renderOrder } from './keepers/keeper-script.ts'
import { chooseKeeperTools } from './keepers/keeper-tools.ts'
import { renderKnownState } from './keepers/known-state.ts'
import { ReadyKeepers } from './keepers/ready-keepers.ts'
import {
  commitEpoch,
  ensureSlot,
  epochDirectory,
  listEpochs,
  makeEpochDirectory,
  pruneEpochs,
  readBeginning,
  readKeeper,
  readNumber,
  removeEpochDirectory,
  removeSlotFiles,
  writeEpochFiles,
} from '../../host/slot-files.ts'
import { readStopNote } from '../../host/stop-note.ts'
import { surveyForRuntimes } from './survey.ts'
import { observeUsage } from './usage.ts'
import { makeVolumes, placeTree, type PlacedTree } from './volumes.ts'

/** Installs the scripts, finds out what this host can do, and touches no instance. */
export async function createProcessRuntime(options: ProcessRuntimeOptions): Promise<Runtime> {
  shedInheritance()
  mkdirSync(join(options.stateDirectory, 'slots'), { recursive: true, mode: 0o700 })
  const survey = await (options.survey ?? surveyForRuntimes(options))
  const { scripts: from, stateDirectory, stateId, project } = options
  const home = project === undefined ? stateId : `${stateId}/${project}`
  const scripts = { from, stateDirectory: options.machineDirectory ?? stateDirectory }
  return new ProcessRuntime(options, new Site({ stateDirectory, home, survey }), {
    keeper: keepInstalled({ name: 'keeper', ...scripts }),
    enter: keepInstalled({ name: 'enter', ...scripts }),
  })
}

/** The net under lost notifications, one timer for all; a second is what an operator calls "at once". */
const pollIntervalMs = 1000
/** What the kernel tells us of is looked at in every fifth round only, a fifth of them in each: 50 idle instances cost a quarter of a percent of a core. */
const pollRoundsOfWatched = 5
const defaultArrivalLimitMs = 10_000

class ProcessRuntime implements Runtime {
  readonly #options: ProcessRuntimeOptions
  readonly #site: Site
  readonly #scripts: InstalledScripts
  readonly #monitors = new Map<string, InstanceMonitor>()
  readonly #leftovers: LeftoverLimits
  /** Changes that are seen when nobody waits for his start, or with the next poll: what begins comes first. */
  readonly #postponed = new Set<InstanceMonitor>()
  readonly #starts: StartLane
  readonly #spares = new Spares((message, error) => this.#warn(message, error))
  readonly #outputs: Outputs
  readonly #namespaces = new HeldNamespaces()
  readonly #afterwards = new Afterwards((message, error) => this.#warn(message, error))
  readonly #secretFiles: SecretFiles
  #emit: (event: RuntimeEvent) => void = () => {}
  #poll: NodeJS.Timeout | null = null
  #pollRound = 0
  readonly #prewarmCgroupMove: () => void
  readonly #keepers: ReadyKeepers

  constructor(options: ProcessRuntimeOptions, site: Site, scripts: InstalledScripts) {
    this.#options = options
    this.#site = site
    this.#scripts = scripts
    this.#starts = (options.starts ?? new StartTurns({ limit: maxParallelStarts, retries: 'bounded' })).lane(
      options.project ?? '',
    )
    this.#outputs = new Outputs(options.machineDirectory ?? options.stateDirectory)
    this.#leftovers = new LeftoverLimits(site.survey.limits, (message, error) => this.#warn(message, error))
    this.#secretFiles = new SecretFiles(site.runName, 'processes')
    this.#keepers = new ReadyKeepers({
      site,
      tools: () => chooseKeeperTools({ survey: site.survey, stateDirectory: site.stateDirectory, keeper: scripts.keeper() }),
      prologue: renderKnownState(site.survey.foreignCgroups),
      standBy: options.standBy,
      onTrouble: (message, error) => this.#warn(message, error),
    })
    this.#prewarmCgroupMove = prewarmCgroupMove(site.survey.killing === 'v1' ? null : site.survey.cgroupMount)
  }

  async discover(onEvent: (event: RuntimeEvent) => void): Promise<Discovery> {
    this.#emit = onEvent
    this.#keepers.remove(this.#site.keepers?.read() ?? [])
    // A keeper that stands by has in its mount namespace what was mounted before.
    if (this.#site.survey.namespaces) await this.#secretFiles.prepare()
    const found = discoverSlots(this.#site, (instance, cgroup) => this.#adopt(instance, cgroup))
    this.#secretFiles.sweep([...this.#monitors.values()].map(({ instance }) => instance))
    this.#poll = setInterval(() => this.#lookAtAll(), pollIntervalMs)
    this.#poll.unref()
    this.#keepers.open()
    return found
  }

  async start(order: StartOrder): Promise<StartRefusal | null> {
    const refusal = await this.#startInTurn(order)
    if (!this.#starts.hasWaiters) this.#lookAtPostponed()
    return refusal
  }

  #startInTurn(order: StartOrder): Promise<StartRefusal | null> {
    const { runs } = order
    if (runs.kind !== 'process') return Promise.resolve({ kind: 'failed', message: `the order is for a ${runs.kind}` })
    return this.#starts.run(order.isRetry, async () => {
      const undo: (() => void)[] = []
      try {
        const refusal = await this.#start({ ...order, ...placeTree(this.#site, runs) }, undo)
        if (refusal !== null) runAll(undo)
        return refusal
      } catch (error) {
        runAll(undo)
        return explainStartFailure(error, order)
      }
    })
  }

  async #start(order: ProcessStart & PlacedTree, undo: (() => void)[]): Promise<StartRefusal | null> {
    const { survey } = this.#site
    const fault = findFault(order, survey)
    if (fault !== null) return { kind: 'failed', message: fault }
    const { runs } = order
    const user = runs.user === null ? null : await findUser(runs.user)
    if (runs.user !== null && user === null) return { kind: 'failed', message: `there is no user "${runs.user}"` }

    const paths = this.#site.paths(order.slot)
    ensureSlot(paths, order.maxLogBytes)
    const last = readNumber(paths.epoch) ?? listEpochs(paths).at(-1) ?? 0
    if (last >= order.epoch) return { kind: 'superseded', by: asEpoch(last) }
    if (this.#isOccupied(order.slot)) return { kind: 'occupied', holders: await this.holders(order.slot) }
    const keeper = await this.#keepers.take()
    undo.push(() => {
      this.#site.unbind(order.slot, order.epoch)
      keeper.dismiss()
    })
    if (!makeEpochDirectory(paths, order.epoch)) return { kind: 'superseded', by: order.epoch }
    undo.push(() => removeEpochDirectory(paths, order.epoch))
    await this.#reach('runtime.directory-made')

    const directory = epochDirectory(paths, order.epoch)
    writeEpochFiles(directory, {
      directory: runs.directory,
      user: runs.user,
      namespaces: survey.namespaces,
      keeper: keeper.identity,
      note: order.note,
    })
    this.#outputs.open(order.slot, directory, user, undo)
    const volumes = [...order.mounts, ...makeVolumes({ site: this.#site, volumes: order.volumes, user })]
    const given = await this.#secretFiles.give(order, user, undo)
    await this.#reach('runtime.note-written')

    this.#site.bind(keeper.number, order.slot, order.epoch)
    const joinFiles = survey.limits.make(this.#site.cgroupPath(order.slot, order.epoch), order.limits)
    // A keeper that has yet to join the limits' cgroups would wait for the kernel.
    if (joinFiles.length > 0) this.#prewarmCgroupMove()
    await this.#reach('runtime.cgroups-made')

    const { commandEnvironment, ...run } = planRun({ order: given, survey, epochDirectory: directory, user, volumes })
    const monitor = this.#watch({ slot: order.slot, epoch: order.epoch }, this.#site.cgroup(order.slot, order.epoch), {
      isOurs: true,
      keeper: keeper.identity,
      environment: commandEnvironment,
      hasLimits: Object.values(order.limits).some((limit) => limit !== null),
    })
    undo.push(() => {
      monitor.detach()
      this.#monitors.delete(keyOf(order))
      this.#namespaces.release(keyOf(order))
    })
    // The keeper makes itself ready while the disk writes the epoch; it runs nothing before it is told to.
    keeper.send(renderOrder(keeper.number, { slotDirectory: paths.directory, epochDirectory: directory, joinFiles, ...run }))
    const committed = commitEpoch(paths, order.epoch)
    this.#afterwards.run()
    await committed
    await this.#reach('runtime.epoch-committed')

    keeper.sendLast(() => renderGo(keeper.number, lockFor(keeper.identity)))
    undo.length = 0
    this.#spares.want(order.slot, paths)
    await this.#reach('runtime.keeper-spawned')
    return null
  }

  async signal(instance: InstanceRef, signal: SignalName, to: StopPolicy['to'] = 'leader', stop?: StopNotice): Promise<void> {
    await this.#monitors.get(keyOf(instance))?.ask(signal, to, stop)
  }

  async kill(instance: InstanceRef, limitMs: number): Promise<void> {
    const monitor = this.#monitors.get(keyOf(instance)) ?? this.#findForgotten(instance)
    if (monitor === null) return
    monitor.end()
    if (await monitor.endsWithin(limitMs)) return
    const holders = await this.holders(instance.slot)
    const names = holders.map((holder) => `${holder.pid} (${holder.command})`).join(', ')
    throw new DarumaError('E_RUNTIME_UNKILLABLE', `${instance.slot} did not end within ${limitMs} ms of SIGKILL: ${names}`, {
      hint: 'a process in an uninterruptible call (a hanging disk or network mount) ends when that call does',
    })
  }

  async isOccupied(slot: SlotId): Promise<boolean> {
    return this.#isOccupied(slot)
  }

  holders(slot: SlotId): Promise<readonly ProcessIdentity[]> {
    return observeHolders(this.#site, slot)
  }

  memoryKills(instance: InstanceRef): number | null {
    return this.#monitors.get(keyOf(instance))?.countMemoryKills() ?? null
  }

  usage(instance: InstanceRef): Usage | null {
    return observeUsage(this.#monitors.get(keyOf(instance))?.cgroup ?? null)
  }

  async exec(instance: InstanceRef, command: readonly string[]): Promise<ExecPlan> {
    const { survey } = this.#site
    const limitFiles = survey.limits.joinFiles(this.#site.cgroupPath(instance.slot, instance.epoch))
    const monitor = this.#monitors.get(keyOf(instance)) ?? null
    return planExec({ monitor, slot: instance.slot, command, limitFiles, survey, enter: this.#scripts.enter() })
  }

  readLog(slot: SlotId, from: LogStart, maxBytes: number): Promise<LogPage> {
    return this.#outputs.read(slot, this.#site.paths(slot), from, maxBytes)
  }

  async forget(slot: SlotId): Promise<void> {
    if (this.#isOccupied(slot))
      throw new DarumaError('E_RUNTIME_OCCUPIED', `${slot} cannot be forgotten: something still runs in it`)
    this.#afterwards.run()
    await removeSlotFiles(this.#site.paths(slot))
    this.#site.removeSlotCgroups(slot)
  }

  guarantees(): Guarantees {
    return this.#site.survey.guarantees
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#poll !== null) clearInterval(this.#poll)
    for (const monitor of this.#monitors.values()) monitor.detach()
    this.#monitors.clear()
    this.#afterwards.run()
    this.#namespaces.close()
    this.#outputs.close()
    this.#emit = () => {}
    await this.#keepers.close()
    await this.#secretFiles.close()
    this.#leftovers.look()
    this.#site.sweep()
  }

  /** The witness before a start: every earlier epoch of the slot is closed for good, or the slot is occupied. */
  #isOccupied(slot: SlotId): boolean {
    for (const monitor of this.#monitors.values()) if (monitor.instance.slot === slot) return true
    return this.#site.epochsInKernel(slot).some((epoch) => !this.#site.seal(slot, epoch))
  }

  #adopt(instance: InstanceRef, cgroup: Cgroup): InstanceMonitor {
    const keeper = readKeeper(epochDirectory(this.#site.paths(instance.slot), instance.epoch))
    const { limits } = this.#site.survey
    const hasLimits = limits.countsUnlimited || limits.joinFiles(this.#site.cgroupPath(instance.slot, instance.epoch)).length > 0
    const monitor = this.#watch(instance, cgroup, { isOurs: false, keeper, environment: null, hasLimits })
    monitor.adopt(readBeginning(monitor.directory), readStopNote(monitor.directory))
    this.#outputs.hold(instance.slot, monitor.directory)
    return monitor
  }

  /** An epoch that nobody told us of, in a state that was restored or tampered with while we ran. */
  #findForgotten(instance: InstanceRef): InstanceMonitor | null {
    const { slot, epoch } = instance
    return this.#site.seal(slot, epoch) ? null : this.#adopt(instance, this.#site.cgroup(slot, epoch))
  }

  #watch(instance: InstanceRef, cgroup: Cgroup, spawned: Spawn): InstanceMonitor {
    const { slot, epoch } = instance
    const paths = this.#site.paths(slot)
    const path = this.#site.cgroupPath(slot, epoch)
    const { limits } = this.#site.survey
    const monitor = new InstanceMonitor({
      instance: { slot, epoch },
      paths,
      directory: epochDirectory(paths, epoch),
      cgroup,
      ...spawned,
      arrivalLimitMs: this.#options.arrivalLimitMs ?? defaultArrivalLimitMs,
      countOomKills: () => (spawned.hasLimits || limits.countsUnlimited ? limits.countOomKills(path) : 0),
      cleanUp: () => {
        this.#monitors.delete(keyOf(instance))
        this.#postponed.delete(monitor)
        this.#outputs.end(monitor.directory)
        this.#secretFiles.remove(instance)
        this.#afterwards.want(() => {
          this.#namespaces.release(keyOf(instance))
          if (spawned.hasLimits) this.#leftovers.remove(path)
          const isLive = (other: number): boolean => this.#monitors.has(keyOf({ slot, epoch: asEpoch(other) }))
          pruneEpochs(paths, isLive).catch((error: unknown) => this.#warn('old epochs could not be removed', error))
        })
      },
      readLastWords: () => this.#outputs.readLastWords({ slot, epoch }, paths),
      explainRefusal: (word) => explainRefusal(word, () => this.holders(slot), paths),
      emit: (event) => this.#emit(event),
      postpone: () => {
        if (this.#starts.hasWaiters) this.#postponed.add(monitor)
        return this.#starts.hasWaiters
      },
      onTrouble: (message, error) => this.#warn(message, error),
    })
    this.#monitors.set(keyOf(instance), monitor)
    if (this.#site.survey.namespaces && spawned.keeper !== null) this.#namespaces.hold(keyOf(instance), spawned.keeper)
    return monitor
  }

  #lookAtPostponed(): void {
    const monitors = [...this.#postponed]
    this.#postponed.clear()
    for (const monitor of monitors) monitor.look()
  }

  #lookAtAll(): void {
    this.#lookAtPostponed()
    this.#pollRound += 1
    let index = 0
    for (const monitor of this.#monitors.values()) {
      index += 1
      if (!monitor.isWatched || (index + this.#pollRound) % pollRoundsOfWatched === 0) monitor.look()
    }
    this.#leftovers.look()
    this.#outputs.look()
    this.#keepers.lookAtLeaving()
    if (!this.#starts.hasWaiters) this.#spares.make()
  }

  async #reach(name: string): Promise<void> {
    if (this.#options.checkpoint !== null) await this.#options.checkpoint(name)
  }

  #warn(message: string, error: unknown): void {
    this.#options.log.write('warn', message, { error: String(error) })
  }
}

/** `hasLimits`: it has cgroups of limits, or may have. */
type Spawn = Pick<InstanceMonitorOptions, 'isOurs' | 'keeper' | 'environment'> & { readonly hasLimits: boolean }

const keyOf = (instance: InstanceRef): string => `${instance.slot} ${instance.epoch}`

function runAll(undo: readonly (() => void)[]): void {
  for (const step of undo.toReversed()) step()
}
