/** The world in the words of `status`. An instance without probes is proven by looking at it now; one with probes by its last success. */

import { balancerName } from '../core/balance/balancer-service.ts'
import { routesOf } from '../core/balance/routes-of.ts'
import type { ServiceName, SlotId } from '../core/model/id.ts'
import { asRevisionNumber, parseSlotId } from '../core/model/id.ts'
import { slotCount } from '../core/model/service.ts'
import type { Service } from '../core/model/service.ts'
import { hasProbes } from '../core/instance/health.ts'
import type { Occupant, SlotReport } from '../core/instance/report.ts'
import type { CanaryStatus, GapStatus, InstanceStatus, ServiceStatus } from '../core/model/status.ts'
import type { Clock } from '../ports/clock.ts'
import type { HostInspection } from '../ports/inspection.ts'
import type { Usage } from '../ports/runtime/runtime.ts'
import type { World } from './world/world.ts'

interface UsageSample {
  readonly atMs: number
  readonly usage: Usage
  readonly cpuCores: number | null
}

/** Two looks closer together than this would divide noise by almost nothing. */
const minSampleMs = 500

export interface StatusReaderOptions {
  readonly world: World
  readonly host: HostInspection
  readonly clock: Clock
  readonly canaryOf: (name: ServiceName) => CanaryStatus | null
  readonly gapOf: (name: ServiceName) => GapStatus | null
}

export class StatusReader {
  readonly #world: World
  readonly #host: HostInspection
  readonly #clock: Clock
  readonly #canaryOf: (name: ServiceName) => CanaryStatus | null
  readonly #gapOf: (name: ServiceName) => GapStatus | null
  readonly #samples = new Map<string, UsageSample>()

  constructor(options: StatusReaderOptions) {
    this.#canaryOf = options.canaryOf
    this.#gapOf = options.gapOf
    this.#world = options.world
    this.#host = options.host
    this.#clock = options.clock
  }

  instances(withUsage: boolean): readonly InstanceStatus[] {
    const slots = new Set([...this.#world.assignments.keys(), ...this.#world.reports.keys()])
    return [...slots]
      .filter((slot) => this.#world.assignments.get(slot)?.goal.kind === 'run' || !isEmpty(this.#world.reports.get(slot)))
      .toSorted(bySlot)
      .map((slot) => this.#instance(slot, withUsage))
  }

  services(): readonly ServiceStatus[] {
    const views = this.#world.views()
    return this.#shown().map((service) => {
      const view = views.get(service.name)
      return {
        service: service.name,
        kind: service.scale.kind,
        desired: view?.wanted === null ? 0 : slotCount(service),
        ready: view?.isJobDone === true ? 1 : (view?.slots.filter((slot) => slot.isReady || slot.isDone).length ?? 0),
        guarantee: service.guarantee,
        stoppedByHand: this.#world.stoppedByHand.has(service.name),
        routes: this.#world.project === null ? [] : routesOf(service, this.#world.project.balancer),
        gap: this.#gapOf(service.name),
        canary: this.#canaryOf(service.name),
      }
    })
  }

  /** The config's services, and the balancer after them while there is one. */
  #shown(): readonly Service[] {
    const balancer = this.#world.wantedOf(balancerName)?.service
    return [...(this.#world.project?.services ?? []), ...(balancer === undefined ? [] : [balancer])]
  }

  #instance(slot: SlotId, withUsage: boolean): InstanceStatus {
    const goal = this.#world.assignments.get(slot)?.goal
    const assigned = goal?.kind === 'run' ? goal.spec.revision : asRevisionNumber(0)
    const report = this.#world.reports.get(slot)
    if (report === undefined) return { ...unknownInstance, service: parseSlotId(slot).service, slot, revision: assigned }
    const { occupant, lastEpoch, port, restarts, lastExit } = report
    const sample = withUsage && occupant !== null ? this.#sample(slot, occupant) : null
    const fresh = this.#host.inspect(slot)
    const { state, health, reason } = fresh ?? report
    const isBegun = occupant !== null && occupant.phase !== 'ending'
    return {
      service: parseSlotId(slot).service,
      slot,
      state,
      health,
      epoch: occupant?.epoch ?? lastEpoch,
      pid: occupant?.pid ?? null,
      port,
      restarts,
      startedAt: occupant?.startedAt ?? null,
      provenAt: occupant?.phase === 'live' ? this.#provenAt(occupant, fresh?.provenAt ?? null, sample !== null) : null,
      revision: isBegun && occupant.spec !== null ? occupant.spec.revision : assigned,
      reason,
      lastExit,
      cpuCores: sample?.cpuCores ?? null,
      memoryBytes: sample?.usage.memoryBytes ?? null,
    }
  }

  #provenAt({ spec, startedAt }: Occupant, provenAt: string | null, isSeen: boolean): string | null {
    if (spec !== null && hasProbes(spec.service.health)) return provenAt
    return isSeen ? this.#clock.wallTime() : startedAt
  }

  #sample(slot: SlotId, { epoch }: Occupant): UsageSample | null {
    const usage = this.#host.usage({ slot, epoch })
    const key = `${slot}@${epoch}`
    if (usage === null) return null
    const nowMs = this.#clock.now()
    const before = this.#samples.get(key)
    if (before !== undefined && nowMs - before.atMs < minSampleMs) return { ...before, usage }
    const cpuCores =
      before === undefined ? null : Math.max(0, (usage.cpuSeconds - before.usage.cpuSeconds) / ((nowMs - before.atMs) / 1000))
    const sample = { atMs: nowMs, usage, cpuCores }
    if (this.#samples.size > 4 * this.#world.reports.size + 100) this.#samples.clear()
    this.#samples.set(key, sample)
    return sample
  }
}

const isEmpty = (report: SlotReport | undefined): boolean => report === undefined || report.occupant === null

/** What was assigned to a host that has not said anything of it yet. */
const unknownInstance: Omit<InstanceStatus, 'service' | 'slot' | 'revision'> = {
  state: 'pending',
  health: 'none',
  epoch: null,
  pid: null,
  port: null,
  restarts: 0,
  startedAt: null,
  provenAt: null,
  reason: 'its host has not taken it in yet',
  lastExit: null,
  cpuCores: null,
  memoryBytes: null,
}

function bySlot(a: SlotId, b: SlotId): number {
  const left = parseSlotId(a)
  const right = parseSlotId(b)
  return compare(left.service, right.service) || left.index - right.index || (a < b ? -1 : 1)
}

const compare = (a: ServiceName, b: ServiceName): number => (a < b ? -1 : a > b ? 1 : 0)
