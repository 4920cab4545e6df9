/**
 * One project on one machine: its half of the server and its half of the agent, which meet in an exchange and share nothing else. It knows of no
 * other project. What the machine shares (ports, the balancer, the pulse) it is given by the daemon, through {@link Surroundings}.
 */

import { Agent } from '../agent/agent.ts'
import { NoticeCommands } from '../agent/notice-commands.ts'
import { Builder } from '../agent/releases/builder.ts'
import { HostReleases } from '../agent/releases/host-releases.ts'
import type { TrafficView } from '../agent/traffic/traffic-view.ts'
import type { Allotment } from '../agent/port-allotment.ts'
import type { ServedProject } from '../agent/traffic/served-project.ts'
import type { Event } from '../core/model/event.ts'
import { projectIdOf } from '../core/model/project-id.ts'
import type { ProjectId } from '../core/model/project-id.ts'
import type { ServiceName, SlotId } from '../core/model/id.ts'
import type { SlotReport } from '../core/instance/report.ts'
import type { Project as Config, Service } from '../core/model/service.ts'
import type { Down, Up } from '../ports/exchange.ts'
import type { HostInspection } from '../ports/inspection.ts'
import type { Runtime } from '../ports/runtime/runtime.ts'
import type { OperationAnswer, OperationRequest, PlanAnswer, PlanRequest, StatusAnswer } from '../protocol/api.ts'
import type { Wire } from '../protocol/exchange/direct-wire.ts'
import type { CronTable } from '../server/cron/cron-table.ts'
import type { EventLog, EventNumbers } from '../server/event-log.ts'
import type { History } from '../server/history.ts'
import type { Operations } from '../server/operations/operations.ts'
import { ProjectServer } from '../server/project-server.ts'
import type { ProjectRecord, RevisionRecord } from '../server/records.ts'
import type { BalancerForPlan } from '../server/requests.ts'
import type { Redacted } from '../server/redacted.ts'
import type { Notices } from '../server/notices/notices.ts'
import type { ProjectReleases } from '../server/releases/project-releases.ts'
import type { World } from '../server/world/world.ts'
import type { DaemonFacts, DaemonPorts } from './daemon-facts.ts'
import { makeDeliver } from './deliver-notice.ts'
import { countEvents } from './metrics/metrics.ts'
import { refuseWithoutStore } from './api/refuse-without-store.ts'

/** What a project works with: its own home, and of the store its own part. */
export type ProjectPorts = Omit<
  DaemonPorts,
  'openHome' | 'removeHome' | 'listHomes' | 'listVolumes' | 'markConfigs' | 'refuseFormer' | 'companions' | 'isStoreReplaced'
>

/** What the machine gives to each of its projects. */
export interface Surroundings {
  readonly allotment: Allotment
  readonly traffic: TrafficView
  /** Which program the routes of a config would have here. */
  readonly balancerFor: (config: Config) => BalancerForPlan
  readonly wire: Wire<Down, Up>
  readonly numbers: EventNumbers
  /** Of the machine's own part, which no config describes: what holds there forever. */
  readonly builtIn: RevisionRecord | null
  /** What the other projects want, now or after the operation that is under way. */
  readonly others: () => Promise<readonly Config[]>
  /** Removes the files of releases that no project needs. */
  readonly collectReleases: () => Promise<void>
  /** The store can be written no more: only another daemon can go on. */
  readonly onStoreLost: (message: string) => void
}

/** Of every so many looks one is at everything, whatever has changed. */
const looksPerFullLook = 5

/** As the daemon adds its own part to it. */
type ProjectStatus = Omit<StatusAnswer, 'daemon'> & Required<Pick<StatusAnswer, 'unreached'>>

type Say = (service: ServiceName, message: string) => void

export class Project {
  readonly #ports: ProjectPorts
  readonly #surroundings: Surroundings
  readonly #server: ProjectServer
  readonly #agent: Agent
  #record: ProjectRecord
  #looks = 0
  /** By kind, since this daemon began. */
  readonly eventCounts: ReadonlyMap<string, number>

  constructor(ports: ProjectPorts, facts: DaemonFacts, surroundings: Surroundings, record: ProjectRecord) {
    this.#record = record
    this.#ports = ports
    this.#surroundings = surroundings
    const { traffic, wire, allotment, balancerFor, others } = surroundings
    const builder = new Builder({ ...ports, facts })
    const releases = new HostReleases({ releases: ports.releases, builder, place: record.place })
    const trustsNotes = ports.storeFault !== null
    const noticeCommands = new NoticeCommands({ ...ports, facts })
    const errands = [builder, noticeCommands]
    this.#agent = new Agent({ ...ports, facts, allotment, traffic, link: wire.agent, releases, errands, trustsNotes })
    const planning = {
      limits: () => ports.runtime.guarantees().limits,
      engineFault: () => ports.images.findFault(),
      balancerFor,
      others,
    }
    const host: HostInspection = {
      inspect: (slot) => this.#agent.inspect(slot),
      usage: (instance) => ports.runtime.usage(instance),
      readLog: (slot, from, maxBytes) => ports.runtime.readLog(slot, from, maxBytes),
      observeBalancer: () => traffic.observe(),
    }
    const trees = {
      isPending: (services: readonly Service[]) => releases.isPending(services),
      prepare: (services: readonly Service[], say: Say) => releases.prepare(services, say),
      isBuilding: () => builder.isBusy,
    }
    const notices = {
      sender: () => ({ project: this.#record.name, stage: this.#record.stage, host: facts.host }),
      deliver: makeDeliver(ports.webhooks, noticeCommands),
    }
    this.#server = new ProjectServer({ ports, surroundings, link: wire.server, host, planning, trees, notices })
    this.eventCounts = countEvents((follower) => this.events.follow(follower))
  }

  /** Its name as it is now, with its stage. */
  get id(): ProjectId {
    return projectIdOf(this.#record)
  }

  /** What its files, cgroups and containers are called: the id that it began with. */
  get place(): ProjectId {
    return this.#record.place
  }

  get record(): ProjectRecord {
    return this.#record
  }

  set record(record: ProjectRecord) {
    this.#record = record
  }

  get runtime(): Runtime {
    return this.#ports.runtime
  }

  get world(): World {
    return this.#server.world
  }

  get events(): EventLog {
    return this.#server.events
  }

  get operations(): Operations {
    return this.#server.operations
  }

  get history(): History {
    return this.#server.history
  }

  get releases(): ProjectReleases {
    return this.#server.releases
  }

  get notices(): Notices {
    return this.#server.notices
  }

  get cron(): CronTable {
    return this.#server.cron
  }

  /** As the balancer of this host sees it. */
  get served(): ServedProject {
    const { shells, routing } = this.#agent
    return { id: this.place, shells, routing, portOf: (slot) => this.#surroundings.allotment.portOf(slot) }
  }

  /** What was told and promised before: known before anything is told again. */
  async remember(): Promise<void> {
    await this.#server.remember()
  }

  /** Each half looks for what it has. Until {@link begin} nothing is moved. `onFound`: once the runtime has been asked. */
  async load(onFound: () => Promise<void>): Promise<void> {
    await this.#server.load()
    await this.#agent.load()
    await onFound()
  }

  /** The halves meet. Resolves when the server knows what is there, and has said what should be. */
  async begin(): Promise<void> {
    this.#agent.begin()
    await this.#server.begin()
  }

  /** Ends the project's own work; instances run on. */
  async close(): Promise<void> {
    await this.#server.close()
    await this.#agent.close()
  }

  /** The store's worker is gone for good: only another daemon can write again. */
  get isStoreLost(): boolean {
    return this.#server.isStoreLost
  }

  /** The net under every nudge. */
  look(): void {
    this.#looks += 1
    this.#agent.look()
    this.#server.look(this.#looks % looksPerFullLook === 0)
  }

  /** What the balancer serves, or what is in its way, has changed. */
  noteTraffic(): void {
    this.#agent.noteTraffic()
  }

  noteEngine(fault: string | null): void {
    this.#agent.noteEngine(fault)
  }

  /** Nothing has been applied to it, and nothing is there. */
  isUnused(): boolean {
    return this.#server.isUnused() && this.#agent.isEmpty()
  }

  /** Nothing is wanted, nothing runs, and no operation is changing that. */
  isEmpty(): boolean {
    return this.#server.isEmpty()
  }

  /** Why the container engine does not answer, where this project wants containers or has some; it is in the way of no other one. */
  get engineFault(): string | null {
    const { project, reports, host } = this.world
    if (host.engineFault === null) return null
    const present = [...reports.values()].flatMap(({ occupant }) => occupant?.spec?.service ?? [])
    return [...(project?.services ?? []), ...present].some(({ runs }) => runs.kind === 'container') ? host.engineFault : null
  }

  emit(kind: Event['kind'], message: string, cause: string | null): void {
    this.events.emit({ kind, slot: null, epoch: null, message, cause })
  }

  /** What instances use is measured again, unless the caller knows it better. */
  status(withUsage: boolean = true): ProjectStatus {
    const { applied, target } = this.world
    return {
      project: applied === 0 && target === null ? null : this.#record.name,
      stage: this.#record.stage,
      ...this.#server.status(withUsage),
    }
  }

  async plan(request: PlanRequest): Promise<PlanAnswer> {
    refuseWithoutStore(this.#ports.storeFault)
    return this.#server.plan(request)
  }

  async operate(request: OperationRequest): Promise<OperationAnswer> {
    refuseWithoutStore(this.#ports.storeFault)
    return this.#server.operate(request)
  }

  /** Every config that holds, or may when the operation under way has ended. */
  async wanted(): Promise<readonly Config[]> {
    const { name, stage } = this.#record
    return (await this.#server.wanted()).map((config) => ({ ...config, name, stage }))
  }

  redact(text: string): Redacted {
    return this.#server.redact(text)
  }

  /** Slots of a service, or the one that is named, of which anything is known; empty when the name is not known. */
  slotsFor(target: string): readonly SlotId[] {
    const { assignments, reports } = this.world
    const slot = target as SlotId
    return assignments.has(slot) || reports.has(slot) ? [slot] : this.world.slotsOf(target as ServiceName)
  }

  reportOf(slot: SlotId): SlotReport | null {
    return this.world.reports.get(slot) ?? null
  }
}
