/**
 * One project's inside: what should be, what is, its operations, schedules, secrets, history and events. It knows of no other project. What the
 * machine shares (ports, the balancer, the pulse) it is given by the daemon, through {@link Surroundings}.
 */

import { balancerName } from '../core/balance/balancer-service.ts'
import type { InstanceSpec } from '../core/instance/slot.ts'
import type { Story } from '../core/model/event.ts'
import type { RevisionNumber, ServiceName, SlotId } from '../core/model/id.ts'
import { asRevisionNumber, isRunSlot } from '../core/model/id.ts'
import { projectIdOf } from '../core/model/project-id.ts'
import type { ProjectId } from '../core/model/project-id.ts'
import type { Project as Config, Service } from '../core/model/service.ts'
import type { InstanceStatus } from '../core/model/status.ts'
import type { ProcessOrder, Runtime, RuntimeEvent } from '../ports/runtime.ts'
import type { OperationAnswer, OperationRequest, PlanAnswer, PlanRequest, StatusAnswer } from '../protocol/api.ts'
import { Clockwork } from './clockwork.ts'
import type { DaemonFacts, DaemonPorts } from './daemon-facts.ts'
import { EventLog } from './event-log.ts'
import type { EventNumbers } from './event-log.ts'
import { reportFailure } from './failure-report.ts'
import { MemoryKills } from './memory-kills.ts'
import { Gaps } from './gaps.ts'
import { History } from './history.ts'
import { adopt, loadWanted } from './load.ts'
import { settleTakeOver } from './take-over.ts'
import { countEvents } from './metrics.ts'
import { Operations } from './operations.ts'
import { Pauses } from './pauses.ts'
import type { Allotment } from './port-allotment.ts'
import { Reconciler } from './reconciler.ts'
import type { Redacted } from './redacted.ts'
import { refuseWithoutStore } from './refuse-without-store.ts'
import type { ProjectRecord, RevisionRecord } from './records.ts'
import { answerPlan, intentOf } from './requests.ts'
import type { RequestTools } from './requests.ts'
import { buildSlot } from './releases/build-slot.ts'
import { Builder } from './releases/builder.ts'
import { makePreparation } from './releases/prepare-revision.ts'
import { ProjectReleases } from './releases/project-releases.ts'
import { Revisions } from './revisions.ts'
import { SecretStore } from './secrets.ts'
import { takeRuntimeEvent } from './take-runtime-event.ts'
import type { SlotShell } from './slot-shell.ts'
import { makeOrder } from './start-order.ts'
import type { WantedStart } from './start-order.ts'
import { StatusReader } from './status.ts'
import { Times } from './times.ts'
import type { TrafficPart } from './project-traffic.ts'
import { World } from './world.ts'

/** What a project works with: its own home, and of the store its own part. */
export type ProjectPorts = Omit<
  DaemonPorts,
  'openHome' | 'removeHome' | 'listHomes' | 'listVolumes' | 'companions' | 'isStoreReplaced'
>

/** What the machine gives to each of its projects. */
export interface Surroundings {
  readonly allotment: Allotment
  readonly traffic: TrafficPart
  readonly numbers: EventNumbers
  /** Of the machine's own part, which no config describes: what holds there for ever. */
  readonly builtIn: RevisionRecord | null
  /** What the other projects want, now or after the operation that is under way. */
  readonly others: () => Promise<readonly Config[]>
  /** Removes the files of releases that no project needs. */
  readonly collectReleases: () => Promise<void>
  /** The store can be written no more: only another daemon can go on. */
  readonly onStoreLost: (message: string) => void
}

/** Of the events of the last daemon, to learn from. */
const learnedFrom = 1000

export class Project {
  readonly #ports: ProjectPorts
  readonly #surroundings: Surroundings
  #record: ProjectRecord
  readonly world: World = new World()
  readonly events: EventLog
  /** By kind, since this daemon began. */
  readonly eventCounts: ReadonlyMap<string, number>
  readonly operations: Operations
  readonly history: History
  readonly clockwork: Clockwork
  readonly #gaps: Gaps
  readonly #times = new Times()
  readonly #pauses: Pauses
  readonly #memoryKills: MemoryKills
  readonly #secrets: SecretStore
  readonly #reconciler: Reconciler
  readonly #status: StatusReader
  readonly #revisions: Revisions
  readonly #builder: Builder
  readonly releases: ProjectReleases
  #early: RuntimeEvent[] | null = []

  constructor(ports: ProjectPorts, facts: DaemonFacts, surroundings: Surroundings, record: ProjectRecord) {
    this.#record = record
    this.#ports = ports
    this.#surroundings = surroundings
    const { store, clock, random, directory } = ports
    const { allotment, traffic } = surroundings
    const { world } = this
    const secrets = new SecretStore(store, random)
    this.#secrets = secrets
    const redact = (text: string): Redacted => secrets.redact(text)
    this.events = new EventLog({
      store,
      clock,
      numbers: surroundings.numbers,
      revision: () => world.target?.number ?? world.applied,
      redact,
    })
    this.events.follow((event) => this.#times.note(event))
    this.eventCounts = countEvents((follower) => this.events.follow(follower))
    this.#revisions = new Revisions(store, surroundings.builtIn)
    this.#builder = new Builder({ ...ports, facts })
    this.releases = new ProjectReleases({ releases: ports.releases, builder: this.#builder, store, world })
    this.#gaps = new Gaps({ world, clock, onGap: (gap) => this.#tellGap(gap) })
    world.traffic = traffic
    this.#memoryKills = new MemoryKills({ world, runtime: ports.runtime, tell: (story) => this.events.tell(story) })
    this.#pauses = new Pauses(clock, () => this.#reconciler.nudge())
    const tools = {
      ...ports,
      tell: (story: Story) => this.events.tell(story),
      acquirePort: (slot: SlotId, spec: InstanceSpec) => this.#acquirePort(slot, spec),
      portOf: (slot: SlotId) => allotment.portOf(slot),
      releasePort: (slot: SlotId) => allotment.remember(slot, null),
      order: (start: WantedStart) => {
        const treeFor = (service: Service): Promise<Pick<ProcessOrder, 'tree'>> => this.releases.treeFor(service)
        return makeOrder({ world, directory, secrets: this.#secrets, treeFor, facts }, start)
      },
    }
    const flushStory = (): Promise<void> => this.events.flush()
    this.#reconciler = new Reconciler({
      world,
      store,
      checkpoint: ports.checkpoint,
      onChange: () => {
        traffic.note()
        this.#gaps.noteAll()
        this.clockwork.noteWorld()
        this.operations.judge()
      },
      onSlotChange: (slot) => {
        traffic.note()
        this.#gaps.note(slot)
      },
      flushStory,
      tools,
    })
    this.clockwork = new Clockwork({
      ...ports,
      world,
      tools,
      flushStory,
      ports: allotment,
      loadRevision: (number) => this.#revisions.load(number),
      nudgeWorld: () => this.#reconciler.nudge(),
      onStoreLost: () => surroundings.onStoreLost('the run ledger cannot be written'),
    })
    this.operations = new Operations({
      world,
      store,
      clock,
      checkpoint: ports.checkpoint,
      preparation: makePreparation({
        images: ports.images,
        releases: this.releases,
        passwordFor: (service) => this.#secrets.registryPasswordFor(service),
      }),
      reconciler: () => this.#reconciler,
      newId: () => random.hex(6),
      tell: (kind, message, cause) => this.tell(kind, message, cause),
      report: (service, slot, message) => reportFailure({ world, runtime: ports.runtime, redact }, { service, slot, message }),
      redact,
      troubleOf: (service) => traffic.troubleOf(service),
      isTableInForce: () => traffic.isInForce(),
      observe: () => traffic.observe(),
      loadRevision: (number) => this.#revisions.load(number),
      onEnd: async () => {
        const warn = (error: unknown): void => ports.log.write('warn', `history: ${String(error)}`)
        await this.history.prune().catch(warn)
        void surroundings.collectReleases().catch(warn)
      },
    })
    world.isOnTrial = (name) => this.operations.trials.isOnTrial(name)
    world.isPausing = (view) => this.#pauses.isPausing(view)
    this.history = new History({ store, world, secrets: this.#secrets, reconciler: this.#reconciler, clockwork: this.clockwork })
    this.#status = new StatusReader({
      ...ports,
      world,
      portOf: (shell) => allotment.portOf(shell.id),
      canaryOf: (name) => this.operations.trials.statusOf(name),
      gapOf: (name) => this.#gaps.of(name),
    })
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

  portOf(slot: SlotId): number | null {
    return this.#surroundings.allotment.portOf(slot)
  }

  /** What was told and promised before: known before anything is told anew. */
  async remember(): Promise<void> {
    await this.events.load()
    for (const event of await this.events.read(0, learnedFrom)) this.#times.note(event)
    await this.#secrets.load()
  }

  /** Believes the world (`load.ts`). Until {@link begin} nothing is moved. `onFound`: once the runtime has been asked, before anything is adopted. */
  async load(onFound: () => Promise<void>): Promise<void> {
    const tools = {
      ...this.#ports,
      world: this.world,
      ports: this.#surroundings.allotment,
      loadRevision: (number: RevisionNumber) => this.#revisions.load(number),
    }
    const records = await settleTakeOver(tools, await loadWanted(tools))
    if (this.#surroundings.builtIn !== null) {
      this.world.target = this.#surroundings.builtIn
      this.world.applied = this.#surroundings.builtIn.number
    }
    const discovery = await this.#ports.runtime.discover((event) => this.#take(event))
    await onFound()
    await this.#builder.load(discovery)
    await adopt(tools, this.#reconciler, records, discovery)
    await this.clockwork.load(discovery)
    await this.operations.resume()
    const early = this.#early ?? []
    this.#early = null
    for (const event of early) this.#take(event)
  }

  begin(): void {
    this.#reconciler.begin()
    this.clockwork.begin()
  }

  /** Ends the project's own work; instances run on. */
  async close(): Promise<void> {
    this.operations.close()
    this.#builder.close()
    this.#pauses.close()
    await this.clockwork.close()
    await this.#reconciler.close()
  }

  /** The store's worker is gone for good: only another daemon can write again. */
  get isStoreLost(): boolean {
    return this.#reconciler.isStoreLost
  }

  /** Something that the project shares with others may have changed. */
  nudge(): void {
    this.#reconciler.nudge()
  }

  /** The net under every nudge. */
  look(): void {
    this.#reconciler.nudge()
    this.clockwork.nudge()
    void this.events.flush()
    this.#memoryKills.look()
  }

  /** What the balancer has in force has changed. */
  noteTraffic(): void {
    this.#gaps.noteAll()
    this.#reconciler.nudge()
  }

  /** Nothing was ever applied to it, and nothing is there. */
  isUnused(): boolean {
    const { world } = this
    return world.lastRevision === 0 && world.shells.size === 0 && this.operations.current === null
  }

  /** Nothing is wanted, nothing runs, and nobody is changing that. */
  isEmpty(): boolean {
    const isIdle = this.operations.current === null && (this.world.project?.services.length ?? 0) === 0
    return isIdle && [...this.world.shells.values()].every(({ slot }) => slot.occupancy.kind === 'vacant')
  }

  tell(kind: Story['kind'], message: string, cause: string | null): void {
    this.events.tell({ kind, slot: null, epoch: null, message, cause })
  }

  /** What instances use is measured anew, unless the caller knows it better. */
  status(withUsage: boolean = true): Omit<StatusAnswer, 'daemon'> {
    const { world } = this
    return {
      project: world.applied === 0 && world.target === null ? null : this.#record.name,
      stage: this.#record.stage,
      revision: world.applied,
      operation: this.operations.current,
      services: this.#status.services(),
      instances: this.#status.instances(withUsage).map((instance) => ({
        ...instance,
        reason: this.#reasonOf(instance),
      })),
    }
  }

  #reasonOf({ slot, epoch, reason }: InstanceStatus): string | null {
    const text = reason ?? this.#memoryKills.reasonOf(slot, epoch)
    return text === null ? null : this.#secrets.redact(text)
  }

  async plan(request: PlanRequest): Promise<PlanAnswer> {
    refuseWithoutStore(this.#ports.storeFault)
    return answerPlan(this.#requestTools(), request)
  }

  async operate(request: OperationRequest): Promise<OperationAnswer> {
    refuseWithoutStore(this.#ports.storeFault)
    const begun = await this.operations.begin(() => intentOf(this.#requestTools(), request))
    if (begun === null) return { id: '', revision: this.world.applied, unchanged: true }
    return { ...begun, unchanged: false }
  }

  /** Every config that holds, or may when the operation under way has ended. */
  async wanted(): Promise<readonly Config[]> {
    const { name, stage } = this.#record
    const next = asRevisionNumber(this.operations.current?.revision ?? 0)
    const revisions = await Promise.all([this.world.applied, next].map((number) => this.#revisions.load(number)))
    return revisions.flatMap((revision) => (revision === null ? [] : [{ ...revision.project, name, stage }]))
  }

  redact(text: string): Redacted {
    return this.#secrets.redact(text)
  }

  /** Shells of a service, or the one of a slot; empty when the name is not known. */
  shellsFor(target: string): readonly SlotShell[] {
    const exact = this.world.shells.get(target as SlotId)
    return exact === undefined ? this.world.shellsOf(target as ServiceName) : [exact]
  }

  #requestTools(): RequestTools {
    return {
      world: this.world,
      secrets: this.#secrets,
      clock: this.#ports.clock,
      timesOf: (name) => this.#times.of(name),
      // Runs come and go by themselves: no plan is out of date for them.
      observe: () => this.#status.instances(false).filter(({ service, slot }) => service !== balancerName && !isRunSlot(slot)),
      limits: () => this.#ports.runtime.guarantees().limits,
      engineFault: () => this.#ports.images.findFault(),
      balancerFor: (project) => this.#surroundings.traffic.kindFor(project),
      loadRevision: (number) => this.#revisions.load(number),
      releases: this.releases,
      others: this.#surroundings.others,
    }
  }

  #take(event: RuntimeEvent): void {
    if (this.#early !== null) return void this.#early.push(event)
    if (event.slot === buildSlot) return this.#builder.take(event)
    takeRuntimeEvent(this.world, event, this.#ports.random.fraction())
  }

  async #acquirePort(slot: SlotId, spec: InstanceSpec): ReturnType<Allotment['acquire']> {
    const answer = await this.#surroundings.allotment.acquire(slot, spec.service.port)
    if (answer.kind === 'port') this.#reconciler.notePort(slot, answer.port)
    return answer
  }

  #tellGap({ shell, gapMs, cause }: { readonly shell: SlotShell; readonly gapMs: number; readonly cause: string }): void {
    const at = shell.slot.occupancy
    const epoch = at.kind === 'vacant' ? null : at.epoch
    this.events.tell({ kind: 'replaced', slot: shell.id, epoch, message: `gap ${gapMs} ms`, cause })
    this.operations.noteGap(shell.id, gapMs)
  }
}
