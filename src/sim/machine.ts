/**
 * One simulated machine with the real {@link Daemon} on it: simulated clock, processes and network, a store in memory that outlives
 * daemons. A daemon's life is cut at any of its awaits: whatever it was waiting for then never comes back to it, and the
 * next daemon finds what it left. What a seed has shown once it shows again.
 */

import { defaultBalancer as balancer } from '../core/keys/balancer.ts'
import { cronerCron } from '../adapters/croner/index.ts'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { isRunSlot } from '../core/model/id.ts'
import type { ProjectId } from '../core/model/project-id.ts'
import type { Service } from '../core/model/service.ts'
import { drainingShells } from '../agent/traffic/endpoints.ts'
import { Daemon } from '../daemon/daemon.ts'
import type { Project } from '../daemon/project.ts'
import type { Clock } from '../ports/clock.ts'
import { DarumaError } from '../ports/error.ts'
import type { StateDirectory } from '../ports/storage/state-directory.ts'
import type { Store } from '../ports/storage/store.ts'
import type { OperationRequest, Requester, StatusAnswer } from '../protocol/api.ts'
import { SimulatedBalancer } from './balancer.ts'
import { SimulatedClock } from './clock.ts'
import { SimulatedHomes } from './homes.ts'
import { SimulatedKernel } from './kernel.ts'
import { simulatedImages } from './images.ts'
import { kernelSlot, usual } from './place.ts'
import { SeededRandom } from './random.ts'
import { createSimulatedRuntime } from './runtime.ts'
import { createMemoryStore } from './store.ts'
import { noReleases } from './releases.ts'
import { SimulatedWebhooks } from './webhooks.ts'
import { usualWireFaults, wireWith, type WireFaults } from './wire.ts'

const by: Requester = { pid: 1, user: 'tester', command: 'test', file: null }

/** Distributes over operation kinds, so that each keeps its own fields. */
type Wish = OperationRequest extends infer Each ? (Each extends OperationRequest ? Omit<Each, 'by'> : never) : never

/** With words for the histories that are about one project. */
export class SimulatedDaemon extends Daemon {
  /** The one that most histories are about; before there is one, what is the machine's. */
  get project(): Project {
    return this.named(usual)
  }

  named(id: ProjectId): Project {
    return this.projects.find(id) ?? this.machine
  }

  override status(project: Project = this.project, withUsage: boolean = true): StatusAnswer {
    return super.status(project, withUsage)
  }
}

export class SimulatedMachine {
  readonly clock: SimulatedClock = new SimulatedClock()
  readonly random: SeededRandom
  readonly kernel: SimulatedKernel
  readonly balancer: SimulatedBalancer
  readonly webhooks: SimulatedWebhooks = new SimulatedWebhooks()
  /** Whether the next daemon takes the state for a copy whose original is lost. */
  takeOver: string | null = null
  /** Why the next daemon has another store than the one that was written to. */
  storeFault: DarumaError | null = null
  readonly log: string[] = []
  /** Of the state directory, beside the database. */
  readonly files: Map<string, string> = new Map()
  readonly homes: SimulatedHomes
  #store: Store = createMemoryStore()
  #life: DaemonRun | null = null
  /** What becomes of messages between the halves of a project; null: each arrives at once. */
  wireFaults: WireFaults | null = usualWireFaults
  /** How long every answer to a probe takes. */
  probeMs = 0
  /** Probability of death at each await. */
  deathRate = 0
  /** The configs that other users are told of. */
  markedConfigs: readonly string[] = []
  /** Called between any two moments: for what must hold at all times. */
  watch: () => void = () => {}

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    this.kernel = new SimulatedKernel(this.clock, this.random)
    this.homes = new SimulatedHomes(this.kernel)
    this.balancer = new SimulatedBalancer(this.kernel)
    this.balancer.drainedForMs = (slot, epoch) =>
      this.clock.now() - (this.#life?.drains.get(`${slot} ${epoch}`) ?? this.clock.now())
  }

  get daemon(): SimulatedDaemon | null {
    return this.#life?.daemon ?? null
  }

  /** The daemon that lives; begun (again and again, where it dies on the way) when there is none. */
  async begin(): Promise<SimulatedDaemon> {
    for (let tries = 0; tries < 100; tries += 1) {
      const daemon = await this.#tryBegin()
      if (daemon !== null) return daemon
    }
    throw new Error(`no daemon gets up: ${this.log.slice(-3).join('; ')}`)
  }

  killDaemon(): void {
    if (this.#life !== null) this.#life.isDead = true
    this.#life = null
    this.kernel.deafen()
  }

  reboot(): void {
    this.killDaemon()
    this.kernel.reboot()
  }

  async copyDatabase(): Promise<Store> {
    const copy = createMemoryStore()
    const { entries } = await this.#store.list('')
    for (const { key, value } of entries) await copy.transact({ then: [{ kind: 'put', key, value }] })
    return copy
  }

  /** Puts an older database in place; what runs is newer than what it knows. */
  restoreDatabase(copy: Store): void {
    this.killDaemon()
    this.#store = copy
  }

  /** Asks for an operation; the refusal's code, or null when it was accepted (or the daemon died over it). */
  async ask(wish: Wish, id: ProjectId = usual): Promise<string | null> {
    const daemon = await this.begin()
    let answer: string | null | undefined
    const request = { by, ...wish } as OperationRequest
    const operate = request.kind === 'apply' ? daemon.apply(request) : daemon.operate(daemon.named(id), request)
    operate.then(
      () => (answer = null),
      (error: unknown) => (answer = error instanceof DarumaError ? error.code : `BUG ${String(error)}`),
    )
    await this.runUntil(() => answer !== undefined || this.#life === null, 120_000)
    return answer ?? null
  }

  async apply(
    services: readonly Service[],
    secrets: Readonly<Record<string, Readonly<Record<string, string>>>> = {},
    id: ProjectId = usual,
  ): Promise<string | null> {
    const daemon = await this.begin()
    const project = {
      name: id,
      stage: null,
      balancer,
      notify: this.webhooks.notify,
      services: services.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    }
    const base = daemon.projects.find(id)?.world.applied ?? 0
    return this.ask({ kind: 'apply', project, secrets, base, fingerprint: null, only: null }, id)
  }

  /** Keys of everything that is in the database now. */
  async storedKeys(): Promise<readonly string[]> {
    return (await this.#store.list('')).entries.map(({ key }) => key)
  }

  /** Lets `durationMs` go by; a daemon that dies meanwhile gets up again after a moment. */
  async run(durationMs: number): Promise<void> {
    const endMs = this.clock.now() + durationMs
    await this.#turn(() => this.clock.now() >= endMs, endMs)
  }

  /** False when it did not come to that within the limit. */
  async runUntil(isReached: () => boolean, limitMs: number): Promise<boolean> {
    await this.#turn(isReached, this.clock.now() + limitMs)
    return isReached()
  }

  /** Until no operation is under way and everything that should run is ready, in one project or in all. */
  async settle(limitMs: number, id: ProjectId | null = null): Promise<boolean> {
    const endMs = this.clock.now() + limitMs
    while (this.clock.now() < endMs) {
      const daemon = await this.begin()
      if (await this.runUntil(() => this.daemon !== daemon || isSettled(daemon, id), endMs - this.clock.now()))
        if (this.daemon === daemon) return true
    }
    return false
  }

  async #turn(isReached: () => boolean, endMs: number): Promise<void> {
    for (;;) {
      await turnOfTheLoop()
      this.#noteDrains()
      this.watch()
      if (isReached()) return
      if (!this.clock.turn(endMs)) return
    }
  }

  #noteDrains(): void {
    const { daemon, drains } = this.#life ?? new DaemonRun()
    for (const project of daemon?.projects.list() ?? [])
      for (const { shell, epoch } of drainingShells(project.served)) {
        const drain = `${kernelSlot(project.place, shell.id)} ${epoch}`
        if (!drains.has(drain)) drains.set(drain, this.clock.now())
      }
  }

  async #tryBegin(): Promise<SimulatedDaemon | null> {
    if (this.#life !== null) return this.#life.daemon
    const life = new DaemonRun()
    this.#life = life
    const pass = (): Promise<void> => this.#pass(life)
    const clock: Clock = {
      now: () => this.clock.now(),
      wallTime: () => this.clock.wallTime(),
      wallTimeOf: (momentMs) => this.clock.wallTimeOf(momentMs),
      after: (delayMs, run) => this.clock.after(delayMs, () => life.isDead || run()),
    }
    const daemon = new SimulatedDaemon(
      {
        directory: this.#directory('/state', pass),
        store: this.#mortalStore(pass),
        storeFault: this.storeFault,
        releases: noReleases,
        markConfigs: (files) => (this.markedConfigs = files),
        runtime: createSimulatedRuntime(this.kernel, null, pass),
        openHome: async (place) => {
          await pass()
          this.homes.open(place)
          const directory = this.#directory(`/state/projects/${place}`, pass)
          const runtime = createSimulatedRuntime(this.kernel, place, pass)
          return { directory, runtime, [Symbol.asyncDispose]: async () => {} }
        },
        listHomes: async () => this.homes.list(),
        listVolumes: async (place) => this.homes.volumesOf(place),
        refuseFormer: async () => {},
        removeHome: async (place, volumes) => {
          await pass()
          this.homes.remove(place, volumes)
        },
        images: simulatedImages(pass),
        webhooks: this.webhooks.heardBy(pass),
        wire: () => wireWith(this.wireFaults, clock, this.random),
        net: {
          holderOf: () => null,
          isPortFree: async (port) => {
            await pass()
            return this.kernel.running().every(({ order }) => order.environment['PORT'] !== String(port))
          },
          probe: async (_check, port) => {
            await pass()
            if (this.probeMs > 0) await new Promise<void>((resolve) => clock.after(this.probeMs, resolve))
            const asked = this.kernel.running().find(({ order }) => order.environment['PORT'] === String(port))
            return asked === undefined || asked.isSick ? { ok: false, detail: 'no answer' } : { ok: true, detail: '200' }
          },
        },
        commands: { run: async () => ({ code: 0, output: '' }) },
        certificates: null,
        balancers: { choose: () => 'embedded', open: async () => this.balancer.handle(pass) },
        clock,
        cron: async () => cronerCron,
        random: this.random,
        log: { write: (level, message) => void this.log.push(`${level} ${message}`) },
        checkpoint: null,
        companions: { ensure: async () => [], stop: async () => {} },
        isStoreReplaced: async () => false,
      },
      {
        pid: 1,
        version: '0',
        host: 'here',
        home: () => '/root',
        nodeDirectory: '/bin',
        memoryBytes: () => 1,
        isOnDemand: false,
      },
    )
    life.daemon = daemon
    let isUp = false
    let failure: unknown = null
    daemon.start().then(
      () => (isUp = true),
      (error: unknown) => (failure = error),
    )
    await this.runUntil(() => isUp || failure !== null || life.isDead, 60_000)
    if (isUp && !life.isDead) return daemon
    if (failure !== null) this.log.push(`start: ${failure instanceof Error ? failure.message : JSON.stringify(failure)}`)
    this.killDaemon()
    await this.run(100)
    return null
  }

  /** Between any two effects: a moment, or the end. What waits for a dead daemon waits forever. */
  async #pass(life: DaemonRun): Promise<void> {
    if (this.random.chance(0.3)) await new Promise<void>((resolve) => this.clock.after(this.random.below(5), resolve))
    if (!life.isDead && this.random.chance(this.deathRate)) this.killDaemon()
    if (life.isDead) await new Promise<never>(() => {})
  }

  #directory(path: string, pass: () => Promise<void>): StateDirectory {
    return {
      path,
      stateId: '00000000',
      bootId: this.kernel.bootId,
      takeOver: this.takeOver,
      pathOf: (name) => `${path}/${name}`,
      folder: async (name) => this.#directory(`${path}/${name}`, pass),
      writeFile: async (name, text) => {
        await pass()
        if (this.kernel.isDiskFull) throw new Error('no space')
        this.files.set(`${path}/${name}`, text)
      },
      readFile: async (name) => this.files.get(`${path}/${name}`) ?? null,
      space: async () => ({ freeBytes: 1, totalBytes: 1 }),
      ensureVolume: async (name) => {
        await pass()
        return `${path}/volumes/${name}`
      },
    }
  }

  #mortalStore(pass: () => Promise<void>): Store {
    const store = this.#store
    return {
      get: async (key) => {
        await pass()
        return store.get(key)
      },
      list: async (prefix, options) => {
        await pass()
        return store.list(prefix, options)
      },
      transact: async (transaction) => {
        await pass()
        if (this.kernel.isDiskFull) throw new DarumaError('E_STORE_FULL', 'the disk is full')
        const result = await store.transact(transaction)
        await pass()
        return result
      },
      watch: (prefix, from, signal) => store.watch(prefix, from, signal),
      compact: (revision) => store.compact(revision),
      [Symbol.asyncDispose]: async () => {},
    }
  }
}

class DaemonRun {
  daemon: SimulatedDaemon | null = null
  isDead = false
  /** By instance: when this daemon began to let it drain. */
  readonly drains: Map<string, number> = new Map()
}

/** Nothing moves, and nothing is missing, in one project or in any. */
export function isSettled(daemon: SimulatedDaemon, id: ProjectId | null = null): boolean {
  if (id !== null) return isCalm(daemon, daemon.named(id))
  const projects = daemon.projects.list()
  return (projects.length === 0 ? [daemon.machine] : projects).every((project) => isCalm(daemon, project))
}

function isCalm(daemon: SimulatedDaemon, project: Project): boolean {
  if (project.operations.current !== null) return false
  const { services, instances } = daemon.status(project)
  const isSteady = instances
    .filter(({ slot }) => !isRunSlot(slot))
    .every(({ state }) => state === 'running' || state === 'completed' || state === 'failed')
  return isSteady && services.every(({ desired, ready }) => ready === desired)
}
