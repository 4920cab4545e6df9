/**
 * The daemon: everything it needs comes through the constructor, so that the simulator runs this very class. It starts by believing
 * the world (`load.ts`), and from then on a nudge and a slow pulse are all that move it: start-up and steady
 * state are the same path.
 */

import { balancerName } from '../core/balance/balancer-service.ts'
import type { RevisionNumber, ServiceName, SlotId } from '../core/model/id.ts'
import { isRunSlot } from '../core/model/id.ts'
import type { InstanceSpec } from '../core/instance/slot.ts'
import type { Story } from '../core/model/event.ts'
import type { Timer } from '../ports/clock.ts'
import { DarumaError } from '../ports/error.ts'
import type { RuntimeEvent } from '../ports/runtime.ts'
import type { OperationAnswer, OperationRequest, PlanAnswer, PlanRequest, StatusAnswer } from '../protocol/api.ts'
import { Clockwork } from './clockwork.ts'
import type { DaemonEnd, DaemonFacts, DaemonPorts } from './daemon-facts.ts'
import { EventLog } from './event-log.ts'
import { reportFailure } from './failure-report.ts'
import { adopt, loadWanted } from './load.ts'
import { Gaps } from './gaps.ts'
import { History } from './history.ts'
import { makeOrder } from './start-order.ts'
import type { WantedStart } from './start-order.ts'
import { Operations } from './operations.ts'
import { Pauses } from './pauses.ts'
import { PortAllotment } from './port-allotment.ts'
import { Reconciler } from './reconciler.ts'
import { put, readRecord } from './records.ts'
import { answerPlan, intentOf } from './requests.ts'
import type { RequestTools } from './requests.ts'
import { Revisions } from './revisions.ts'
import { SecretStore } from './secrets.ts'
import { toObstacle } from './slot-shell.ts'
import type { SlotShell } from './slot-shell.ts'
import { StatusReader } from './status.ts'
import { Traffic } from './traffic.ts'
import { World } from './world.ts'

/** Every look costs little; this is the net under the nudges, and how soon a lost companion or database is noticed. */
const pulseMs = 1000

const compactEveryMs = 60_000

/** Long enough for the commands that follow a `down`; short enough that nobody finds a daemon with nothing to do. */
const idleLimitMs = 60_000

export class Daemon {
  readonly #ports: DaemonPorts
  readonly #facts: DaemonFacts
  readonly world: World = new World()
  readonly events: EventLog
  readonly operations: Operations
  readonly history: History
  readonly traffic: Traffic
  readonly #pauses: Pauses
  readonly clockwork: Clockwork
  readonly #secrets: SecretStore
  readonly #allotment: PortAllotment
  readonly #reconciler: Reconciler
  readonly #status: StatusReader
  readonly #startedAt: string
  readonly #revisions: Revisions
  #pulse: Timer | null = null
  #busyAtMs = 0
  #compactedAtMs = 0
  #isStopping = false
  #early: RuntimeEvent[] | null = []
  #ended: (reason: DaemonEnd) => void = () => {}
  /** Resolves when the daemon cannot or shall not go on; the caller ends the process. */
  readonly end: Promise<DaemonEnd> = new Promise((resolve) => {
    this.#ended = resolve
  })

  constructor(ports: DaemonPorts, facts: DaemonFacts) {
    this.#ports = ports
    this.#facts = facts
    const { store, clock, random, directory } = ports
    const { world } = this
    this.#startedAt = clock.wallTime()
    this.events = new EventLog({ store, clock, revision: () => world.target?.number ?? world.applied })
    this.#revisions = new Revisions(store)
    this.#secrets = new SecretStore(store, random)
    this.#allotment = new PortAllotment(ports.net, Number.parseInt(directory.stateId.slice(0, 8), 16))
    const gaps = new Gaps({ world, clock, onGap: (gap) => this.#tellGap(gap) })
    this.traffic = new Traffic({
      ...ports,
      world,
      portOf: (slot) => this.#allotment.portOf(slot),
      tell: (story) => this.events.tell(story),
      onChange: () => {
        gaps.noteAll()
        this.#reconciler.nudge()
      },
    })
    world.traffic = this.traffic
    this.#pauses = new Pauses(clock, () => this.#reconciler.nudge())
    const tools = {
      ...ports,
      tell: (story: Story) =>
        this.events.tell({
          ...story,
          message: this.#secrets.redact(story.message),
          cause: story.cause === null ? null : this.#secrets.redact(story.cause),
        }),
      acquirePort: (slot: SlotId, spec: InstanceSpec) => this.#acquirePort(slot, spec),
      portOf: (slot: SlotId) => this.#allotment.portOf(slot),
      order: (start: WantedStart) => makeOrder({ world, directory, secrets: this.#secrets, facts }, start),
    }
    const flushStory = (): Promise<void> => this.events.flush()
    this.#reconciler = new Reconciler({
      world,
      store,
      checkpoint: ports.checkpoint,
      onChange: () => {
        this.traffic.note()
        gaps.noteAll()
        this.clockwork.noteWorld()
        this.operations.judge()
      },
      onSlotChange: (slot) => {
        this.traffic.note()
        gaps.note(slot)
      },
      flushStory,
      tools,
    })
    this.clockwork = new Clockwork({
      ...ports,
      world,
      tools,
      flushStory,
      ports: this.#allotment,
      loadRevision: (number) => this.#revisions.load(number),
      nudgeWorld: () => this.#reconciler.nudge(),
      onStoreLost: () => this.#ended({ kind: 'broken', message: 'the run ledger cannot be written' }),
    })
    this.operations = new Operations({
      world,
      store,
      clock,
      checkpoint: ports.checkpoint,
      images: ports.images,
      passwordFor: (service) => this.#secrets.registryPasswordFor(service),
      reconciler: () => this.#reconciler,
      newId: () => random.hex(6),
      tell: (kind, message, cause) => this.events.tell({ kind, slot: null, epoch: null, message, cause }),
      report: (service, slot, message) =>
        reportFailure({ world, runtime: ports.runtime, redact: (text) => this.redact(text) }, { service, slot, message }),
      troubleOf: (service) => this.traffic.troubleOf(service),
      isTableInForce: () => this.traffic.isInForce(),
      observe: () => this.traffic.observe(),
      loadRevision: (number) => this.#revisions.load(number),
      onEnd: () => this.history.prune().catch((error: unknown) => ports.log.write('warn', `history: ${String(error)}`)),
    })
    world.isOnTrial = (name) => this.operations.trials.isOnTrial(name)
    world.isPausing = (view) => this.#pauses.isPausing(view)
    this.history = new History({ store, world, secrets: this.#secrets, reconciler: this.#reconciler, clockwork: this.clockwork })
    this.#status = new StatusReader({
      ...ports,
      world,
      portOf: (shell) => this.#allotment.portOf(shell.id),
      canaryOf: (name) => this.operations.trials.statusOf(name),
      gapOf: (name) => gaps.of(name),
    })
  }

  async start(): Promise<void> {
    const { store, runtime, directory } = this.#ports
    await this.events.load()
    await this.#secrets.load()
    await this.traffic.load()
    const tools = {
      ...this.#ports,
      world: this.world,
      ports: this.#allotment,
      loadRevision: (number: RevisionNumber) => this.#revisions.load(number),
    }
    const records = await loadWanted(tools)
    const discovery = await runtime.discover((event) => this.#take(event))
    const lastBoot = await readRecord<string>(store, 'boot')
    this.#tell('daemon-started', `pid ${this.#facts.pid}, version ${this.#facts.version}`, null)
    if (lastBoot !== null && lastBoot !== directory.bootId)
      this.#tell('host-rebooted', 'nothing that ran before runs any more', 'a new boot id')
    // A disk that is full after a reboot must not keep the daemon from getting up: then the next one tells of the reboot again.
    if (lastBoot !== directory.bootId) await store.transact({ then: [put('boot', directory.bootId)] }).catch(ignoreFullDisk)
    await adopt(tools, this.#reconciler, records, discovery)
    await this.clockwork.load(discovery)
    await this.operations.resume()
    const early = this.#early ?? []
    this.#early = null
    for (const event of early) this.#take(event)
    this.#busyAtMs = this.#ports.clock.now()
    this.traffic.begin()
    this.#reconciler.begin()
    this.clockwork.begin()
    this.#beat()
  }

  /** Ends the daemon's own work; instances run on. */
  async stop(reason: DaemonEnd): Promise<void> {
    if (this.#isStopping) return
    this.#isStopping = true
    this.#pulse?.cancel()
    if (reason.kind === 'asked') await this.#ports.companions.stop()
    this.operations.close()
    this.traffic.close()
    this.#pauses.close()
    await this.clockwork.close()
    await this.#reconciler.close()
    this.#tell('daemon-stopped', 'instances run on', reason.message)
    await this.events.flush()
    this.#ended(reason)
  }

  /** The container engine has gone, for the reason given, or (null) is back. What it runs is not given up for that. */
  noteEngine(fault: string | null): void {
    if ((fault === null) === (this.world.engineFault === null)) return
    this.world.engineFault = fault
    if (fault === null) this.#tell('engine-back', 'the container engine answers again', null)
    else this.#tell('engine-away', 'the container engine does not answer; what it ran counts as running', fault)
    this.#reconciler.nudge()
  }

  /** Somebody talks to the daemon. */
  noteCall(): void {
    this.#busyAtMs = this.#ports.clock.now()
  }

  /** What instances use is measured anew, unless the caller knows it better. */
  status(withUsage: boolean = true): StatusAnswer {
    const { world } = this
    return {
      project: world.project?.name ?? null,
      stage: world.project?.stage ?? null,
      revision: world.applied,
      daemon: {
        pid: this.#facts.pid,
        startedAt: this.#startedAt,
        memoryBytes: this.#facts.memoryBytes(),
        condition: world.condition ?? world.engineFault,
      },
      operation: this.operations.current,
      services: this.#status.services(),
      instances: this.#status.instances(withUsage).map((instance) => ({
        ...instance,
        reason: instance.reason === null ? null : this.#secrets.redact(instance.reason),
      })),
    }
  }

  plan(request: PlanRequest): Promise<PlanAnswer> {
    return answerPlan(this.#requestTools(), request)
  }

  async operate(request: OperationRequest): Promise<OperationAnswer> {
    const begun = await this.operations.begin(() => intentOf(this.#requestTools(), request))
    if (begun !== null && request.by.file !== null) {
      // The revision asked for may still wait for its images.
      const project = request.kind === 'apply' ? request.project : this.world.project
      const origin = { file: request.by.file, stage: project?.stage ?? null, project: project?.name ?? '' }
      await this.#ports.directory.writeFile('origin.json', `${JSON.stringify(origin)}\n`).catch(() => undefined)
    }
    if (begun === null) return { id: '', revision: this.world.applied, unchanged: true }
    return { ...begun, unchanged: false }
  }

  redact(text: string): string {
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
      // Runs come and go by themselves: no plan is out of date for them.
      observe: () => this.#status.instances(false).filter(({ service, slot }) => service !== balancerName && !isRunSlot(slot)),
      limits: () => this.#ports.runtime.guarantees().limits,
      engineFault: () => this.#ports.images.findFault(),
      balancerFor: (project) => this.traffic.kindFor(project),
      loadRevision: (number) => this.#revisions.load(number),
    }
  }

  #take(event: RuntimeEvent): void {
    if (this.#early !== null) {
      this.#early.push(event)
      return
    }
    const shell = this.world.shells.get(event.slot)
    if (shell === undefined) return
    const { epoch } = event
    const jitter = this.#ports.random.fraction()
    switch (event.kind) {
      case 'started':
        return shell.dispatch({ kind: 'started', epoch, pid: event.pid, startedAt: event.startedAt })
      case 'refused':
        return shell.dispatch({ kind: 'refused', epoch, refusal: toObstacle(event.refusal), jitter })
      case 'gone':
        return shell.dispatch({ kind: 'gone', epoch, exit: event.exit, jitter })
    }
  }

  async #acquirePort(slot: SlotId, spec: InstanceSpec): ReturnType<PortAllotment['acquire']> {
    const answer = await this.#allotment.acquire(slot, spec.service.port)
    if (answer.kind === 'port') this.#reconciler.notePort(slot, answer.port)
    return answer
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
      this.#ports.log.write(
        'error',
        'the database was replaced under the daemon; it ends and begins anew with the one that is there',
      )
      this.#ended({ kind: 'broken', message: 'the database was replaced' })
      return
    }
    if (this.#reconciler.isStoreLost) {
      this.#ended({ kind: 'broken', message: 'the store has crashed' })
      return
    }
    // First, so that no trouble with anything below takes the net from under the nudges.
    this.#reconciler.nudge()
    this.clockwork.nudge()
    void this.events.flush()
    for (const companion of await this.#ports.companions.ensure()) {
      this.#tell('supervisor-restarted', `${companion} was started again`, 'it had died')
    }
    await this.#compact()
    if (this.#hasNothingToKeep()) await this.stop({ kind: 'asked', message: 'there is nothing to keep' })
  }

  /** Nobody here reads old changes; without this the database would keep each one for ever. */
  async #compact(): Promise<void> {
    const nowMs = this.#ports.clock.now()
    if (nowMs - this.#compactedAtMs < compactEveryMs) return
    this.#compactedAtMs = nowMs
    const { revision } = await this.#ports.store.list('layout', { limit: 1 })
    await this.#ports.store.compact(revision)
  }

  #hasNothingToKeep(): boolean {
    const { world } = this
    const isIdle = this.operations.current === null && (world.project?.services.length ?? 0) === 0
    const isVacant = [...world.shells.values()].every(({ slot }) => slot.occupancy.kind === 'vacant')
    if (!isIdle || !isVacant) this.#busyAtMs = this.#ports.clock.now()
    return this.#facts.isOnDemand && this.#ports.clock.now() - this.#busyAtMs >= idleLimitMs
  }

  #tellGap({ shell, gapMs, cause }: { readonly shell: SlotShell; readonly gapMs: number; readonly cause: string }): void {
    const at = shell.slot.occupancy
    const epoch = at.kind === 'vacant' ? null : at.epoch
    this.events.tell({ kind: 'replaced', slot: shell.id, epoch, message: `gap ${gapMs} ms`, cause })
    this.operations.noteGap(shell.id, gapMs)
  }

  #tell(kind: Parameters<EventLog['tell']>[0]['kind'], message: string, cause: string | null): void {
    this.events.tell({ kind, slot: null, epoch: null, message, cause })
  }
}

function ignoreFullDisk(error: unknown): void {
  if (!(error instanceof DarumaError) || error.code !== 'E_STORE_FULL') throw error
}
