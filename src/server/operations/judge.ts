/**
 * How far each service of an operation is. What moves has a clock, and what waits has none; what a person or a policy makes wait (a pause
 * between batches, a canary) has none either.
 */

import { balancerName } from '../../core/balance/balancer-service.ts'
import type { SlotReport } from '../../core/instance/report.ts'
import type { ServiceName } from '../../core/model/id.ts'
import type { Service } from '../../core/model/service.ts'
import { mayEmpty, mayReplace, startGate } from '../../core/rollout/order.ts'
import type { ServiceView, ServiceViews } from '../../core/rollout/order.ts'
import { judgeProgress } from '../../core/rollout/progress.ts'
import type { ProgressVerdict, ServiceProgress, SlotProgress } from '../../core/rollout/progress.ts'
import { isRouteAwaited, isVolumeHeld } from '../rollout/handovers.ts'
import type { Pauses } from '../rollout/pauses.ts'
import type { OperationRecord } from '../records.ts'
import type { RoutingFacts } from './routing-facts.ts'
import type { World } from '../world/world.ts'

export interface JudgeOptions {
  readonly world: World
  readonly routing: Pick<RoutingFacts, 'troubleOf' | 'isApplied'>
  readonly pauses: Pauses
  /** Whether a new revision of the service is only being tried out. */
  readonly isTriedOut: (name: ServiceName) => boolean
}

/** Its files are written within moments, or somebody says why not. */
const balancerLimitMs = 60_000

export class Judge {
  readonly #options: JudgeOptions
  readonly #world: World
  readonly #progress = new Map<ServiceName, ServiceProgress>()

  constructor(options: JudgeOptions) {
    this.#options = options
    this.#world = options.world
  }

  /** Another operation, or the way back of this one, begins with fresh clocks. */
  forget(): void {
    this.#progress.clear()
  }

  /**
   * Anything that waits for another service has no clock of its own, as long as one of those that are involved moves and has. When none does,
   * nobody here can end the wait, and then the clocks of those who wait run too: an operation always ends.
   */
  verdicts(record: OperationRecord, nowMs: number): Map<ServiceName, ProgressVerdict> {
    const views = this.#world.views()
    const verdicts = new Map<ServiceName, ProgressVerdict>()
    const waiting: ServiceView[] = []
    const judgeOne = (view: ServiceView, isWaiting: boolean): ProgressVerdict => {
      const before = this.#progress.get(view.name) ?? null
      const isResting = this.#options.pauses.isPausing(view) || this.#options.isTriedOut(view.name)
      const isRouted = view.wanted === null || view.wanted.service.routes.length === 0 || this.#options.routing.isApplied()
      return judgeProgress({
        view,
        slots: this.#slotsOf(view.name),
        isWaiting: isWaiting || isResting,
        isRouted,
        before,
        nowMs,
      })
    }
    for (const name of record.involved) {
      const view = views.get(name)
      const isWaiting = view !== undefined && this.#isWaiting(view, views)
      const trouble = record.state === 'running' && view?.wanted ? this.#options.routing.troubleOf(view.wanted.service) : null
      const verdict: ProgressVerdict =
        trouble !== null
          ? { kind: 'failed', slot: null, message: trouble }
          : view === undefined
            ? this.#unseen(name, nowMs)
            : judgeOne(view, isWaiting)
      verdicts.set(name, verdict)
      if (view !== undefined && isWaiting && verdict.kind === 'moving') waiting.push(view)
    }
    const moving = [...verdicts.values()].filter(({ kind }) => kind === 'moving').length
    if (moving === waiting.length) for (const view of waiting) verdicts.set(view.name, judgeOne(view, false))
    for (const [name, verdict] of verdicts) if (verdict.kind === 'moving') this.#progress.set(name, verdict.progress)
    return verdicts
  }

  /** Nothing of it is there. The balancer is on its way for as long as there are routes: it comes with its first table. */
  #unseen(name: ServiceName, nowMs: number): ProgressVerdict {
    const isComing = name === balancerName && this.#world.project?.services.some(({ routes }) => routes.length > 0) === true
    if (!isComing) return { kind: 'done' }
    const progress = this.#progress.get(name) ?? { mark: '', ready: 0, sinceMs: nowMs }
    const deadlineMs = progress.sinceMs + balancerLimitMs
    if (nowMs < deadlineMs) return { kind: 'moving', progress, deadlineMs, ready: 0, wanted: 1 }
    return { kind: 'failed', slot: null, message: `the balancer was not there within ${balancerLimitMs / 1000} s` }
  }

  #isWaiting(view: ServiceView, views: ServiceViews): boolean {
    const { wanted } = view
    if (wanted === null)
      return !mayEmpty(view.name, this.#world.dependentsOf(view.name), views) || isRouteAwaited(this.#world, view.name)
    return (
      !startGate(wanted.service, views).open || !mayReplace(wanted.service, views) || isVolumeHeld(this.#world, wanted.service)
    )
  }

  #slotsOf(name: ServiceName): readonly SlotProgress[] {
    const identity = this.#world.wantedOf(name)?.identity
    return this.#world.countedSlotsOf(name).map((slot) => {
      const goal = this.#world.assignments.get(slot)?.goal
      const report = this.#world.reports.get(slot)
      const { occupant = null, reason = null } = report ?? {}
      const isFresh = goal?.kind === 'run' && goal.spec.identity === identity
      return {
        slot,
        // What the host has not taken in yet is on its way.
        state: report === undefined || !this.#isCurrent(report) ? 'pending' : report.state,
        isReady: report?.isReady === true && occupant?.spec?.identity === identity,
        isFresh,
        isQueued: report?.isQueued === true,
        reason,
        isLeaving: occupant?.phase === 'ending' && !occupant.isAtFault,
        gracePeriodMs: occupant === null ? 0 : leavingMs(occupant.spec?.service ?? null),
      }
    })
  }

  #isCurrent({ slot, order }: SlotReport): boolean {
    return this.#world.assignments.get(slot)?.order === order
  }
}

/** As long as an instance may take to leave: the requests that it has, then its grace period. */
function leavingMs(service: Service | null): number {
  if (service === null) return 0
  return service.stop.gracePeriodMs + (service.routes.length > 0 ? service.update.drainMs : 0)
}
