/**
 * One project's slots on this host. The agent runs what it was told to run, and reports what runs; it decides nothing about who runs where. It
 * begins by believing the kernel and the slots' own files (`adopt.ts`): what runs goes on as it was found until the server says what should be,
 * and so it stays while no server is there.
 */

import { balancerSlot } from '../core/balance/balancer-service.ts'
import type { Goal } from '../core/instance/slot.ts'
import { kindOfEnd } from '../core/instance/emit.ts'
import type { Event } from '../core/model/event.ts'
import { isRunSlot } from '../core/model/id.ts'
import { isErrand } from '../core/model/errand-slots.ts'
import type { Epoch, SlotId } from '../core/model/id.ts'
import { describeExit } from '../core/model/status.ts'
import type { Clock } from '../ports/clock.ts'
import type { CommandRunner } from '../ports/command.ts'
import type { AgentLink, Assignment, Down, RoutingWish } from '../ports/exchange.ts'
import type { SlotInspection } from '../ports/inspection.ts'
import type { Log } from '../ports/log.ts'
import type { Net } from '../ports/net.ts'
import type { Random } from '../ports/random.ts'
import type { Runtime, RuntimeEvent } from '../ports/runtime/runtime.ts'
import type { StateDirectory } from '../ports/storage/state-directory.ts'
import type { Store } from '../ports/storage/store.ts'
import type { Taken } from '../protocol/exchange/picture.ts'
import type { Allotment } from './port-allotment.ts'
import type { ErrandRunner } from './errand.ts'
import type { HostReleases } from './releases/host-releases.ts'
import { HostObstacles } from './host-obstacles.ts'
import { ServerLine, slotOfKey } from './server-line.ts'
import type { TrafficView } from './traffic/traffic-view.ts'
import { adoptSlots, foundEvent, foundGoal, keptGoal, type EndFound } from './slots/adopt.ts'
import { Attempts } from './slots/attempts.ts'
import { Gaps } from './slots/gaps.ts'
import { MemoryKills } from './slots/memory-kills.ts'
import { Reporter } from './slots/reporter.ts'
import { RoutedSlots } from './slots/routed-slots.ts'
import { SlotMemory, type SlotMemo } from './slots/slot-memory.ts'
import { SlotShell, toSlotEvent } from './slots/slot-shell.ts'
import type { SlotTools } from './slots/slot-shell.ts'
import { buildStartRequest } from './slots/start-request.ts'
import type { HostFacts, WantedStart } from './slots/start-request.ts'

export interface AgentOptions {
  readonly store: Store
  readonly directory: StateDirectory
  readonly runtime: Runtime
  readonly net: Net
  readonly commands: CommandRunner
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly facts: HostFacts
  readonly allotment: Allotment
  readonly traffic: TrafficView
  readonly link: AgentLink
  readonly releases: Pick<HostReleases, 'treeFor'>
  readonly errands: readonly ErrandRunner[]
  /** Nothing that the server knew is known any more: what a reboot has cut off is started again by its note. */
  readonly trustsNotes: boolean
}

export class Agent {
  readonly #options: AgentOptions
  readonly shells: Map<SlotId, SlotShell> = new Map()
  readonly #tools: SlotTools
  readonly #memory: SlotMemory
  readonly #attempts = new Attempts()
  readonly #gaps = new Gaps()
  readonly #memoryKills: MemoryKills
  readonly #reporter: Reporter
  /** By slot: the largest epoch that was ever started, as far as anything tells. */
  readonly #lastEpochs = new Map<SlotId, Epoch>()
  /** By slot: what ended while no agent was there, and waits for the server to say what the slot is for. */
  #ends = new Map<SlotId, EndFound>()
  /** By slot: the assignment that it goes by. */
  readonly #applied = new Map<SlotId, string>()
  /** By slot: the epoch that this agent found running. */
  readonly #foundRunning = new Map<SlotId, Epoch>()
  readonly #routed = new RoutedSlots()
  /** Whose files are being removed. */
  readonly #forgetting = new Set<SlotId>()
  #hasBeenTold = false
  #isEarly = true
  readonly #early: RuntimeEvent[] = []
  readonly #obstacles: HostObstacles
  /** Null until it is known which life of the agent this is. */
  #server: ServerLine | null = null

  constructor(options: AgentOptions) {
    this.#options = options
    const { allotment, store, clock } = options
    this.#obstacles = new HostObstacles((report) => this.#server?.set(report))
    this.#memory = new SlotMemory({ store, clock, onCondition: (condition) => this.#obstacles.noteCondition(condition) })
    this.#reporter = new Reporter({ ...options, memory: this.#memory, attempts: this.#attempts, gaps: this.#gaps })
    this.#memoryKills = new MemoryKills({
      shells: this.shells,
      runtime: options.runtime,
      isAdopted: (slot, epoch) => this.#foundRunning.get(slot) === epoch,
      emit: (event) => this.#server?.emit(event),
    })
    this.#tools = {
      ...options,
      emit: (event) => this.#server?.emit(event),
      acquirePort: async (slot, spec) => {
        const answer = await allotment.acquire(slot, spec.service.port)
        if (answer.kind === 'port' && this.#memory.get(slot).port !== answer.port) this.#memory.note(slot, { port: answer.port })
        return answer
      },
      portOf: (slot) => allotment.portOf(slot),
      buildStartRequest: (start) => this.#buildStartRequest(start),
      settled: (shell, epoch, events) => this.#settle(shell, epoch, events),
      changed: (shell) => this.#noteChange(shell),
    }
  }

  /** What the server last said of the host's routes; null before it has. */
  get routing(): RoutingWish | null {
    return this.#server?.routing ?? null
  }

  /** Finds what there is. Nothing is ended or started before {@link begin}, but for what nothing tells what it is. */
  async load(): Promise<void> {
    const { runtime, clock, link, log } = this.#options
    await this.#memory.load()
    this.#server = new ServerLine({
      life: this.#memory.life,
      clock,
      link,
      unsent: [...this.#memory.entries()].flatMap(([, memo]) => memo.events),
      onMessage: (message, taken) => this.#take(message, taken),
    })
    const discovery = await runtime.discover((event) => this.#takeRuntime(event))
    for (const errand of this.#options.errands) await errand.load(discovery)
    const found = await adoptSlots({ runtime, log, memory: this.#memory, clock }, discovery)
    for (const [slot, epoch] of found.lastEpochs) this.#lastEpochs.set(slot, epoch)
    for (const [slot, memo] of this.#memory.entries()) this.#options.allotment.remember(slot, memo.port)
    for (const end of found.endedBefore) this.#emitEnd(end)
    for (const { slot, epoch } of found.committedRuns) this.#attempts.findCommitted(slot, epoch)
    for (const occupant of found.runs) this.#attempts.find(occupant)
    for (const { occupant, spec, port } of found.running) {
      if (port !== null) this.#options.allotment.remember(occupant.slot, port)
      this.#reporter.noteAdopted(occupant.slot, occupant.epoch)
      this.#foundRunning.set(occupant.slot, occupant.epoch)
      this.#makeShell(occupant.slot, foundGoal(occupant, spec)).dispatch(foundEvent(occupant, spec, clock.wallTime()))
    }
    this.#ends = new Map(found.ended.map((end) => [end.slot, end]))
    for (const end of found.ended) if (isRunSlot(end.slot)) this.#takeEnd(end, keptGoal(end.spec, end.epoch))
    for (const { slot } of [...found.committedRuns, ...found.runs]) if (!this.shells.has(slot)) this.#report(slot)
    this.#isEarly = false
    for (const event of this.#early.splice(0)) this.#takeRuntime(event)
    this.#obstacles.report()
    this.noteTraffic()
  }

  begin(): void {
    this.#server?.open()
  }

  /** Ends the agent's own work; instances run on. */
  async close(): Promise<void> {
    for (const errand of this.#options.errands) errand.close()
    for (const shell of this.shells.values()) shell.close()
    this.#server?.close()
    await this.#memory.close()
  }

  /** The net under every notification: what depends on the time alone is reported again. */
  look(): void {
    this.#forgetAgain()
    this.#server?.sendAgain()
    this.#memoryKills.look()
    const nowMs = this.#options.clock.now()
    for (const shell of this.shells.values()) {
      const { occupancy, goal, failuresInARow } = shell.slot
      const isSteady = occupancy.kind === 'live' ? occupancy.health.isReady && failuresInARow === 0 : goal.kind === 'stopped'
      if (isSteady && !this.#reporter.isUnproven(shell.id)) continue
      this.#noteGap(shell, nowMs)
      this.#report(shell.id)
    }
  }

  /** What the balancer serves, or what is in its way, has changed. */
  noteTraffic(): void {
    this.#server?.set({ kind: 'balancer', ...this.#options.traffic.report(this.routing) })
    for (const shell of this.shells.values()) {
      const at = shell.slot.occupancy
      if (at.kind !== 'live' || at.spec.service.routes.length === 0) continue
      this.#noteGap(shell, this.#options.clock.now())
      this.#report(shell.id)
    }
  }

  /** The container engine has gone, for the reason given, or (null) is back. What it runs is not given up for that. */
  noteEngine(fault: string | null): void {
    this.#obstacles.noteEngine(fault)
  }

  /** Nothing is in any slot, nor was when this agent began: what ended without it may yet be begun again. */
  isEmpty(): boolean {
    return this.shells.size === 0 && this.#ends.size === 0
  }

  /** The slot in words of this moment; null where there is nothing of it. */
  inspect(slot: SlotId): SlotInspection | null {
    const inspected = this.shells.get(slot)?.inspect() ?? null
    return inspected === null ? null : { ...inspected, reason: inspected.reason ?? this.#memoryKills.reasonOf(slot) }
  }

  // What the server says -----------------------------------------------------------------------------------------------

  #take(message: Down, taken: Taken | null): void {
    this.#memory.dropEvents(message.events.taken)
    if (taken === null) return
    for (const slot of taken.keys.map(slotOfKey)) {
      const assignment = slot === null ? null : this.#assignmentOf(slot)
      if (assignment !== null) this.#assign(assignment)
      else if (slot !== null) this.#unassign(slot)
    }
    if (taken.keys.includes('routing')) {
      this.#options.traffic.note()
      this.noteTraffic()
    }
    if (!this.#hasBeenTold && taken.isWhole) this.#takeRestOfEnds()
  }

  #assign({ slot, order, goal, gate }: Assignment): void {
    if (this.#applied.get(slot) === order || this.#forgetting.has(slot)) return
    this.#applied.set(slot, order)
    if (goal.kind === 'forget') return this.#forget(slot)
    if (goal.kind === 'run') this.#memory.noteTold(slot, goal)
    const end = this.#ends.get(slot)
    const shell = this.shells.get(slot) ?? this.#makeShell(slot, goal)
    if (!gate.open && shell.slot.gate.open) shell.dispatch({ kind: 'gate', ...gate })
    if (end !== undefined) this.#takeEnd(end, goal)
    if (shell.slot.goal !== goal) shell.dispatch({ kind: 'goal', goal })
    const now = shell.slot.gate
    if (now.open !== gate.open || now.because !== gate.because) shell.dispatch({ kind: 'gate', ...gate })
    this.#report(slot)
  }

  /** Nothing is said of the slot any more. Of a run that is over only what its server's ledger may ask for is kept. */
  #unassign(slot: SlotId): void {
    this.#applied.delete(slot)
    const shell = this.shells.get(slot)
    if (shell === undefined || !isRunSlot(slot) || shell.slot.occupancy.kind !== 'vacant') return
    shell.close()
    this.shells.delete(slot)
    this.#lastEpochs.set(slot, shell.slot.lastEpoch ?? (0 as Epoch))
    this.#options.allotment.remember(slot, null)
    this.#report(slot)
  }

  /** The server has said all that it has to say, and nothing of these: they are taken in for what their notes say that they are. */
  #takeRestOfEnds(): void {
    this.#hasBeenTold = true
    for (const end of this.#ends.values()) {
      this.#takeEnd(end, keptGoal(end.spec, end.epoch))
      const isKept = this.#options.trustsNotes && end.isCutOff
      const shell = this.shells.get(end.slot)
      if (isKept) shell?.dispatch({ kind: 'gate', open: true, because: null })
      else shell?.dispatch({ kind: 'goal', goal: { kind: 'stopped', because: 'nothing recorded asks for it' } })
    }
  }

  #takeEnd(end: EndFound, goal: Goal): void {
    const { slot, epoch, startedAt, spec, exit } = end
    this.#ends.delete(slot)
    const shell = this.shells.get(slot) ?? this.#makeShell(slot, goal)
    const isJobDone = spec.service.scale.kind === 'job' && exit.kind === 'code' && exit.code === 0
    if (isJobDone) this.#memory.note(slot, { completed: spec.identity })
    shell.dispatch({ kind: 'found-ended', epoch, startedAt, spec, exit, jitter: this.#options.random.fraction() })
    this.#report(slot)
  }

  /** Of an epoch that another has followed: it counts for nothing any more, and is told all the same. */
  #emitEnd({ slot, epoch, spec, exit }: EndFound): void {
    const event = { kind: kindOfEnd(spec.service, exit), slot, epoch, message: describeExit(exit), cause: null }
    this.#noteEnd(slot, { settledEpoch: epoch }, [event])
  }

  #forget(slot: SlotId): void {
    const shell = this.shells.get(slot)
    if (shell !== undefined && shell.slot.occupancy.kind !== 'vacant')
      return shell.dispatch({ kind: 'goal', goal: { kind: 'stopped', because: 'it is to be forgotten' } })
    if (this.#forgetting.has(slot)) return
    this.#forgetting.add(slot)
    void this.#removeFiles(slot)
  }

  /** The files first: a report that is gone says that all of it is. */
  async #removeFiles(slot: SlotId): Promise<void> {
    try {
      await this.#options.runtime.forget(slot)
      this.#hasForgotten(slot)
    } catch (error) {
      this.#options.log.write('warn', `${slot} could not be forgotten: ${String(error)}`)
    }
    this.#forgetting.delete(slot)
    // The server may have thought better of it meanwhile.
    const assignment = this.#assignmentOf(slot)
    if (assignment !== null && assignment.goal.kind !== 'forget') this.#assign(assignment)
  }

  #hasForgotten(slot: SlotId): void {
    this.shells.get(slot)?.close()
    this.shells.delete(slot)
    this.#reporter.forget(slot)
    this.#gaps.forget(slot)
    this.#attempts.forget(slot)
    this.#memory.forget(slot)
    this.#applied.delete(slot)
    this.#options.allotment.remember(slot, null)
    if (isRunSlot(slot)) this.#lastEpochs.delete(slot)
    this.#server?.removeReport(slot)
  }

  /** What was to be forgotten and could not be (something was in it, a file could not be removed) is tried again. */
  #forgetAgain(): void {
    for (const { slot, goal } of this.#server?.assignments() ?? [])
      if (goal.kind === 'forget' && this.#server?.hasReported(slot) === true) this.#forget(slot)
  }

  // What happens in the slots ------------------------------------------------------------------------------------------

  #makeShell(slot: SlotId, goal: Goal): SlotShell {
    const shell = new SlotShell(this.#tools, this.#memory.restore(slot, goal, this.#lastEpochs.get(slot) ?? null))
    this.shells.set(slot, shell)
    return shell
  }

  #takeRuntime(event: RuntimeEvent): void {
    if (this.#isEarly) return void this.#early.push(event)
    if (isErrand(event.slot)) return this.#options.errands.forEach((errand) => errand.take(event))
    const shell = this.shells.get(event.slot)
    if (shell === undefined) return
    shell.dispatch(toSlotEvent(event, this.#options.random.fraction()))
  }

  #settle({ id, slot }: SlotShell, epoch: Epoch, events: readonly Event[]): void {
    const { outcome, startsUnderIdentity: starts } = slot
    const memo = this.#memory.get(id)
    // What it had before is no news: some other program of the job may have completed since.
    const isNews = outcome?.kind === 'completed' && outcome.identity !== memo.outcome?.identity
    const completed = isNews ? outcome.identity : memo.completed
    this.#noteEnd(id, { settledEpoch: epoch, outcome, starts, completed }, events)
  }

  /** What tells of an end waits until the end is written down. */
  #noteEnd(slot: SlotId, change: Partial<SlotMemo>, events: readonly Event[]): void {
    const numbered = this.#server?.hold(events) ?? []
    void this.#memory.noteEnd(slot, change, numbered).then(() => this.#server?.release(numbered))
  }

  #noteChange(shell: SlotShell): void {
    const nowMs = this.#options.clock.now()
    if (isRunSlot(shell.id)) this.#attempts.note(shell.id, shell.slot, nowMs)
    this.#noteGap(shell, nowMs)
    this.#report(shell.id)
    if (this.#routed.note(shell.slot) || shell.id === balancerSlot) this.#options.traffic.note()
  }

  #noteGap(shell: SlotShell, nowMs: number): void {
    const gap = this.#gaps.note(shell.slot, this.#reporter.report(shell.slot, null).isInUse, nowMs)
    if (gap === null) return
    this.#server?.emit({ kind: 'replaced', slot: shell.id, epoch: gap.epoch, message: `gap ${gap.gapMs} ms`, cause: gap.cause })
  }

  // What the server is told --------------------------------------------------------------------------------------------

  #report(slot: SlotId): void {
    const shell = this.shells.get(slot)
    const order = this.#applied.get(slot) ?? null
    const report =
      shell === undefined
        ? this.#reporter.remains(slot, this.#lastEpochs.get(slot) ?? null, order)
        : this.#reporter.report(shell.slot, order)
    this.#server?.report(report)
  }

  #assignmentOf(slot: SlotId): Assignment | null {
    return this.#server?.assignmentOf(slot) ?? null
  }

  #buildStartRequest(start: WantedStart): ReturnType<typeof buildStartRequest> {
    const { directory, facts, releases } = this.#options
    const told = this.#assignmentOf(start.slot)
    const { project = { name: '', stage: null }, secrets = null } = told ?? {}
    return buildStartRequest({ directory, facts, project, secrets, treeFor: (service) => releases.treeFor(service) }, start)
  }
}
