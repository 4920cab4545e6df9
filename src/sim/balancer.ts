/**
 * The balancer of the simulated machine, with the contract of the real ones: its files outlive everything, what it serves lives in the
 * process in its slot, and requests are numbers that come while an upstream is in use and go with time. It confirms late, or not at all, and
 * it is a witness: anything that is asked to end while it has requests under way had them cut.
 */

import { balancerSlot } from '../core/balance/balancer-service.ts'
import type { RoutingTable, Upstream } from '../core/balance/table.ts'
import { upstreamId } from '../core/balance/table.ts'
import type { Epoch, SlotId } from '../core/model/id.ts'
import type { Service } from '../core/model/service.ts'
import type { Balancer, BalancerObservation, UpstreamCounters } from '../ports/traffic/balancer.ts'
import { DarumaError } from '../ports/error.ts'
import { wordsOf } from './kernel.ts'
import type { Instance, SimulatedKernel } from './kernel.ts'
import { slotOfTable, tableSlot } from './place.ts'

/** The longest request; shorter than the shortest drain in any history. */
const maxRequestMs = 2000

interface Process {
  readonly instance: Instance
  table: RoutingTable
  /** By upstream: when its last request will have ended, once no new one comes. */
  readonly busyUntilMs: Map<string, number>
}

export class SimulatedBalancer {
  readonly #kernel: SimulatedKernel
  #files: RoutingTable | null = null
  #process: Process | null = null
  /** Probability that an answer is lost, though what was asked is done. */
  lossRate = 0
  /** Answers 5xx to every request that is counted: by the last word of an instance's command. */
  failing: string | null = null
  /** The port that a stranger holds. */
  takenPort: number | null = null
  /** For how long the daemon that lives has let an instance drain. */
  drainedForMs: (slot: SlotId, epoch: Epoch) => number = () => 0

  constructor(kernel: SimulatedKernel) {
    this.#kernel = kernel
    kernel.onRun = (instance) => this.#begin(instance)
    kernel.onAskedToEnd = (instance) => this.#witness(instance)
  }

  /** What new requests are routed by now; null while no process serves anybody. */
  get table(): RoutingTable | null {
    return this.#alive()?.table ?? null
  }

  /** Upstreams of a service that get new requests and are there to answer them. */
  serving(service: string): readonly Upstream[] {
    const name = service.includes('/') ? service : `shop/${service}`
    const pool = this.table?.pools.find(({ id }) => id === name)
    return (pool?.upstreams ?? []).filter((upstream) => upstream.state === 'active' && this.#instanceOf(upstream) !== null)
  }

  handle(pass: () => Promise<void>): Balancer {
    const slow = async (): Promise<void> => {
      await pass()
      if (this.#kernel.isCalm || !this.#kernel.random.chance(0.1)) return
      await new Promise<void>((resolve) => this.#kernel.clock.after(this.#kernel.random.below(800), resolve))
    }
    return {
      kind: 'embedded',
      prepare: async (table) => {
        await pass()
        this.#files = table
        return { command: ['serve', 'balancer'], directory: '/state/balancer', environment: {} }
      },
      apply: async (table) => {
        await slow()
        this.#files = table
        await pass()
        const process = this.#reached()
        this.#forgetDropped(process, table)
        process.table = table
        await slow()
        if (this.#kernel.random.chance(this.lossRate)) throw away()
        if (table.listeners.some(({ port }) => port === this.takenPort))
          throw new DarumaError('E_BALANCER_PORT', `port ${this.takenPort} is taken by a stranger`)
      },
      observe: async () => {
        await slow()
        const observation = this.#observe(this.#reached())
        await pass()
        return observation
      },
    }
  }

  #begin(instance: Instance): void {
    if (instance.order.slot !== balancerSlot) return
    if (this.#files === null) this.#kernel.violations.push('the balancer was started before it had a table')
    else {
      const draining = this.#files.pools.flatMap(({ upstreams }) => upstreams.filter(({ state }) => state === 'draining'))
      this.#process = { instance, table: this.#files, busyUntilMs: new Map(draining.map(({ id }) => [id, 0])) }
    }
  }

  #alive(): Process | null {
    return this.#process?.instance.state === 'running' ? this.#process : null
  }

  #reached(): Process {
    const process = this.#alive()
    if (process === null || process.instance.isSick || this.#kernel.random.chance(this.lossRate)) throw away()
    return process
  }

  #observe(process: Process): BalancerObservation {
    const upstreams = new Map<string, UpstreamCounters>()
    for (const { upstreams: own } of process.table.pools)
      for (const upstream of own) {
        const instance = this.#instanceOf(upstream)
        const requests = instance === null ? 0 : Math.round((this.#kernel.clock.now() - instance.startedMs) / 10)
        upstreams.set(upstream.id, {
          requests,
          failed: this.failing !== null && instance !== null && wordsOf(instance.order).at(-1) === this.failing ? requests : 0,
          active: this.#underWay(process, upstream) ? 1 : 0,
          isEjected: false,
        })
      }
    return { pools: new Map(), upstreams, connections: 0, refused: 0 }
  }

  /** Requests come to an active upstream at any time; from the moment in which it drains the last of them takes a while. */
  #underWay(process: Process, upstream: Upstream): boolean {
    if (upstream.state === 'active') return true
    const known = process.busyUntilMs.get(upstream.id)
    const untilMs = known ?? this.#kernel.clock.now() + this.#kernel.random.below(maxRequestMs)
    process.busyUntilMs.set(upstream.id, untilMs)
    return this.#kernel.clock.now() < untilMs && this.#instanceOf(upstream) !== null
  }

  /** Anything that is in the table no more may still have requests: they go on until they are done, or until he is asked to end. */
  #forgetDropped(process: Process, table: RoutingTable): void {
    const kept = new Set(table.pools.flatMap(({ upstreams }) => upstreams.map(({ id }) => id)))
    for (const upstream of process.table.pools.flatMap(({ upstreams }) => upstreams))
      if (!kept.has(upstream.id)) this.#underWay(process, { ...upstream, state: 'draining' })
  }

  #instanceOf({ slot, epoch }: Upstream): Instance | null {
    return this.#kernel.of(slotOfTable(slot)).find(({ order, state }) => order.epoch === epoch && state === 'running') ?? null
  }

  #witness(instance: Instance): void {
    const process = this.#alive()
    const { slot, epoch, note } = instance.order
    const { service } = JSON.parse(note) as { readonly service: Service }
    // What hangs is ended at once, with its requests.
    if (process === null || instance.wasSick || service.routes.length === 0) return
    const pools = process.table.pools.flatMap(({ upstreams }) => upstreams)
    const upstream = pools.find((one) => slotOfTable(one.slot) === slot && one.epoch === epoch)
    const isBusy =
      upstream === undefined
        ? (process.busyUntilMs.get(upstreamId(tableSlot(slot), epoch)) ?? 0) > this.#kernel.clock.now()
        : this.#underWay(process, upstream)
    // A balancer that answers nobody cannot say that it has finished: then only the limit ends a drain, and it must have been waited for.
    const isLimitOver = process.instance.isSick && this.drainedForMs(slot, epoch) >= service.update.drainMs
    if (isBusy && !isLimitOver)
      this.#kernel.violations.push(`${slot} was asked to end with requests under way (${upstream?.state ?? 'dropped'})`)
  }
}

const away = (): DarumaError => new DarumaError('E_BALANCER_AWAY', 'no balancer answers')
