/**
 * What the plots show: the last ten minutes of what services use and what the balancer saw of them, one sample every two seconds. It is
 * measured only while somebody looks: an idle daemon has no business reading /proc for nobody. Nothing of it is kept on disk.
 */

import type { ServiceName, SlotId } from '../../core/model/id.ts'
import { isRunSlot, parseSlotId } from '../../core/model/id.ts'
import type { PoolCounters } from '../../ports/traffic/balancer.ts'
import type { Clock, Timer } from '../../ports/clock.ts'
import type { Runtime } from '../../ports/runtime/runtime.ts'
import type { SeriesAnswer, ServiceSeries, TrafficSeries, UsageSeries } from '../../protocol/api.ts'
import { Ring } from './ring.ts'
import type { SlotReport } from '../../core/instance/report.ts'

const stepMs = 2000
/** Use of CPU is a difference: anything that has just come shall not wait a whole step for the first. */
const firstStepMs = 400
const kept = 300
/** Longer than a reload or a switch of tabs; after it nothing is measured and nothing kept. */
const goneMs = 60_000
/** So many looks into /proc at a time: some milliseconds, then the daemon's other work has its turn. */
const batch = 50
/** Two lines each; a machine with more instances than this is shown by its services only. */
const maxSlots = 2000

export interface SeriesTools {
  /** Every instance, by a name that no other has. */
  readonly world: {
    readonly reports: ReadonlyMap<SlotId, Pick<SlotReport, 'slot' | 'occupant'>>
    serviceNames(): readonly ServiceName[]
  }
  readonly runtime: Pick<Runtime, 'usage'>
  readonly clock: Clock
  /** Tells runs of the daemon apart: sample numbers restart with each. */
  readonly startedAt: string
  /** By routed service; null where there is no balancer. Never rejects. */
  readonly readTraffic: () => Promise<ReadonlyMap<ServiceName, PoolCounters> | null>
}

/** What one instance uses now. */
export interface UsageNow {
  readonly cpuCores: number | null
  readonly memoryBytes: number
}

/** What reached one routed service since the sample before. */
export interface TrafficNow {
  readonly requestsPerSecond: number
  readonly failedPerSecond: number
  readonly active: number
  readonly latencyMs: { readonly mean: number; readonly max: number } | null
}

type UsageRings = { readonly [Name in keyof UsageSeries]: Ring }
type TrafficRings = { readonly [Name in keyof TrafficSeries]: Ring }

interface CpuMark {
  readonly epoch: number
  readonly atMs: number
  readonly cpuSeconds: number
}

export class Series {
  readonly #tools: SeriesTools
  #timer: Timer | null = null
  #lookedAtMs = 0
  #number = 0
  /** The number of the oldest sample that is kept, and the moments of all that are. */
  #first = 1
  #moments: number[] = []
  readonly #slots = new Map<SlotId, UsageRings>()
  readonly #services = new Map<ServiceName, UsageRings>()
  readonly #traffic = new Map<ServiceName, TrafficRings>()
  /** Of the instances in the last sample. */
  #marks: ReadonlyMap<SlotId, CpuMark> = new Map()
  #counters: { readonly atMs: number; readonly pools: ReadonlyMap<ServiceName, PoolCounters> } | null = null
  #usageNow: ReadonlyMap<SlotId, UsageNow> = new Map()
  #trafficNow: ReadonlyMap<ServiceName, TrafficNow> = new Map()
  #sampling: Promise<void> | null = null

  constructor(tools: SeriesTools) {
    this.#tools = tools
  }

  /** Somebody looks: resolves when there is a sample that is not older than a step. */
  async look(): Promise<void> {
    this.#lookedAtMs = this.#tools.clock.now()
    if (this.#timer === null && this.#sampling === null) this.#sampleAndGoOn()
    if (this.#sampling !== null && !this.#isFresh()) await this.#sampling
  }

  usageOf(slot: SlotId): UsageNow | null {
    return this.#usageNow.get(slot) ?? null
  }

  trafficOf(service: ServiceName): TrafficNow | null {
    return this.#trafficNow.get(service) ?? null
  }

  /** Samples above `since`: of every service, or of the named ones and their instances. */
  read(since: number, named: readonly string[]): SeriesAnswer {
    const { clock, startedAt } = this.#tools
    const first = Math.max(this.#first, since + 1)
    const last = this.#number
    const wanted = new Set(named)
    const services: Record<string, ServiceSeries> = {}
    for (const [name, rings] of this.#services) {
      if (wanted.size > 0 && !wanted.has(name)) continue
      const traffic = this.#traffic.get(name)
      services[name] = {
        ...readAll(rings, first, last),
        traffic: traffic === undefined ? null : readAll(traffic, first, last),
      }
    }
    const slots: Record<string, UsageSeries> = {}
    for (const [slot, rings] of this.#slots) if (wanted.has(parseSlotId(slot).service)) slots[slot] = readAll(rings, first, last)
    const times = this.#moments.slice(first - this.#first).map((moment) => clock.wallTimeOf(moment))
    return { daemonStartedAt: startedAt, stepMs, last, times, services, slots }
  }

  #isFresh(): boolean {
    const last = this.#moments.at(-1)
    return last !== undefined && this.#tools.clock.now() - last < 1.5 * stepMs
  }

  #sampleAndGoOn(): void {
    this.#sampling = this.#sample().finally(() => {
      this.#sampling = null
      this.#timer = this.#tools.clock.after(this.#moments.length === 1 ? firstStepMs : stepMs, () => {
        this.#timer = null
        if (this.#tools.clock.now() - this.#lookedAtMs < goneMs) this.#sampleAndGoOn()
        else this.#forgetAll()
      })
    })
  }

  async #sample(): Promise<void> {
    const { world, clock } = this.#tools
    const atMs = clock.now()
    const usage = await this.#measure([...world.reports.values()].filter(({ occupant }) => occupant !== null).slice(0, maxSlots))
    const pools = await this.#tools.readTraffic()
    this.#begin(atMs)
    this.#usageNow = usage
    this.#keepUsage(usage)
    this.#trafficNow = this.#ratesOf(atMs, pools ?? new Map())
    for (const [name, traffic] of this.#trafficNow) this.#keepTraffic(name, traffic)
    if (this.#number % kept === 0) this.#forgetAbsent()
  }

  #begin(atMs: number): void {
    this.#number += 1
    this.#moments.push(atMs)
    if (this.#moments.length > kept) {
      this.#moments.shift()
      this.#first += 1
    }
    // A place in a ring still holds what was there one round before.
    for (const rings of [...this.#slots.values(), ...this.#services.values(), ...this.#traffic.values()])
      for (const ring of Object.values(rings)) ring.set(this.#number, null)
  }

  async #measure(reports: readonly Pick<SlotReport, 'slot' | 'occupant'>[]): Promise<ReadonlyMap<SlotId, UsageNow>> {
    const found = new Map<SlotId, UsageNow>()
    const marks = new Map<SlotId, CpuMark>()
    for (let index = 0; index < reports.length; index += 1) {
      if (index > 0 && index % batch === 0) await this.#breathe()
      const { slot, occupant = null } = reports[index] ?? {}
      if (slot === undefined || occupant === null) continue
      const { epoch } = occupant
      const usage = this.#tools.runtime.usage({ slot, epoch })
      if (usage === null) continue
      const { cpuSeconds, memoryBytes } = usage
      const mark: CpuMark = { epoch, atMs: this.#tools.clock.now(), cpuSeconds }
      found.set(slot, { cpuCores: coresBetween(this.#marks.get(slot), mark), memoryBytes })
      marks.set(slot, mark)
    }
    this.#marks = marks
    return found
  }

  #breathe(): Promise<void> {
    return new Promise((resolve) => void this.#tools.clock.after(0, resolve))
  }

  #keepUsage(usage: ReadonlyMap<SlotId, UsageNow>): void {
    const sums = new Map<ServiceName, { cpuCores: number | null; memoryBytes: number }>()
    for (const [slot, { cpuCores, memoryBytes }] of usage) {
      const { service } = parseSlotId(slot)
      // Runs come and go, each in a slot of its own: a line for each would be memory without bound, for two dots.
      if (!isRunSlot(slot)) keep(this.#usageRings(this.#slots, slot), this.#number, { cpuCores, memoryBytes })
      const sum = sums.get(service) ?? { cpuCores: null, memoryBytes: 0 }
      sum.memoryBytes += memoryBytes
      if (cpuCores !== null) sum.cpuCores = (sum.cpuCores ?? 0) + cpuCores
      sums.set(service, sum)
    }
    for (const [service, sum] of sums) keep(this.#usageRings(this.#services, service), this.#number, sum)
  }

  #usageRings<Name>(all: Map<Name, UsageRings>, name: Name): UsageRings {
    const rings = all.get(name) ?? { cpuCores: this.#ring(), memoryBytes: this.#ring() }
    all.set(name, rings)
    return rings
  }

  #ratesOf(atMs: number, pools: ReadonlyMap<ServiceName, PoolCounters>): ReadonlyMap<ServiceName, TrafficNow> {
    const before = this.#counters
    this.#counters = { atMs, pools }
    const rates = new Map<ServiceName, TrafficNow>()
    if (before === null || atMs <= before.atMs) return rates
    const seconds = (atMs - before.atMs) / 1000
    for (const [name, now] of pools) {
      const old = before.pools.get(name)
      if (old === undefined) continue
      rates.set(name, {
        requestsPerSecond: grown(old.requests, now.requests) / seconds,
        failedPerSecond: grown(old.failed, now.failed) / seconds,
        active: now.active,
        latencyMs: now.latencyMs,
      })
    }
    return rates
  }

  #keepTraffic(name: ServiceName, now: TrafficNow): void {
    const rings = this.#traffic.get(name) ?? {
      requestsPerSecond: this.#ring(),
      failedPerSecond: this.#ring(),
      active: this.#ring(),
      latencyMeanMs: this.#ring(),
      latencyMaxMs: this.#ring(),
    }
    this.#traffic.set(name, rings)
    const { requestsPerSecond, failedPerSecond, active, latencyMs } = now
    const values = { requestsPerSecond, failedPerSecond, active }
    keep(rings, this.#number, { ...values, latencyMeanMs: latencyMs?.mean ?? null, latencyMaxMs: latencyMs?.max ?? null })
  }

  #ring(): Ring {
    return new Ring(kept, this.#number)
  }

  /** What has been away for a whole round has nothing left to show. */
  #forgetAbsent(): void {
    const slots = new Set(this.#tools.world.reports.keys())
    for (const slot of this.#slots.keys()) if (!slots.has(slot)) this.#slots.delete(slot)
    const services = new Set(this.#tools.world.serviceNames())
    for (const name of this.#services.keys()) if (!services.has(name)) this.#services.delete(name)
    for (const name of this.#traffic.keys()) if (!services.has(name)) this.#traffic.delete(name)
  }

  #forgetAll(): void {
    for (const map of [this.#slots, this.#services, this.#traffic]) map.clear()
    this.#marks = new Map()
    this.#moments = []
    this.#first = this.#number + 1
    this.#counters = null
    this.#usageNow = new Map()
    this.#trafficNow = new Map()
  }
}

function coresBetween(before: CpuMark | undefined, now: CpuMark): number | null {
  if (before === undefined || before.epoch !== now.epoch || now.atMs <= before.atMs) return null
  return Math.max(0, (now.cpuSeconds - before.cpuSeconds) / ((now.atMs - before.atMs) / 1000))
}

/** A counter that has fallen restarted: what it shows came since. */
const grown = (before: number, now: number): number => (now >= before ? now - before : now)

type Rings<Name extends string> = { readonly [Key in Name]: Ring }

function keep<Name extends string>(rings: Rings<Name>, number: number, values: { readonly [Key in Name]: number | null }): void {
  for (const name of Object.keys(values) as Name[]) rings[name].set(number, values[name])
}

function readAll<Name extends string>(
  rings: Rings<Name>,
  first: number,
  last: number,
): { readonly [Key in Name]: readonly (number | null)[] } {
  const entries = (Object.keys(rings) as Name[]).map((name) => [name, rings[name].read(first, last)] as const)
  return Object.fromEntries(entries) as { readonly [Key in Name]: readonly (number | null)[] }
}
