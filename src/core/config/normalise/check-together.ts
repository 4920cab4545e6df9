/**
 * What only shows when all services are looked at together: dependencies that do not exist, can never be fulfilled or go in a
 * circle, and fixed ports wanted twice. Nothing here recurses, because a chain of dependencies may be 10,000 long.
 */

import type { ServiceName } from '../../model/id.ts'
import type { Dependency, DependencyCondition, Service } from '../../model/service.ts'
import { nearest } from '../../values/nearest.ts'
import type { Draft } from './service.ts'
import type { Place, ProblemList } from '../../values/problem-list.ts'
import { quote } from '../../values/show.ts'
import type { WrittenDependency } from '../../keys/service/after.ts'

/**
 * `names` are all that the config holds, those of unsound services included: an `after` that names one of them is not
 * unknown.
 */
export function finishServices(
  drafts: ReadonlyMap<string, Draft>,
  names: ReadonlySet<string>,
  problems: ProblemList,
): readonly Service[] {
  const services: Service[] = []
  for (const draft of drafts.values()) {
    const after: Dependency[] = []
    for (const dependency of draft.after) {
      const condition = checkDependency(dependency, drafts, names, problems)
      if (condition !== null) after.push({ service: dependency.service as ServiceName, condition })
    }
    services.push({ ...draft.service, after })
  }
  checkCycles(drafts, problems)
  checkPorts(drafts, problems)
  return services
}

function checkDependency(
  dependency: WrittenDependency,
  drafts: ReadonlyMap<string, Draft>,
  names: ReadonlySet<string>,
  problems: ProblemList,
): DependencyCondition | null {
  const { service, condition, at } = dependency
  if (!names.has(service)) {
    const near = nearest(service, names)
    const allowed = near === null ? { allowed: firstNames(names) } : {}
    problems.add('E_CONFIG_UNKNOWN_SERVICE', at, `there is no service ${quote(service)}`, {
      ...allowed,
      suggestion: near === null ? null : quote(near),
    })
    return null
  }
  const target = drafts.get(service)
  if (target === undefined) return null
  if (target.service.scale.kind === 'schedule') {
    problems.add('E_CONFIG_CONDITION', at, `${service} is a schedule: it runs at its hours, and nothing can wait for it`, {
      allowed: 'a service or a job',
    })
    return null
  }
  const isJob = target.service.scale.kind === 'job'
  const hasProbes =
    target.service.health.startup !== null || target.service.health.readiness !== null || target.service.health.liveness !== null
  if (condition === null) return isJob ? 'completed' : hasProbes ? 'healthy' : 'started'
  if (!target.isSound) return condition
  if (condition === 'completed' && !isJob) {
    problems.add('E_CONFIG_CONDITION', at, `${service} is not a job and never completes`, {
      allowed: hasProbes ? "'healthy' or 'started'" : "'started'",
    })
  } else if (condition === 'healthy' && !hasProbes) {
    const allowed = isJob ? "'completed' or 'started'" : "'started', or health on that service"
    problems.add('E_CONFIG_CONDITION', at, `${service} has no health probe and never becomes healthy`, { allowed })
  }
  return condition
}

function firstNames(names: ReadonlySet<string>): string {
  const shown = [...names].slice(0, 10)
  return names.size > 10 ? `one of ${shown.join(', ')} and ${names.size - 10} more` : `one of ${shown.join(', ')}`
}

/** Depth-first with a stack of our own; each service is entered once, so a circle is reported once, from its first service on. */
function checkCycles(drafts: ReadonlyMap<string, Draft>, problems: ProblemList): void {
  const done = new Set<string>()
  const onPath = new Map<string, number>()
  const path: { readonly name: string; readonly draft: Draft; next: number }[] = []
  const enter = (name: string): void => {
    const draft = drafts.get(name)
    if (draft === undefined || done.has(name)) return
    onPath.set(name, path.length)
    path.push({ name, draft, next: 0 })
  }
  for (const name of drafts.keys()) {
    enter(name)
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const dependency = top.draft.after[top.next++]
      if (dependency === undefined) {
        path.pop()
        onPath.delete(top.name)
        done.add(top.name)
      } else if (onPath.has(dependency.service)) {
        reportCycle(
          [...path.slice(onPath.get(dependency.service)).map((step) => step.name), dependency.service],
          dependency.at,
          problems,
        )
      } else {
        enter(dependency.service)
      }
    }
  }
}

function reportCycle(cycle: readonly string[], at: Place, problems: ProblemList): void {
  const shown = cycle.length <= 12 ? cycle : [...cycle.slice(0, 6), `… ${cycle.length - 11} more …`, ...cycle.slice(-5)]
  const message = cycle.length === 2 ? `${cycle[0]} waits for itself` : `these services wait for each other: ${shown.join(' → ')}`
  problems.add('E_CONFIG_CYCLE', at, message, { allowed: 'an order in which every service can start' })
}

function checkPorts(drafts: ReadonlyMap<string, Draft>, problems: ProblemList): void {
  const owners = new Map<number, string>()
  for (const [name, { service, at }] of drafts) {
    if (service.port.kind !== 'fixed') continue
    const owner = owners.get(service.port.port)
    if (owner === undefined) {
      owners.set(service.port.port, name)
    } else {
      const message = `port ${service.port.port} is wanted by ${owner} and by ${name}`
      problems.add('E_CONFIG_DUPLICATE_PORT', { up: at, key: 'port' }, message, { allowed: "another port, or 'auto'" })
    }
  }
}
