/**
 * New revisions that are being tried out with a share of the requests: how long each has been applied, what the balancer counts of it and
 * of the old one, and whether it is well. It judges and remembers; the operation acts on it and writes it down.
 */

import { judgeCanary } from '../../core/rollout/canary.ts'
import type { CanaryVerdict, Tally } from '../../core/rollout/canary.ts'
import { trialCount } from '../../core/rollout/rollout.ts'
import type { UpstreamId } from '../../core/balance/table.ts'
import { upstreamId } from '../../core/balance/table.ts'
import type { SlotReport } from '../../core/instance/report.ts'
import { asEpoch } from '../../core/model/id.ts'
import type { Epoch, ServiceName, SlotId } from '../../core/model/id.ts'
import type { Canary } from '../../core/model/service.ts'
import type { CanaryStatus } from '../../core/model/status.ts'
import type { BalancerObservation, UpstreamCounters } from '../../ports/traffic/balancer.ts'
import type { Clock } from '../../ports/clock.ts'
import { DarumaError } from '../../ports/error.ts'
import type { OperationRecord, TrialRecord } from '../records.ts'
import type { World } from '../world/world.ts'

/** How a trial stands; `waiting`: its instances are not applied yet. */
export type TrialVerdict = CanaryVerdict | { readonly kind: 'waiting' }

/** How often the balancer is asked while something is tried out. */
export const trialLookMs: number = 500
/** At most so much of the time already held is held again after a daemon has died. */
const trialRecordMs: number = 5000

interface Trial {
  heldMs: number
  lastMs: number | null
  /** Of the canary's instances, since it is applied; another epoch means that one of them fell. */
  epochs: ReadonlyMap<SlotId, Epoch> | null
  canary: Tally
  old: Tally
  readonly seen: Map<UpstreamId, Tally>
}

const nothing: Tally = { requests: 0, failed: 0 }

export interface TrialsOptions {
  readonly world: World
  readonly clock: Clock
  /** What the balancer counts; null while none answers. */
  readonly observe: () => Promise<BalancerObservation | null>
  /** Writes down in it how a trial stands. */
  readonly record: (name: ServiceName, trial: TrialRecord) => Promise<void>
  readonly say: (name: ServiceName, message: string) => void
  readonly nudge: () => void
  /** Looks at the operation, {@link Trials.lookAll} first; rejects where what it saw could not be written down. */
  readonly lookAnew: () => Promise<void>
}

export class Trials {
  readonly #options: TrialsOptions
  readonly #world: World
  readonly #trials = new Map<ServiceName, Trial>()
  /** What is asked for by hand, until the look that takes it in. */
  readonly #wishes = new Set<readonly ServiceName[]>()
  #writtenMs = 0

  constructor(options: TrialsOptions) {
    this.#options = options
    this.#world = options.world
  }

  /** Forgets every trial but those that an operation has recorded. */
  restore(records: Readonly<Record<string, TrialRecord>>): void {
    this.#trials.clear()
    for (const [name, { heldMs, epochs }] of Object.entries(records)) {
      const known = new Map(Object.entries(epochs) as [SlotId, Epoch][])
      this.#trials.set(name as ServiceName, { ...fresh(), heldMs, epochs: known.size === 0 ? null : known })
    }
  }

  /** Gives what is tried out all of the requests: written down when this resolves. `E_CANARY_NONE` where nothing is, or it has failed. */
  async promote(names: readonly ServiceName[]): Promise<readonly ServiceName[]> {
    const onTrial = this.#onTrial()
    const chosen = names.length === 0 ? onTrial : names
    if (chosen.length === 0) throw this.#none('any service')
    for (const name of chosen) if (!onTrial.includes(name)) throw this.#none(name)
    this.#wishes.add(chosen)
    try {
      await this.#options.lookAnew()
    } finally {
      this.#wishes.delete(chosen)
    }
    for (const name of chosen) if (this.#world.operation?.trials?.[name]?.isPromoted !== true) throw this.#none(name)
    return chosen
  }

  #onTrial(): readonly ServiceName[] {
    return (this.#world.operation?.involved ?? []).filter((name) => this.statusOf(name) !== null)
  }

  #none(name: string): DarumaError {
    const onTrial = this.#onTrial()
    return new DarumaError('E_CANARY_NONE', `No canary of ${name} is in use.`, {
      hint: onTrial.length === 0 ? 'No canary is in use.' : `There are canaries of: ${onTrial.join(', ')}.`,
    })
  }

  /** Looks at everything that is tried out, and takes in what is promoted: by its time, or by hand. */
  async lookAll({ involved }: OperationRecord): Promise<ReadonlyMap<ServiceName, TrialVerdict>> {
    const { clock, observe, say, nudge } = this.#options
    const verdicts = new Map<ServiceName, TrialVerdict>()
    const names = involved.filter((name) => this.#world.isOnTrial(name))
    if (names.length === 0) return verdicts
    const observation = await observe()
    for (const name of names) {
      const verdict = this.#look(name, observation, clock.now())
      if (verdict === null) continue
      const isByHand = verdict.kind !== 'fail' && [...this.#wishes].some((wish) => wish.includes(name))
      if (verdict.kind !== 'promote' && !isByHand) {
        verdicts.set(name, verdict)
        continue
      }
      await this.#options.record(name, { ...this.#recordOf(name), isPromoted: true })
      say(name, `the canary is promoted ${verdict.kind === 'promote' ? `after ${verdict.message}` : 'by hand'}`)
      nudge()
    }
    if (clock.now() - this.#writtenMs >= trialRecordMs) {
      this.#writtenMs = clock.now()
      for (const name of verdicts.keys()) await this.#options.record(name, this.#recordOf(name))
    }
    return verdicts
  }

  /** What is worth writing down of a trial. */
  #recordOf(name: ServiceName): TrialRecord {
    const trial = this.#trials.get(name)
    return { isPromoted: false, heldMs: trial?.heldMs ?? 0, epochs: Object.fromEntries(trial?.epochs ?? []) }
  }

  /** Null while nothing of the service is tried out. */
  statusOf(name: ServiceName): CanaryStatus | null {
    const trial = this.#trials.get(name)
    const policy = this.#policyOf(name)
    if (trial === undefined || policy === null || !this.#world.isOnTrial(name)) return null
    const { share, forMs } = policy
    const ready = this.#reportsOf(name).filter((report) => report.isInUse).length
    return { share, forMs, heldMs: Math.round(trial.heldMs), ready, ...trial.canary }
  }

  /** Null when nothing of the service is tried out. */
  #look(name: ServiceName, observation: BalancerObservation | null, nowMs: number): TrialVerdict | null {
    const policy = this.#policyOf(name)
    if (policy === null || !this.#world.isOnTrial(name) || !this.#hasOld(name)) return null
    const trial = this.#trials.get(name) ?? fresh()
    this.#trials.set(name, trial)
    const reports = this.#reportsOf(name)
    const broken = this.#brokenOf(trial, reports)
    if (broken !== null) return { kind: 'fail', message: broken }
    const inUse = reports.filter((report) => report.isInUse)
    const wanted = this.#world.wantedOf(name)
    // What nobody can see proves nothing, however long it goes on; without a route there is nothing to see.
    const isUnseen = observation === null && wanted !== null && wanted.service.routes.length > 0
    if (wanted === null || inUse.length < trialCount(wanted.service) || isUnseen) {
      trial.lastMs = null
      return { kind: 'waiting' }
    }
    trial.epochs ??= new Map(inUse.map((report) => [report.slot, epochOf(report)]))
    if (trial.lastMs !== null) trial.heldMs += nowMs - trial.lastMs
    trial.lastMs = nowMs
    if (observation !== null) count(trial, this.#upstreamsOf(name), observation)
    return judgeCanary({ policy, heldMs: trial.heldMs, canary: trial.canary, old: trial.old })
  }

  #policyOf(name: ServiceName): Canary | null {
    return this.#world.wantedOf(name)?.service.update.canary ?? null
  }

  /** Whether the old revision is still there: without it there is nobody to try the new one beside. */
  #hasOld(name: ServiceName): boolean {
    return this.#world
      .slotsOf(name)
      .some((slot) => this.#world.assignments.get(slot)?.goal.kind === 'run' && !this.#world.isCanary(slot))
  }

  #reportsOf(name: ServiceName): readonly SlotReport[] {
    return this.#world.reportsOf(name).filter(({ slot }) => this.#world.isCanary(slot))
  }

  /** Every upstream of the service, and whether it is the canary's. */
  #upstreamsOf(name: ServiceName): ReadonlyMap<UpstreamId, boolean> {
    const upstreams = new Map<UpstreamId, boolean>()
    for (const { slot, occupant } of this.#world.reportsOf(name))
      if (occupant?.phase === 'live') upstreams.set(upstreamId(slot, occupant.epoch), this.#world.isCanary(slot))
    return upstreams
  }

  /** Once it was applied, one instance that falls or is not ready any more is enough. */
  #brokenOf(trial: Trial, reports: readonly SlotReport[]): string | null {
    for (const [slot, epoch] of trial.epochs ?? []) {
      const report = reports.find((each) => each.slot === slot)
      if (report !== undefined && epochOf(report) === epoch && report.isInUse) continue
      return `${slot}, the canary, has failed: ${report?.reason ?? report?.lastFailure ?? 'it has ended'}`
    }
    return null
  }
}

const fresh = (): Trial => ({ heldMs: 0, lastMs: null, epochs: null, canary: nothing, old: nothing, seen: new Map() })

const epochOf = ({ occupant }: SlotReport): Epoch => occupant?.epoch ?? asEpoch(0)

/** The canary's counters began with it; the old one's count from the first look on. A counter that fell restarted. */
function count(trial: Trial, upstreams: ReadonlyMap<UpstreamId, boolean>, observation: BalancerObservation): void {
  for (const [id, isCanary] of upstreams) {
    const now = observation.upstreams.get(id)
    if (now === undefined) continue
    const before = trial.seen.get(id) ?? (isCanary ? nothing : now)
    trial.seen.set(id, { requests: now.requests, failed: now.failed })
    const whose = isCanary ? 'canary' : 'old'
    trial[whose] = {
      requests: trial[whose].requests + grown(before, now, 'requests'),
      failed: trial[whose].failed + grown(before, now, 'failed'),
    }
  }
}

function grown(before: Tally, now: UpstreamCounters, field: keyof Tally): number {
  return now[field] >= before[field] ? now[field] - before[field] : now[field]
}
