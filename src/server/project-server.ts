/**
 * One project as the server has it: decides what should run where, and touches no process. What runs it knows from the host's reports; what
 * should run it says through the exchange, once that is written down. Nothing is decided before the host has reported everything that it has.
 */

import { balancerName } from '../core/balance/balancer-service.ts'
import type { SlotReport } from '../core/instance/report.ts'
import { asRevisionNumber, isRunSlot, parseSlotId } from '../core/model/id.ts'
import type { RevisionNumber, SlotId } from '../core/model/id.ts'
import type { Event } from '../core/model/event.ts'
import type { GapStatus } from '../core/model/status.ts'
import type { Project as Config } from '../core/model/service.ts'
import type { Sender } from '../core/notices/notice.ts'
import type { Checkpoint } from '../ports/checkpoint.ts'
import type { Clock } from '../ports/clock.ts'
import type { Cron } from '../ports/cron.ts'
import type { Down, DownEntry, ServerLink, Up, UpEntry } from '../ports/exchange.ts'
import type { Images } from '../ports/runtime/images.ts'
import type { HostInspection } from '../ports/inspection.ts'
import { put, readRecord } from '../ports/storage/json-records.ts'
import type { Log } from '../ports/log.ts'
import type { Deliver } from '../ports/notices/deliver.ts'
import type { Random } from '../ports/random.ts'
import type { Releases } from '../ports/runtime/releases.ts'
import type { StateDirectory } from '../ports/storage/state-directory.ts'
import type { Store } from '../ports/storage/store.ts'
import type { OperationAnswer, OperationRequest, PlanAnswer, PlanRequest, StatusAnswer } from '../protocol/api.ts'
import { Endpoint } from '../protocol/exchange/endpoint.ts'
import type { Taken } from '../protocol/exchange/picture.ts'
import { CronTable } from './cron/cron-table.ts'
import { EventLog } from './event-log.ts'
import type { EventNumbers } from './event-log.ts'
import { History } from './history.ts'
import { Notices } from './notices/notices.ts'
import { assignRecorded, loadWorld } from './load.ts'
import { reportFailure } from './operations/failure-report.ts'
import { Operations } from './operations/operations.ts'
import { makePreparation } from './operations/prepare-revision.ts'
import type { TreePreparation } from './operations/prepare-revision.ts'
import { keys } from './records.ts'
import type { RevisionRecord } from './records.ts'
import { answerPlan, intentOf } from './requests.ts'
import type { RequestTools } from './requests.ts'
import type { Redacted } from './redacted.ts'
import { ProjectReleases } from './releases/project-releases.ts'
import { Revisions } from './revisions.ts'
import { Assignments } from './rollout/assignments.ts'
import { Pauses } from './rollout/pauses.ts'
import { Reconciler } from './rollout/reconciler.ts'
import { Routing } from './routing.ts'
import { SecretStore } from './secrets.ts'
import { StatusReader } from './status.ts'
import { Times } from './times.ts'
import { StoreTrouble } from './store-trouble.ts'
import { World } from './world/world.ts'

/** What the server reaches the world with. */
export interface ServerPorts {
  readonly store: Store
  readonly directory: StateDirectory
  readonly images: Images
  readonly releases: Releases
  readonly clock: Clock
  readonly cron: () => Promise<Cron>
  readonly random: Random
  readonly log: Log
  readonly checkpoint: Checkpoint
}

/** What it shares with the other projects of the machine. */
export interface ServerSurroundings {
  readonly numbers: EventNumbers
  /** Of the machine's own part, which no config describes: what holds there forever. */
  readonly builtIn: RevisionRecord | null
  /** Removes the files of releases that no project needs. */
  readonly collectReleases: () => Promise<void>
  /** The store can be written no more: only another daemon can go on. */
  readonly onStoreLost: (message: string) => void
}

export interface ProjectServerOptions {
  readonly ports: ServerPorts
  readonly surroundings: ServerSurroundings
  readonly link: ServerLink
  readonly host: HostInspection
  readonly trees: TreePreparation & { readonly isBuilding: () => boolean }
  /** What must be known of host and neighbours to plan. */
  readonly planning: Pick<RequestTools, 'limits' | 'engineFault' | 'balancerFor' | 'others'>
  /** Who sends notices, and how they are delivered. */
  readonly notices: { readonly sender: () => Sender; readonly deliver: Deliver }
}

export class ProjectServer {
  readonly #options: ProjectServerOptions
  readonly world: World = new World()
  readonly events: EventLog
  readonly operations: Operations
  readonly history: History
  readonly cron: CronTable
  readonly notices: Notices
  readonly releases: ProjectReleases
  readonly #times = new Times()
  readonly #trouble: StoreTrouble
  readonly #assignments: Assignments
  readonly #routing: Routing
  readonly #pauses: Pauses
  readonly #secrets: SecretStore
  readonly #reconciler: Reconciler
  readonly #status: StatusReader
  readonly #revisions: Revisions
  readonly #gaps = new Map<string, GapStatus>()
  #life = 1
  #endpoint: Endpoint<DownEntry, UpEntry, Down, Up> | null = null
  #hasPicture = false
  readonly #informed: PromiseWithResolvers<void> = Promise.withResolvers()
  #isClosed = false

  constructor(options: ProjectServerOptions) {
    this.#options = options
    const { ports, surroundings, host, trees, notices } = options
    const { store, clock, random, checkpoint, images, log } = ports
    const { world } = this
    const life = (): number => this.#life
    const publish = (key: string, entry: DownEntry | null): void => {
      if (entry === null) this.#endpoint?.remove(key)
      else this.#endpoint?.set(key, entry)
    }
    const secrets = new SecretStore(store, random)
    this.#secrets = secrets
    const redact = (text: string): Redacted => secrets.redact(text)
    this.#revisions = new Revisions(store, surroundings.builtIn)
    this.events = new EventLog({
      store,
      clock,
      numbers: surroundings.numbers,
      revision: () => world.target?.number ?? world.applied,
      redact,
      onTaken: () => this.#endpoint?.sendSoon(),
    })
    this.events.follow((event) => this.#times.note(event))
    this.releases = new ProjectReleases({ releases: ports.releases, store, world, isBuilding: trees.isBuilding })
    const emit = (event: Event): void => this.events.emit(event)
    const loadRevision = (number: RevisionNumber): Promise<RevisionRecord | null> => this.#revisions.load(number)
    this.#trouble = new StoreTrouble({ world, log, emit })
    this.#assignments = new Assignments({ world, secrets: this.#secrets, life, publish })
    this.#routing = new Routing({ world, life, publish })
    this.#pauses = new Pauses(clock, (name) => {
      world.touch(name)
      this.#reconciler.nudge()
    })
    this.#reconciler = new Reconciler({
      world,
      store,
      checkpoint,
      assignments: this.#assignments,
      pauses: this.#pauses,
      trouble: this.#trouble,
      onLooked: () => this.#noteLook(),
    })
    this.cron = new CronTable({
      world,
      store,
      directory: ports.directory,
      checkpoint,
      cron: ports.cron,
      assignments: this.#assignments,
      clock,
      random,
      log,
      emit,
      loadRevision,
      nudgeWorld: () => this.#reconciler.nudge(),
      onStoreLost: () => surroundings.onStoreLost('the run ledger cannot be written'),
    })
    this.operations = new Operations({
      world,
      store,
      clock,
      checkpoint,
      preparation: makePreparation({ images, trees, passwordFor: (service) => secrets.registryPasswordFor(service) }),
      trouble: this.#trouble,
      pauses: this.#pauses,
      nudge: () => this.#reconciler.nudge(),
      newId: () => random.hex(6),
      outlet: {
        emit: (kind, message, cause) => emit({ kind, slot: null, epoch: null, message, cause }),
        report: (service, slot, message) => reportFailure({ host, redact }, { service, slot, message }),
        redact,
      },
      routing: {
        troubleOf: ({ name }) => this.#routing.troubleOf(name),
        isApplied: () => this.#routing.isApplied,
        observe: () => host.observeBalancer(),
      },
      loadRevision,
      onEnd: async () => {
        const warn = (error: unknown): void => log.write('warn', `history: ${String(error)}`)
        await this.history.prune().catch(warn)
        void surroundings.collectReleases().catch(warn)
      },
    })
    this.history = new History({ store, world, secrets: this.#secrets, reconciler: this.#reconciler, cron: this.cron })
    this.notices = new Notices({ ...ports, ...notices, world, secrets, redact, loadRevision, emit, cron: this.cron })
    this.#status = new StatusReader({
      world,
      host,
      clock,
      canaryOf: (name) => this.operations.trials.statusOf(name),
      gapOf: (name) => this.#gaps.get(name) ?? null,
    })
  }

  /** What was told and promised before: known before anything is told again. */
  async remember(): Promise<void> {
    await this.events.load()
    for (const event of await this.events.read(0, learnedFrom)) this.#times.note(event)
    await this.#secrets.load()
  }

  /** What the store says. */
  async load(): Promise<void> {
    const { ports, surroundings, link } = this.#options
    const { store, clock, directory } = ports
    const { builtIn } = surroundings
    const { world } = this
    const loadRevision = (number: RevisionNumber): Promise<RevisionRecord | null> => this.#revisions.load(number)
    this.#life = ((await readRecord<number>(store, keys.life)) ?? 0) + 1
    // A disk that is full must not keep the server from getting up; its next life has the same number then, and so has its host's.
    await store.transact({ then: [put(keys.life, this.#life)] }).catch(() => undefined)
    this.#endpoint = new Endpoint<DownEntry, UpEntry, Down, Up>({
      life: this.#life,
      clock,
      link,
      complete: (message) => ({ ...message, events: this.events.agentEvents }),
      onMessage: (message, taken) => this.#take(message, taken),
    })
    await loadWorld({ store, world, loadRevision, clock, directory })
    if (builtIn !== null) {
      world.setTarget(builtIn)
      world.setApplied(builtIn.number)
    }
    await assignRecorded({ world, loadRevision, assignments: this.#assignments })
  }

  /** Meets the host; resolves when everything that it has is known, and what should be is on its way. */
  async begin(): Promise<void> {
    this.#routing.say()
    this.#endpoint?.open()
    await this.#informed.promise
    if (this.#isClosed) return
    await this.cron.load()
    await this.operations.resume()
    this.#reconciler.begin()
    this.cron.begin()
    this.notices.begin()
  }

  /** Ends the project's own work; instances run on. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#informed.resolve()
    this.operations.close()
    this.notices.close()
    this.#pauses.close()
    await this.cron.close()
    await this.#reconciler.close()
    this.#endpoint?.close()
  }

  /** The store's worker is gone for good: only another daemon can write again. */
  get isStoreLost(): boolean {
    return this.#trouble.isStoreLost
  }

  /** The net under every nudge. `isFull`: whether all services are looked at, and not only those that have changed. */
  look(isFull: boolean): void {
    if (isFull) this.world.touchAll()
    this.#reconciler.nudge()
    this.cron.nudge()
    this.notices.look()
    void this.events.flush()
  }

  /** Nothing has been applied to it, and nothing is there. */
  isUnused(): boolean {
    return this.world.lastRevision === 0 && this.world.reports.size === 0 && this.operations.current === null
  }

  /** Nothing is wanted, nothing runs, and no operation is changing that. */
  isEmpty(): boolean {
    const isIdle = this.operations.current === null && (this.world.project?.services.length ?? 0) === 0
    return isIdle && [...this.world.reports.values()].every(({ occupant }) => occupant === null)
  }

  /** What instances use is measured again, unless the caller knows it better. */
  status(
    withUsage: boolean = true,
  ): Pick<StatusAnswer, 'revision' | 'operation' | 'services' | 'instances'> & Required<Pick<StatusAnswer, 'unreached'>> {
    return {
      revision: this.world.applied,
      operation: this.operations.current,
      unreached: this.notices.unreached,
      services: this.#status.services(),
      instances: this.#status.instances(withUsage).map((instance) => ({
        ...instance,
        reason: instance.reason === null ? null : this.redact(instance.reason),
      })),
    }
  }

  plan(request: PlanRequest): Promise<PlanAnswer> {
    return answerPlan(this.#requestTools(), request)
  }

  async operate(request: OperationRequest): Promise<OperationAnswer> {
    const begun = await this.operations.begin(() => intentOf(this.#requestTools(), request))
    return begun === null ? { id: '', revision: this.world.applied, unchanged: true } : { ...begun, unchanged: false }
  }

  /** Every config that holds, or may when the operation under way has ended. */
  async wanted(): Promise<readonly Config[]> {
    const next = asRevisionNumber(this.operations.current?.revision ?? 0)
    const revisions = await Promise.all([this.world.applied, next].map((number) => this.#revisions.load(number)))
    return revisions.flatMap((revision) => (revision === null ? [] : [revision.project]))
  }

  redact(text: string): Redacted {
    return this.#secrets.redact(text)
  }

  #requestTools(): RequestTools {
    return {
      ...this.#options.planning,
      world: this.world,
      secrets: this.#secrets,
      clock: this.#options.ports.clock,
      releases: this.releases,
      timesOf: (name) => this.#times.of(name),
      // Runs come and go by themselves: no plan is out of date for them.
      observe: () => this.#status.instances(false).filter(({ service, slot }) => service !== balancerName && !isRunSlot(slot)),
      loadRevision: (number) => this.#revisions.load(number),
    }
  }

  #noteLook(): void {
    this.#routing.say()
    this.cron.noteWorld()
    this.operations.judge()
  }

  // What the host says -------------------------------------------------------------------------------------------------

  #take(message: Up, taken: Taken | null): boolean {
    if (this.#isClosed) return false
    this.events.take(message.events)
    if (taken !== null) this.#takePicture(taken)
    return message.events.length > 0
  }

  #takePicture({ keys: changed, isWhole }: Taken): void {
    const entries = this.#endpoint?.other.entries
    for (const key of changed) this.#takeEntry(key, entries?.get(key) ?? null)
    if (isWhole && !this.#hasPicture) {
      this.#hasPicture = true
      this.#informed.resolve()
    }
    if (changed.length > 0) this.#reconciler.nudge()
  }

  #takeEntry(key: string, entry: UpEntry | null): void {
    if (entry?.kind === 'host') this.world.host = entry
    else if (entry?.kind === 'balancer') this.world.noteBalancer(entry)
    else if (key.startsWith(slotPrefix)) this.#takeReport(key.slice(slotPrefix.length) as SlotId, entry)
  }

  #takeReport(slot: SlotId, report: SlotReport | null): void {
    this.#noteGap(slot, report)
    this.world.noteReport(slot, report)
    if (isRunSlot(slot)) this.cron.noteSlot(slot)
    else if (report !== null && report.completed !== null)
      this.#reconciler.noteCompleted(parseSlotId(slot).service, report.completed)
  }

  #noteGap(slot: SlotId, report: SlotReport | null): void {
    const before = this.world.reports.get(slot)?.gap ?? null
    const gap = report?.gap ?? null
    if (gap === null || gap.epoch === before?.epoch) return
    const { service } = parseSlotId(slot)
    const worstMs = Math.max(gap.gapMs, this.#gaps.get(service)?.worstMs ?? 0)
    this.#gaps.set(service, { lastMs: gap.gapMs, worstMs })
    this.operations.noteGap(slot, gap.gapMs)
  }
}

/** Of the events of the last daemon, to learn from. */
const learnedFrom = 1000

const slotPrefix = 'slot/'
