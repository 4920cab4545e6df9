/**
 * The daemon of one machine: everything it needs comes through the constructor, so that the simulator runs this very class. It owns the projects
 * and what they share: the pulse, the companions, the database's compaction, the balancer and the ports. It starts by believing the world
 * (`load.ts`), and from then on a nudge and a slow pulse are all that move it: start-up and steady state are the same path.
 */

import type { Event } from '../core/model/event.ts'
import { projectIdOf } from '../core/model/project-id.ts'
import type { Timer } from '../ports/clock.ts'
import { DarumaError } from '../ports/error.ts'
import type { OperationAnswer, OperationRequest, PlanAnswer, PlanRequest, StatusAnswer } from '../protocol/api.ts'
import type { DaemonEnd, DaemonFacts, DaemonPorts } from './daemon-facts.ts'
import { checkLayout } from './layout.ts'
import { builtInRevision, machineId, machineRecord } from './machine-part.ts'
import { PortAllotment } from '../agent/port-allotment.ts'
import { Project } from './project.ts'
import { machineTraffic } from '../agent/traffic/project-traffic.ts'
import { EventNumbers } from '../server/event-log.ts'
import { Projects } from './projects.ts'
import { put, readRecord } from '../ports/storage/json-records.ts'
import { answerFirstPlan } from '../server/requests.ts'
import { Traffic } from '../agent/traffic/traffic.ts'

/** Every look costs little; this is the net under the nudges, and how soon a lost companion or database is noticed. */
const pulseMs = 1000

const compactEveryMs = 60_000

/** Long enough for the commands that follow a `down`; short enough that nobody finds a daemon with nothing to do. */
const idleLimitMs = 60_000

export class Daemon {
  readonly #ports: DaemonPorts
  readonly #facts: DaemonFacts
  /** What is no project's: the balancer's slot, and the events of the daemon itself. */
  readonly machine: Project
  readonly projects: Projects
  readonly traffic: Traffic
  readonly #startedAt: string
  #pulse: Timer | null = null
  #busyAtMs = 0
  #compactedAtMs = 0
  #isStopping = false
  #ended: (reason: DaemonEnd) => void = () => {}
  /** Resolves when the daemon cannot or shall not go on; the caller ends the process. */
  readonly end: Promise<DaemonEnd> = new Promise((resolve) => {
    this.#ended = resolve
  })

  constructor(ports: DaemonPorts, facts: DaemonFacts) {
    this.#ports = ports
    this.#facts = facts
    this.#startedAt = ports.clock.wallTime()
    const allotment = new PortAllotment(ports.net, Number.parseInt(ports.directory.stateId.slice(0, 8), 16))
    const numbers = new EventNumbers()
    const onStoreLost = (message: string): void => this.#ended({ kind: 'broken', message })
    this.machine = new Project(
      ports,
      facts,
      {
        allotment: allotment.within(machineId),
        traffic: machineTraffic(() => this.traffic),
        balancerFor: () => ({}),
        wire: ports.wire(),
        numbers,
        builtIn: builtInRevision,
        others: async () => [],
        collectReleases: async () => {},
        onStoreLost,
      },
      machineRecord,
    )
    this.traffic = new Traffic({
      ...ports,
      machine: () => this.machine.served.shells,
      served: () => this.projects.served(),
      emit: (event) => this.machine.events.emit(event),
      onChange: () => {
        for (const project of this.#all()) project.noteTraffic()
      },
    })
    this.projects = new Projects({ ports, facts, allotment, numbers, traffic: this.traffic, onStoreLost })
  }

  async start(): Promise<void> {
    await checkLayout(this.#ports.store)
    await this.machine.remember()
    await this.projects.remember()
    await this.traffic.load()
    await this.machine.load(() => this.#emitStart())
    await this.projects.load()
    this.#busyAtMs = this.#ports.clock.now()
    this.traffic.begin()
    await this.machine.begin()
    await this.projects.begin()
    this.#beat()
  }

  async #emitStart(): Promise<void> {
    const { store, directory } = this.#ports
    const lastBoot = await readRecord<string>(store, 'boot')
    this.#emit('daemon-started', `pid ${this.#facts.pid}, version ${this.#facts.version}`, null)
    if (lastBoot !== null && lastBoot !== directory.bootId)
      this.#emit('host-rebooted', 'nothing from before is running', 'a new boot id')
    // A disk that is full after a reboot must not keep the daemon from getting up: then the next one tells of the reboot again.
    if (lastBoot !== directory.bootId) await store.transact({ then: [put('boot', directory.bootId)] }).catch(ignoreFullDisk)
  }

  /** Ends the daemon's own work; instances run on. */
  async stop(reason: DaemonEnd): Promise<void> {
    if (this.#isStopping) return
    this.#isStopping = true
    this.#pulse?.cancel()
    if (reason.kind === 'asked') await this.#ports.companions.stop()
    this.traffic.close()
    await this.projects.close()
    await this.machine.close()
    this.#emit('daemon-stopped', 'instances keep running', reason.message)
    await this.machine.events.flush()
    this.#ended(reason)
  }

  /** The container engine has gone, for the reason given, or (null) is back. What it runs is not given up for that. */
  noteEngine(fault: string | null): void {
    if (!this.projects.noteEngine(fault)) return
    if (fault === null) this.#emit('engine-back', 'the container engine answers again', null)
    else this.#emit('engine-away', 'the container engine does not answer; what it ran counts as running', fault)
  }

  /** Somebody talks to the daemon. */
  noteCall(): void {
    this.#busyAtMs = this.#ports.clock.now()
  }

  /** Of one project, with the balancer that it shares. What instances use is measured again, unless the caller knows it better. */
  status(project: Project, withUsage: boolean = true): StatusAnswer {
    const own = project.status(withUsage)
    const shared = project === this.machine || own.project === null ? null : this.machine.status(withUsage)
    return {
      ...own,
      daemon: this.describe(project === this.machine ? this.#all() : [project]),
      services: [...own.services, ...(shared?.services ?? [])],
      instances: [...(shared?.instances ?? []), ...own.instances],
    }
  }

  /** What is in the way of everything; of the container engine only what is in the way of those that are named. */
  describe(shown: readonly Project[] = this.#all()): StatusAnswer['daemon'] {
    const all = this.#all().map(({ world: { condition, host } }) => condition ?? host.condition)
    const condition = [...all, ...shown.map(({ engineFault }) => engineFault)]
    return {
      pid: this.#facts.pid,
      startedAt: this.#startedAt,
      memoryBytes: this.#facts.memoryBytes(),
      condition: this.#ports.storeFault?.message ?? condition.find((each) => each !== null) ?? null,
    }
  }

  /** A project that nothing is known of is planned against nothing, and leaves no trace. */
  async plan(request: PlanRequest): Promise<PlanAnswer> {
    const project = this.projects.find(projectIdOf(request.project))
    if (project !== null) return project.plan(request)
    const { runtime, images } = this.#ports
    return answerFirstPlan(
      {
        limits: () => runtime.guarantees().limits,
        engineFault: () => images.findFault(),
        balancerFor: (config) => this.traffic.kindFor(config, null),
        others: () => this.projects.wanted(null),
      },
      request,
    )
  }

  /** `project`: the one that the request is for; an apply names its own. */
  operate(project: Project, request: Exclude<OperationRequest, { kind: 'apply' }>): Promise<OperationAnswer> {
    return this.projects.operate(project, request)
  }

  apply(request: Extract<OperationRequest, { kind: 'apply' }>): Promise<OperationAnswer> {
    return this.projects.apply(request)
  }

  #all(): readonly Project[] {
    return [this.machine, ...this.projects.list()]
  }

  #beat(): void {
    if (this.#isStopping) return
    this.#pulse = this.#ports.clock.after(pulseMs, () => {
      this.#look()
        .catch((error: unknown) => this.#ports.log.write('error', `pulse: ${String(error)}`))
        .finally(() => this.#beat())
    })
  }

  async #look(): Promise<void> {
    if (await this.#ports.isStoreReplaced()) {
      this.#ports.log.write('error', 'the database file was replaced while the daemon ran; the daemon restarts with the new one')
      this.#ended({ kind: 'broken', message: 'the database was replaced' })
      return
    }
    const all = this.#all()
    if (all.some(({ isStoreLost }) => isStoreLost)) {
      this.#ended({ kind: 'broken', message: 'the store has crashed' })
      return
    }
    // First, so that no trouble with anything below takes the net from under the nudges.
    for (const project of all) project.look()
    this.projects.look()
    for (const companion of await this.#ports.companions.ensure()) {
      this.#emit('supervisor-restarted', `${companion} was started again`, 'it had died')
    }
    await this.#compact()
    if (this.#hasNothingToKeep()) await this.stop({ kind: 'asked', message: 'there is nothing to keep' })
  }

  /** Nobody here reads old changes; without this the database would keep each one forever. */
  async #compact(): Promise<void> {
    const nowMs = this.#ports.clock.now()
    if (nowMs - this.#compactedAtMs < compactEveryMs) return
    this.#compactedAtMs = nowMs
    const { revision } = await this.#ports.store.list('layout', { limit: 1 })
    await this.#ports.store.compact(revision)
  }

  #hasNothingToKeep(): boolean {
    const isEmpty = this.#all().every((project) => project.isEmpty() && !project.notices.isTelling)
    if (!isEmpty) this.#busyAtMs = this.#ports.clock.now()
    return this.#facts.isOnDemand && this.#ports.clock.now() - this.#busyAtMs >= idleLimitMs
  }

  #emit(kind: Event['kind'], message: string, cause: string | null): void {
    this.machine.emit(kind, message, cause)
  }
}

function ignoreFullDisk(error: unknown): void {
  if (!(error instanceof DarumaError) || error.code !== 'E_STORE_FULL') throw error
}
