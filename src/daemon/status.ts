/** The world in the words of `status`. An instance without probes is proven by looking at it now; one with probes by its last success. */

import { balancerName } from '../core/balance/balancer-service.ts'
import { routesOf } from '../core/balance/routes-of.ts'
import type { ServiceName } from '../core/model/id.ts'
import { asRevisionNumber, parseSlotId } from '../core/model/id.ts'
import { slotCount } from '../core/model/service.ts'
import type { Service } from '../core/model/service.ts'
import { hasProbes } from '../core/instance/health.ts'
import type { CanaryStatus, GapStatus, InstanceStatus, ServiceStatus } from '../core/model/status.ts'
import type { Clock } from '../ports/clock.ts'
import type { Runtime, Usage } from '../ports/runtime.ts'
import type { SlotShell } from './slot-shell.ts'
import type { World } from './world.ts'

interface UsageSample {
  readonly atMs: number
  readonly usage: Usage
  readonly cpuCores: number | null
}

/** Two looks closer together than this would divide noise by almost nothing. */
const minSampleMs = 500

export interface StatusReaderOptions {
  readonly world: World
  readonly runtime: Runtime
  readonly clock: Clock
  readonly portOf: (shell: SlotShell) => number | null
  readonly canaryOf: (name: ServiceName) => CanaryStatus | null
  readonly gapOf: (name: ServiceName) => GapStatus | null
}

export class StatusReader {
  readonly #world: World
  readonly #runtime: Runtime
  readonly #clock: Clock
  readonly #portOf: (shell: SlotShell) => number | null
  readonly #canaryOf: (name: ServiceName) => CanaryStatus | null
  readonly #gapOf: (name: ServiceName) => GapStatus | null
  readonly #samples = new Map<string, UsageSample>()

  constructor(options: StatusReaderOptions) {
    this.#canaryOf = options.canaryOf
    this.#gapOf = options.gapOf
    this.#world = options.world
    this.#runtime = options.runtime
    this.#clock = options.clock
    this.#portOf = options.portOf
  }

  instances(withUsage: boolean): readonly InstanceStatus[] {
    return [...this.#world.shells.values()]
      .filter((shell) => shell.slot.goal.kind === 'run' || shell.slot.occupancy.kind !== 'vacant')
      .toSorted(bySlot)
      .map((shell) => this.#instance(shell, withUsage))
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

  #instance(shell: SlotShell, withUsage: boolean): InstanceStatus {
    const { slot } = shell
    const at = slot.occupancy
    const { state, health, reason } = shell.describe()
    const live = at.kind === 'live' ? at : null
    const sample = withUsage && at.kind !== 'vacant' ? this.#sample(shell) : null
    return {
      service: parseSlotId(shell.id).service,
      slot: shell.id,
      state,
      health,
      epoch: at.kind === 'vacant' ? slot.lastEpoch : at.epoch,
      pid: at.kind === 'live' || at.kind === 'ending' ? at.pid : null,
      port: this.#portOf(shell),
      restarts: slot.restarts,
      startedAt: at.kind === 'live' || at.kind === 'ending' ? at.startedAt : null,
      provenAt: live === null ? null : this.#provenAt(live, sample !== null),
      revision: at.kind === 'vacant' || at.kind === 'ending' ? this.#goalRevision(shell) : at.spec.revision,
      reason,
      lastExit: slot.lastExit,
      cpuCores: sample?.cpuCores ?? null,
      memoryBytes: sample?.usage.memoryBytes ?? null,
    }
  }

  #goalRevision(shell: SlotShell): InstanceStatus['revision'] {
    const { goal } = shell.slot
    return goal.kind === 'run' ? goal.spec.revision : asRevisionNumber(0)
  }

  #provenAt(live: Extract<SlotShell['slot']['occupancy'], { kind: 'live' }>, isSeen: boolean): string | null {
    const { provenAtMs } = live.health
    if (!hasProbes(live.spec.service.health)) return isSeen ? this.#clock.wallTime() : live.startedAt
    return provenAtMs === null ? null : this.#clock.wallTimeOf(provenAtMs)
  }

  #sample(shell: SlotShell): UsageSample | null {
    const at = shell.slot.occupancy
    if (at.kind === 'vacant') return null
    const usage = this.#runtime.usage({ slot: shell.id, epoch: at.epoch })
    const key = `${shell.id}@${at.epoch}`
    if (usage === null) return null
    const nowMs = this.#clock.now()
    const before = this.#samples.get(key)
    if (before !== undefined && nowMs - before.atMs < minSampleMs) return { ...before, usage }
    const cpuCores =
      before === undefined ? null : Math.max(0, (usage.cpuSeconds - before.usage.cpuSeconds) / ((nowMs - before.atMs) / 1000))
    const sample = { atMs: nowMs, usage, cpuCores }
    if (this.#samples.size > 4 * this.#world.shells.size + 100) this.#samples.clear()
    this.#samples.set(key, sample)
    return sample
  }
}

function bySlot(a: SlotShell, b: SlotShell): number {
  const left = parseSlotId(a.id)
  const right = parseSlotId(b.id)
  return compare(left.service, right.service) || left.index - right.index || (a.id < b.id ? -1 : 1)
}

const compare = (a: ServiceName, b: ServiceName): number => (a < b ? -1 : a > b ? 1 : 0)
