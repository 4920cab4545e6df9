/**
 * The step for what all routes share. It has no service of its own in a config, but a change of it must be seen, and written down, like
 * any other: without a step there is no new revision.
 */

import { balancerName } from '../balance/balancer-service.ts'
import { formatDuration, formatSize } from '../model/quantity.ts'
import type { BalancerSettings, Project } from '../model/service.ts'
import type { Reason, Step } from './plan.ts'
import type { PlanInput } from './plan-changes.ts'

/** Nothing where no route was and none will be: then no balancer runs. */
export function planBalancer({ desired, recorded }: PlanInput): readonly Step[] {
  if (desired === null || recorded === null || !hasRoutes(desired) || !hasRoutes(recorded.project)) return []
  const before = fieldsOf(recorded.project.balancer)
  const after = fieldsOf(desired.balancer)
  const reasons = Object.keys(after)
    .filter((field) => before[field] !== after[field])
    .map((field): Reason => ({ field: `balancer.${field}`, from: before[field] ?? null, to: after[field] ?? null, note: null }))
  if (reasons.length === 0) return []
  const isOther = before['program'] !== after['program']
  const transition = isOther ? 'another program may take over: then open connections end' : 'open connections stay'
  return [{ kind: 'update', service: balancerName, what: 'balancer', reasons, transition, warning: null }]
}

const hasRoutes = ({ services }: Project): boolean => services.some(({ routes }) => routes.length > 0)

function fieldsOf({ limits, acme, ...settings }: BalancerSettings): Readonly<Record<string, string | null>> {
  return {
    program: settings.program,
    address: settings.address,
    httpPort: String(settings.httpPort),
    httpsPort: String(settings.httpsPort),
    accessLog: String(settings.accessLog),
    'limits.connections': String(limits.connections),
    'limits.headerSize': formatSize(limits.headerBytes),
    'limits.bodySize': limits.bodyBytes === null ? null : formatSize(limits.bodyBytes),
    'limits.headerTimeout': formatDuration(limits.headerTimeoutMs),
    'limits.idleTimeout': formatDuration(limits.idleTimeoutMs),
    'limits.tunnelTimeout': formatDuration(limits.tunnelTimeoutMs),
    'acme.directory': acme?.directory ?? null,
    'acme.email': acme?.email ?? null,
    'acme.caFile': acme?.caFile ?? null,
  }
}
