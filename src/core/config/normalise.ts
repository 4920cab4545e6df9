/**
 * What a user wrote → a project in normal form, or everything that is wrong with it. Nothing is taken on trust and nothing
 * throws: the value comes from a program that somebody else wrote.
 */

import { asServiceName, serviceNamePattern } from '../model/id.ts'
import type { Problem } from '../values/problem.ts'
import type { BalancerSettings, Project } from '../model/service.ts'
import { finishServices } from './normalise/check-together.ts'
import { checkRoutes } from './normalise/check-routes.ts'
import type { ConfigContext } from './config-context.ts'
import { normaliseBalancer } from './normalise/balancer.ts'
import { normaliseNotify } from './normalise/notify.ts'
import { type Draft, normaliseService } from './normalise/service.ts'
import { ProblemList } from '../values/problem-list.ts'
import { type PlainObject } from '../values/value-type.ts'
import { readConfig } from '../keys/project.ts'
import { takeSnapshot } from '../values/snapshot.ts'
import { checkName, nameRule } from '../values/name.ts'

export type { ConfigContext }

export type NormalisedConfig =
  | { readonly ok: true; readonly project: Project }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** Plans and the state are made for this many; more is a mistake in a loop. */
export const mostServices: number = 10_000

/** All problems at once: the first 50 and the count of the rest. 10,000 services take about 0.1 s. */
export function normaliseConfig(raw: unknown, context: ConfigContext): NormalisedConfig {
  const problems = new ProblemList()
  const project = readProject(raw, context, problems)
  return project === null || problems.count > 0 ? { ok: false, problems: problems.toArray() } : { ok: true, project }
}

function readProject(raw: unknown, context: ConfigContext, problems: ProblemList): Project | null {
  const snapshot = takeSnapshot(raw)
  if (!snapshot.ok) {
    problems.add('E_CONFIG_THREW', null, `a value of the config could not be read: ${snapshot.message}`)
    return null
  }
  const written = readConfig.read(snapshot.value, null, problems)
  if (written === undefined) return null
  const config = snapshot.value as PlainObject
  if (config['name'] === undefined) problems.add('E_CONFIG_REQUIRED', null, 'the config has no name', { allowed: "name: 'shop'" })
  if (config['services'] === undefined) {
    problems.add('E_CONFIG_REQUIRED', null, 'the config has no services', {
      allowed: "services: { web: { command: 'node server.js' } }",
    })
  }
  checkStage(context.stage, problems)
  if (written.services === undefined) return null
  const balancer = normaliseBalancer(written.balancer, context.directory, { up: null, key: 'balancer' }, problems)
  return {
    name: written.name ?? '',
    stage: context.stage,
    balancer,
    notify: normaliseNotify(written.notify ?? [], context, problems),
    services: readServices(written.services, { context, balancer }, problems),
  }
}

function checkStage(stage: string | null, problems: ProblemList): void {
  if (stage === null || serviceNamePattern.test(stage)) return
  problems.add('E_CONFIG_NAME', null, `'${stage.slice(0, 60)}' cannot be the name of a stage`, { allowed: nameRule })
}

function readServices(
  raw: PlainObject,
  { context, balancer }: { readonly context: ConfigContext; readonly balancer: BalancerSettings },
  problems: ProblemList,
): Project['services'] {
  const at = { up: null, key: 'services' }
  const entries = Object.entries(raw).filter(([, service]) => service !== undefined)
  if (entries.length > mostServices) {
    problems.add('E_CONFIG_TOO_MANY', at, `${entries.length} services are too many`, { allowed: `at most ${mostServices}` })
    return []
  }
  const drafts = new Map<string, Draft>()
  const inContext = { ...context, acme: balancer.acme }
  for (const [name, service] of entries) {
    const place = { up: at, key: name }
    checkName(name, 'service', place, problems)
    const draft = normaliseService(asServiceName(name), service, inContext, place, problems)
    if (draft !== null) drafts.set(name, draft)
  }
  const names = new Set(entries.map(([name]) => name))
  checkRoutes(drafts, balancer, problems)
  return finishServices(drafts, names, problems).toSorted((left, right) => (left.name < right.name ? -1 : 1))
}
