/**
 * Who waits for whom. `after` has two readings: a first start needs its dependencies far enough to be of use; giving up something
 * that runs needs them wholly through their own change, because a half-updated dependency is no reason to make a gap.
 */

import type { ServiceName } from '../model/id.ts'
import type { Dependency, DependencyCondition, Service } from '../model/service.ts'
import { isSettled } from './rollout.ts'
import type { SlotView, Wanted } from './rollout.ts'

export interface ServiceView {
  readonly name: ServiceName
  /** Null when the service should not be (or was stopped by hand). */
  readonly wanted: Wanted | null
  readonly slots: readonly SlotView[]
  /** The job has completed under the wanted identity, or this revision does not run jobs (a rollback). */
  readonly isJobDone: boolean
}

export type ServiceViews = ReadonlyMap<ServiceName, ServiceView>

export interface Gate {
  readonly open: boolean
  /** "after db (healthy)". */
  readonly because: string | null
}

const openGate: Gate = { open: true, because: null }

/** Whether a first start of the service may happen now. */
export function startGate(service: Service, views: ServiceViews): Gate {
  // Its slot may have forgotten that, and another program of the job may have been there since.
  if (service.scale.kind === 'job' && views.get(service.name)?.isJobDone === true)
    return { open: false, because: 'it has had its run' }
  const missing = service.after.find((dependency) => !holds(dependency, views))
  return missing === undefined ? openGate : { open: false, because: `waits for ${missing.service} (${missing.condition})` }
}

/** Whether something that runs may be replaced by the service's new spec. */
export function mayReplace(service: Service, views: ServiceViews): boolean {
  return service.after.every((dependency) => {
    const view = views.get(dependency.service)
    if (view === undefined || view.wanted === null) return true
    return view.wanted.service.scale.kind === 'job' ? view.isJobDone : isSettled(view)
  })
}

/** Whether nothing that comes after the service runs any more. `dependents` are names by the config that they run under. */
export function mayEmpty(name: ServiceName, dependents: readonly ServiceName[], views: ServiceViews): boolean {
  return dependents.every((dependent) => {
    const view = views.get(dependent)
    return dependent === name || view === undefined || view.wanted !== null || view.slots.every((slot) => slot.isVacant)
  })
}

function holds(dependency: Dependency, views: ServiceViews): boolean {
  const view = views.get(dependency.service)
  // What was stopped by hand is not waited for: a person decided that.
  if (view === undefined || view.wanted === null) return true
  return conditions[dependency.condition](view)
}

const conditions: Readonly<Record<DependencyCondition, (view: ServiceView) => boolean>> = {
  started: (view) => view.isJobDone || view.slots.some((slot) => !slot.isVacant || slot.isDone),
  healthy: (view) => view.slots.some((slot) => slot.isReady && slot.goalIdentity === view.wanted?.identity),
  completed: (view) => view.isJobDone,
}
