/**
 * The agent's hold on the balancer, which all projects share. It looks at their slots and wishes, makes the table, has it applied, and remembers what is: an instance with
 * routes is ready only when the balancer serves its epoch, and what leaves is asked to stop only when the balancer says that it has
 * finished. All of it happens one thing after another in a loop of its own, and nobody waits for it: a balancer that hangs stops no slot.
 *
 * What is applied is written down before anybody relies on it, so that the next daemon does not take out of use what it has not probed yet.
 */

import { balancerKindOf, balancerService, balancerSlot } from '../../core/balance/balancer-service.ts'
import type { RoutingTable } from '../../core/balance/table.ts'
import type { Event } from '../../core/model/event.ts'
import type { Epoch, SlotId } from '../../core/model/id.ts'
import { ownPart } from '../../core/model/project-id.ts'
import type { ProjectId } from '../../core/model/project-id.ts'
import type { Project, Service } from '../../core/model/service.ts'
import type { Balancer, BalancerObservation } from '../../ports/traffic/balancer.ts'
import type { BalancerKind, Balancers } from '../../ports/traffic/balancers.ts'
import type { CertificateKeeper } from '../../ports/traffic/certificates.ts'
import type { Clock, Timer } from '../../ports/clock.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Log } from '../../ports/log.ts'
import type { Random } from '../../ports/random.ts'
import type { Store } from '../../ports/storage/store.ts'
import { within } from './answer-limit.ts'
import { BalancerTrouble } from './balancer-trouble.ts'
import { Certificates } from './certificates.ts'
import { RoutingReader } from './routing-reader.ts'
import type { RoutingInput } from './routing-reader.ts'
import { SharedWishes } from './shared-wishes.ts'
import { TableMaker } from './table-maker.ts'
import type { MadeTable } from './table-maker.ts'
import type { ServedProject } from './served-project.ts'
import { AppliedTable, activeIn } from './applied-table.ts'
import type { TrafficRecord } from './applied-table.ts'
import type { SlotShell } from '../slots/slot-shell.ts'

export interface TrafficOptions {
  /** The machine's own, with the balancer's slot among them. */
  readonly machine: () => ReadonlyMap<SlotId, SlotShell>
  /** All projects, with what there is to serve. */
  readonly served: () => Iterable<ServedProject>
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly balancers: Balancers | null
  readonly emit: (event: Event) => void
  /** Something about what is applied has changed: slots may be ready, or in trouble, that were not. */
  readonly onChange: () => void
  /** Null where there are none: routes with TLS are then served without. */
  readonly certificates: CertificateKeeper | null
  readonly random: Random
}

/** Which program the routes of a config would have, and whether other projects use it. */
export interface PresentBalancer {
  readonly balancer?: BalancerKind
  readonly isBalancerShared: boolean
}

/** How often a balancer is asked about what drains: far below any request's time, and only while something drains. */
const drainPollMs = 75
const retryMs = 250
/** A port that is taken, a certificate that does not fit: nothing that changes within moments. */
const slowRetryMs = 2000
/** A look at one that nobody changes: so it is found out when it hangs. */
const heartbeatMs = 5000
/** From the first question without an answer; a start on a busy machine is shorter. */
const hangLimitMs = 20_000
/** No answer of a balancer takes that long; anything that waited on would stop every later change. */
const answerLimitMs = 20_000

export class Traffic {
  readonly #options: TrafficOptions
  readonly #view: RoutingReader
  readonly #shared: SharedWishes
  readonly #tables: TableMaker = new TableMaker()
  readonly #certificates: Certificates
  #balancer: Balancer | null = null
  #service: Service | null = null
  /** Whether there are routes; null until the first look. */
  #isNeeded: boolean | null = null
  readonly #trouble: BalancerTrouble
  /** The table that was last tried. */
  #tried: string | null = null
  /** Since when the process that runs has not answered. */
  #silent: { readonly epoch: Epoch; readonly sinceMs: number } | null = null
  #answeredMs = 0
  readonly #served: AppliedTable
  /** What the process of that epoch serves, as JSON; null when that is not certain. */
  #inForce: { readonly epoch: Epoch; readonly text: string } | null = null
  #prepared: string | null = null
  #retryAtMs = 0
  #turn: Promise<unknown> = Promise.resolve()
  #hasBegun = false
  #hasMet = false
  #isLooking = false
  #isDirty = false
  #isClosed = false
  #timer: Timer | null = null
  #timerMs = 0

  constructor(options: TrafficOptions) {
    this.#options = options
    this.#view = new RoutingReader(options.served)
    this.#shared = new SharedWishes(options.served)
    this.#served = new AppliedTable(options)
    this.#trouble = new BalancerTrouble({ emit: options.emit, onNews: options.onChange })
    this.#certificates = new Certificates({ ...options, wish: () => this.#shared.read(), traffic: this })
  }

  load(): Promise<void> {
    return this.#served.load()
  }

  /** The balancer's own service, as it should run here; null before the first look, and where there are no routes. */
  get service(): Service | null {
    return this.#service
  }

  /** Whether there are routes; null before the first look. */
  get isNeeded(): boolean | null {
    return this.#isNeeded
  }

  /** Whether its files hold a table: only then may it start. */
  get isPrepared(): boolean {
    return this.#prepared !== null
  }

  /** Whether what the balancer has confirmed is the table of the world as it is now. */
  isInForce(): boolean {
    const at = this.#shell()?.slot.occupancy
    return at?.kind === 'live' && this.#inForce?.epoch === at.epoch && this.#table().text === this.#inForce.text
  }

  /** Why a route of the service cannot be served, where that is not going to change by itself. */
  troubleOf(service: Service): string | null {
    return this.#trouble.of(service, { settings: this.#shared.read().settings, table: () => this.#table().text })
  }

  /**
   * Which program the routes of the config would have: what runs stays what it is, unless another one is asked for by name. `place`: of the
   * project that it is for, where that is there already.
   */
  kindFor({ services, balancer: { program } }: Project, place: ProjectId | null): PresentBalancer {
    const { balancers } = this.#options
    const { services: all } = this.#read()
    const isBalancerShared = all.some(({ service }) => place === null || ownPart(place, service.name) === null)
    if (balancers === null || services.every(({ routes }) => routes.length === 0)) return { isBalancerShared }
    const kind = (program === 'auto' ? this.#presentKind() : null) ?? balancers.choose(program)
    return { balancer: kind, isBalancerShared }
  }

  /** What is served, as it was last confirmed. */
  get record(): TrafficRecord {
    return this.#served.record
  }

  /** Until now slots were still being adopted: a table of some of them would take the others out of use. */
  begin(): void {
    this.#hasBegun = true
    this.note()
  }

  /** Something about the project has changed; any number of notes before the look make one look. */
  noteProject(id: ProjectId): void {
    this.#view.note(id)
    this.note()
  }

  /** Something about the balancer or what all share has changed. */
  note(): void {
    this.#isDirty = true
    if (!this.#hasBegun || this.#isLooking || this.#isClosed) return
    this.#isLooking = true
    void this.#inTurn(() => this.#lookUntilQuiet()).finally(() => {
      this.#isLooking = false
      if (this.#isDirty) this.note()
    })
  }

  /** Null when no balancer answers. */
  async observe(): Promise<BalancerObservation | null> {
    const balancer = this.#balancer
    if (balancer === null || this.#shell()?.slot.occupancy.kind !== 'live') return null
    return this.#inTurn(() => this.#within(balancer.observe())).catch(() => null)
  }

  /** What somebody should do something about while there is time. */
  get certificateWarnings(): readonly string[] {
    return this.#certificates.warnings
  }

  close(): void {
    this.#isClosed = true
    this.#certificates.close()
    this.#timer?.cancel()
  }

  #shell(): SlotShell | undefined {
    return this.#options.machine().get(balancerSlot)
  }

  /** One at a time: an observation is of the table that was applied before it. */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#turn.then(work, work)
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async #lookUntilQuiet(): Promise<void> {
    // Let everything that happens in this turn of the loop be seen by one look.
    await Promise.resolve()
    while (this.#isDirty && !this.#isClosed) {
      this.#isDirty = false
      try {
        await this.#look()
      } catch (error) {
        this.#hindered(error)
        return
      }
    }
  }

  async #look(): Promise<void> {
    // A table without what a project has not said yet would take it out of use.
    if ([...this.#options.served()].some(({ routing }) => routing === null)) return
    this.#certificates.note()
    if (this.#read().services.length === 0) return this.#leave()
    if (this.#options.balancers === null) throw new DarumaError('E_BALANCER_MISSING', 'This daemon has no balancer.')
    this.#isNeeded = true
    this.#tried = null
    const balancer = await this.#open(this.#options.balancers)
    const at = this.#shell()?.slot.occupancy
    if (at?.kind === 'live' && !this.#hasMet) await this.#meet(balancer)
    const { table, text } = this.#table()
    this.#tried = text
    if (at?.kind !== 'live') return this.#prepare(balancer, table, text)
    if (this.#service === null) await this.#prepare(balancer, table, text)
    const isInForce = this.#inForce?.text === text && this.#inForce.epoch === at.epoch
    if (!isInForce || this.#mustRetry()) await this.#apply(balancer, table, text, at.epoch)
    await this.#watchDrains(balancer)
    await this.#served.writeDown()
    this.#wakeIn(heartbeatMs)
  }

  #answered(): void {
    this.#answeredMs = this.#options.clock.now()
    this.#silent = null
  }

  #read(): RoutingInput {
    return this.#view.read(this.#served.record)
  }

  #table(): MadeTable {
    return this.#tables.make(this.#read(), this.#shared.read(), this.#certificates)
  }

  /** No route is left: the balancer ends, and nothing is applied. */
  async #leave(): Promise<void> {
    const wasNeeded = this.#isNeeded !== false
    this.#isNeeded = false
    this.#service = null
    this.#balancer = null
    this.#inForce = null
    this.#prepared = null
    this.#trouble.overcome()
    this.#releaseDrains()
    await this.#served.confirm(null)
    if (wasNeeded) this.#options.onChange()
  }

  /** What runs stays what it is as long as the config does not ask for the other one by name: to change it makes a gap. */
  async #open(balancers: Balancers): Promise<Balancer> {
    const { program } = this.#shared.read().settings
    const kind = (program === 'auto' ? this.#presentKind() : null) ?? balancers.choose(program)
    if (this.#balancer?.kind === kind) return this.#balancer
    this.#service = null
    this.#inForce = null
    this.#prepared = null
    this.#balancer = await balancers.open(kind)
    return this.#balancer
  }

  #presentKind(): BalancerKind | null {
    const slot = this.#shell()?.slot
    if (slot === undefined) return null
    const spec = slot.goal.kind === 'run' ? slot.goal.spec : slot.occupancy.kind === 'vacant' ? null : slot.occupancy.spec
    return spec === null ? null : balancerKindOf(spec.service)
  }

  /** A balancer that was here before us may serve whom our record (a restored one, say) does not know. */
  async #meet(balancer: Balancer): Promise<void> {
    const { upstreams } = await this.#within(balancer.observe())
    this.#hasMet = true
    await this.#served.noteAsked([...upstreams.keys()])
  }

  async #prepare(balancer: Balancer, table: RoutingTable, text: string): Promise<void> {
    if (this.#prepared !== text || this.#service === null) {
      await this.#served.noteAsked(activeIn(table))
      const program = await this.#within(balancer.prepare(table))
      this.#prepared = text
      this.#service = balancerService(balancer.kind, program)
      this.#options.onChange()
    }
    // With no process there are no requests under way, and the one that comes reads what was just written.
    if ((this.#shell()?.slot.occupancy.kind ?? 'vacant') !== 'vacant') return this.#wakeIn(drainPollMs)
    this.#releaseDrains()
  }

  async #apply(balancer: Balancer, table: RoutingTable, text: string, epoch: Epoch): Promise<void> {
    this.#inForce = null
    await this.#served.noteAsked(activeIn(table))
    try {
      await this.#within(balancer.apply(table))
      this.#trouble.overcome()
    } catch (error) {
      // All of it but that listener is applied.
      if (!(error instanceof DarumaError) || error.code !== 'E_BALANCER_PORT') throw error
      this.#trouble.note(error, text)
      this.#retryAtMs = this.#options.clock.now() + slowRetryMs
      this.#wakeIn(slowRetryMs)
    }
    this.#answered()
    await this.#served.confirm(table)
    this.#inForce = { epoch, text }
    this.#prepared = text
    this.#options.onChange()
  }

  /** A port that somebody else has may be free by now. */
  #mustRetry(): boolean {
    return this.#trouble.isPortTaken && this.#options.clock.now() >= this.#retryAtMs
  }

  async #watchDrains(balancer: Balancer): Promise<void> {
    const { draining } = this.#read()
    if (draining.length === 0 && this.#options.clock.now() - this.#answeredMs < heartbeatMs) return
    const { upstreams } = await this.#within(balancer.observe())
    this.#answered()
    for (const { shell, epoch, id } of draining) {
      // It began to drain after the table was made: the next one says so, and only then its count means anything.
      if (this.#served.record.active.includes(id) || this.#served.record.asked.includes(id)) this.#isDirty = true
      else shell.dispatch({ kind: 'under-way', epoch, requests: upstreams.get(id)?.active ?? 0 })
    }
    if (this.#read().draining.length > 0) this.#wakeIn(drainPollMs)
  }

  #hindered(error: unknown): void {
    this.#inForce = null
    const isAway = error instanceof DarumaError && error.code === 'E_BALANCER_AWAY'
    this.#trouble.note(error, this.#tried)
    this.#wakeIn(isAway ? retryMs : slowRetryMs)
    if (this.#balancer === null) this.#releaseDrains()
    if (isAway) this.#noteSilence()
  }

  /** A process that lives and says nothing, for longer than any start takes, hangs: it is ended like anybody who fails his liveness. */
  #noteSilence(): void {
    const shell = this.#shell()
    const at = shell?.slot.occupancy
    if (shell === undefined || at?.kind !== 'live') return
    const nowMs = this.#options.clock.now()
    if (this.#silent?.epoch !== at.epoch) this.#silent = { epoch: at.epoch, sinceMs: nowMs }
    else if (nowMs - this.#silent.sinceMs >= hangLimitMs)
      shell.dispatch({ kind: 'hangs', epoch: at.epoch, message: `has not answered for ${hangLimitMs / 1000} s` })
  }

  /** No process serves anybody: nothing is under way, and nothing will be. */
  #releaseDrains(): void {
    for (const { shell, epoch } of this.#read().draining) shell.dispatch({ kind: 'under-way', epoch, requests: 0 })
  }

  /** The sooner of what was asked. */
  #wakeIn(delayMs: number): void {
    const atMs = this.#options.clock.now() + delayMs
    if (this.#timer !== null && this.#timerMs <= atMs) return
    this.#timer?.cancel()
    this.#timerMs = atMs
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#timer = null
      this.note()
    })
  }

  #within<Answer>(answer: Promise<Answer>): Promise<Answer> {
    const message = `The balancer has not answered for ${answerLimitMs / 1000} s.`
    return within(this.#options.clock, answer, answerLimitMs, () => new DarumaError('E_BALANCER_AWAY', message))
  }
}
