/**
 * Desired × recorded × observed → the steps between them. A newcomer would plan from what is observed alone; but what is down and
 * gets up by itself needs no step. Observed slots matter only where the daemon has given up and an apply would try again.
 */

import type { ServiceName } from '../model/id.ts'
import { asRevisionNumber, isRunSlot } from '../model/id.ts'
import type { Problem } from '../values/problem.ts'
import { isSameWork, processIdentity } from '../model/service.ts'
import type { Project, Service } from '../model/service.ts'
import type { InstanceStatus } from '../model/status.ts'
import { orderByDependency } from './dependency-order.ts'
import { explainDifference, note } from './difference.ts'
import type { Manifests } from './difference.ts'
import { fingerprintOf } from './fingerprint.ts'
import { noTimes, type LearnedTimes } from './learned-times.ts'
import type { Plan, Reason, Step } from './plan.ts'
import type { Recorded } from './recorded.ts'
import { planBalancer } from './plan-balancer.ts'
import { planNotify } from './plan-notify.ts'
import { shorten } from './shown-difference.ts'
import { nameOfRoute } from '../keys/service/route.ts'
import { describeRemoval, describeScale, describeTransition, fromTheNextRun, warnOfLoss } from './transition.ts'

export interface PlanInput {
  /** Null: everything goes (`down`). */
  readonly desired: Project | null
  /** Null: nothing was ever applied. */
  readonly recorded: Recorded | null
  readonly observed: readonly InstanceStatus[]
  /** On the way back to an older revision (also when scaling): jobs do not run. */
  readonly isRollback: boolean
  /** What was named; null for all. Only that is tried again where it fell, and started where somebody stopped it. */
  readonly only: readonly string[] | null
  /** How long a service took to start and to stop so far; by default nothing is known. */
  readonly timesOf?: (name: ServiceName) => LearnedTimes
  /** Which program the balancer is, or will be; nothing where nobody can tell. */
  readonly balancer?: 'haproxy' | 'embedded'
  /** Of the releases that change, those that are known. */
  readonly manifests?: Manifests
  /** Whether it serves other projects too: then it is there before the first route of this one, and after the last. */
  readonly isBalancerShared?: boolean
}

export type PlanOutcome = { readonly plan: Plan } | { readonly problems: readonly Problem[] }

/** Costs about 5 µs a service. Refuses the removal of protected services (`E_PLAN_PROTECTED`), all of them at once. */
export function planChanges(input: PlanInput): PlanOutcome {
  const world = worldOf(input)
  const desired = input.desired?.services ?? []
  const removed = world.recordedServices.filter((service) => !world.desiredNames.has(service.name))
  const problems = removed.filter((service) => service.protect).map(refuseRemoval)
  if (problems.length > 0) return { problems }
  const removals = orderByDependency(removed)
    .toReversed()
    .map((service) => removal(service, world))
  const changes = orderByDependency(desired).flatMap((service) => planService(service, world) ?? [])
  return {
    plan: {
      base: input.recorded?.revision ?? asRevisionNumber(0),
      fingerprint: fingerprintOf(input.recorded, input.observed),
      steps: [...removals, ...planBalancer(input), ...planNotify(input), ...changes],
      unchanged: desired.length - changes.length,
    },
  }
}

interface World {
  /** Nothing is wanted: `down`, or a config without a service. */
  readonly isEmpty: boolean
  readonly isRollback: boolean
  /** Whether what fell, or was stopped by hand, is to get up by this change. A way back touches nothing that it does not change. */
  readonly revives: (name: ServiceName) => boolean
  readonly timesOf: (name: ServiceName) => LearnedTimes
  readonly desiredNames: ReadonlySet<ServiceName>
  /** Where something is reached afterwards. */
  readonly routes: ReadonlySet<string>
  readonly recordedServices: readonly Service[]
  readonly before: ReadonlyMap<ServiceName, Service>
  readonly stoppedByHand: ReadonlySet<ServiceName>
  readonly generations: Readonly<Record<string, number>>
  readonly completedJobs: Readonly<Record<string, string>>
  /** Services with a slot that runs: when another of their slots has fallen, a restart reaches it too. */
  readonly alive: ReadonlySet<ServiceName>
  /** Slots that will not get up by themselves soon. */
  readonly fallen: ReadonlyMap<ServiceName, readonly InstanceStatus[]>
  readonly manifests: Manifests
}

function worldOf(input: PlanInput): World {
  const { desired, recorded, observed, isRollback, only, timesOf = () => noTimes, manifests = new Map() } = input
  const recordedServices = recorded?.project.services ?? []
  const fallen = new Map<ServiceName, InstanceStatus[]>()
  for (const status of observed) {
    if (status.state !== 'failed' && status.state !== 'crash-looping') continue
    // A run of a schedule that has failed is history; the next tick comes without being asked for.
    if (isRunSlot(status.slot)) continue
    const others = fallen.get(status.service)
    if (others === undefined) fallen.set(status.service, [status])
    else others.push(status)
  }
  return {
    isEmpty: desired === null || desired.services.length === 0,
    isRollback,
    revives: (name) => (only === null ? !isRollback : only.includes(name)),
    routes: new Set(desired?.services.flatMap((service) => service.routes.map(nameOfRoute))),
    timesOf,
    desiredNames: new Set(desired?.services.map((service) => service.name)),
    recordedServices,
    before: new Map(recordedServices.map((service) => [service.name, service])),
    stoppedByHand: new Set(recorded?.stoppedByHand),
    generations: recorded?.generations ?? {},
    completedJobs: recorded?.completedJobs ?? {},
    alive: new Set(observed.filter((status) => status.state === 'running').map((status) => status.service)),
    fallen,
    manifests,
  }
}

function refuseRemoval(service: Service): Problem {
  return {
    code: 'E_PLAN_PROTECTED',
    path: ['services', service.name],
    message: `${service.name} is protected and would be removed`,
    allowed: `apply it with \`protect: false\` first, or keep it`,
    suggestion: null,
  }
}

function removal(service: Service, world: World): Step {
  return {
    kind: 'remove',
    service: service.name,
    what: describeScale(service),
    reasons: [note(world.isEmpty ? 'everything goes down' : 'left the config')],
    transition: describeRemoval(service),
    // Where all goes nothing is reached at all: only what stays is worth a word.
    warning: warnOfLoss(world.isEmpty ? { ...service, routes: [] } : service, null, world.routes),
  }
}

/** Null when the service is as it should be, or gets there by itself. */
function planService(service: Service, world: World): Step | null {
  const before = world.before.get(service.name) ?? null
  if (service.scale.kind === 'job') return planJob(service, before, world)
  if (service.scale.kind === 'schedule') return planSchedule(service, before, world)
  const step = { service: service.name, what: describeScale(service), transition: null, warning: null }
  if (before === null) return { ...step, kind: 'create', reasons: [note('new')] }

  const differences = explainDifference(before, service, world.manifests)
  const idle = whyIdle(service, world)
  if (differences.length === 0 && idle.length === 0) return null
  const reasons = [...differences, ...idle]
  const warning = warnOfLoss(before, service, world.routes)
  // Of a schedule only its runs are there, and they end; what comes is new.
  if (before.scale.kind === 'schedule') return { ...step, kind: 'replace', reasons, transition: describeRemoval(before), warning }
  const runs = !world.stoppedByHand.has(service.name) && (idle.length === 0 || world.alive.has(service.name))
  if (needsNewProcess(before, service, world)) {
    return {
      ...step,
      kind: 'replace',
      reasons,
      transition: runs ? describeTransition(before, service, world.timesOf(service.name)) : null,
      warning,
    }
  }
  if (idle.length > 0)
    return {
      ...step,
      kind: 'restart',
      reasons,
      transition: runs ? describeTransition(before, service, world.timesOf(service.name)) : null,
      warning,
    }
  return { ...step, kind: 'update', reasons, transition: 'no restart', warning }
}

/** A job runs when it is new or would do something else than before, or when it failed; never twice as the same, never on a rollback. */
function planJob(service: Service, before: Service | null, world: World): Step | null {
  const step = { service: service.name, what: describeScale(service), transition: null, warning: null }
  const differences = before === null ? [note('new')] : explainDifference(before, service, world.manifests)
  const isNew = before === null || needsNewProcess(before, service, world)
  const idle = whyIdle(service, world)
  if (differences.length === 0 && (idle.length === 0 || world.isRollback)) return null

  const isDone = isSameWork(identityOf(service, world), world.completedJobs[service.name])
  const runs = !world.isRollback && !isDone && (isNew || idle.length > 0)
  if (runs) return { ...step, kind: 'run-job', reasons: [...differences, ...idle] }
  if (differences.length === 0) return null
  const why = !isNew
    ? []
    : isDone
      ? [note('completed before exactly so: does not run again')]
      : [note('jobs do not run on the way back')]
  const kind = before === null ? 'create' : 'update'
  return { ...step, kind, reasons: [...differences, ...why], transition: kind === 'update' ? 'no restart' : null }
}

/** It is there when it is in the config, whether or not a run is under way: nothing of it has to run for all to be well. */
function planSchedule(service: Service, before: Service | null, world: World): Step | null {
  const step = { service: service.name, what: describeScale(service), transition: null, warning: null }
  if (before === null) return { ...step, kind: 'create', reasons: [note('new')] }
  const differences = explainDifference(before, service, world.manifests)
  const isBack = world.stoppedByHand.has(service.name) && world.revives(service.name)
  const stopped = isBack ? [note('was stopped by hand, runs again at its hours')] : []
  const reasons = [...differences, ...stopped]
  if (reasons.length === 0) return null
  const warning = warnOfLoss(before, service, world.routes)
  const transition = differences.length === 0 ? null : fromTheNextRun
  if (before.scale.kind === 'schedule') return { ...step, kind: 'update', reasons, transition, warning }
  return { ...step, kind: 'replace', reasons, transition: describeRemoval(before), warning }
}

/** Why the service does not run and would after an apply: somebody stopped it, or the daemon has given up (or nearly so). */
function whyIdle(service: Service, world: World): readonly Reason[] {
  if (!world.revives(service.name)) return []
  if (world.stoppedByHand.has(service.name)) return [note('was stopped by hand, starts again')]
  return (world.fallen.get(service.name) ?? []).map(({ slot, state, reason }) =>
    note(`${slot} ${state === 'failed' ? 'has failed' : 'is crash-looping'}${reason === null ? '' : `: ${shorten(reason)}`}`),
  )
}

function needsNewProcess(before: Service, after: Service, world: World): boolean {
  return identityOf(before, world) !== identityOf(after, world)
}

function identityOf(service: Service, world: World): string {
  return processIdentity(service, world.generations[service.name] ?? 0)
}
