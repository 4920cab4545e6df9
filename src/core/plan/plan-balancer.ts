/**
 * The step for what all routes share. It has no service of its own in a config, but a change of it must be seen, and written down, like
 * any other: without a step there is no new revision.
 */

import { balancerName } from '../balance/balancer-service.ts'
import { formatDuration, formatSize } from '../model/quantity.ts'
import type { BalancerSettings, Project } from '../model/service.ts'
import { note } from './difference.ts'
import type { Reason, Step } from './plan.ts'
import type { Recorded } from './recorded.ts'

interface BalancerInput {
  readonly desired: Project | null
  readonly recorded: Recorded | null
  /** Which program the balancer is, or will be; nothing where nobody can tell. */
  readonly balancer?: 'haproxy' | 'embedded'
}

/** It comes with the first route and goes with the last. */
export function planBalancer({ desired, recorded, balancer }: BalancerInput): readonly Step[] {
  const [had, has] = [hasRoutes(recorded?.project ?? null), hasRoutes(desired)]
  const what = balancer === undefined ? 'balancer' : titles[balancer]
  const line = { service: balancerName, transition: null, warning: null }
  if (had && !has) return [{ ...line, kind: 'remove', what: 'balancer', reasons: [note('no route is left')] }]
  if (desired === null || recorded === null || !had) {
    if (desired === null || !has) return []
    return [{ ...line, kind: 'create', what, reasons: [note(`listens at ${listPorts(desired)}`)] }]
  }
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

const titles = { haproxy: 'HAProxy', embedded: 'the embedded balancer' } as const

const hasRoutes = (project: Project | null): boolean => project?.services.some(({ routes }) => routes.length > 0) === true

function listPorts({ balancer, services }: Project): string {
  const ports = services.flatMap(({ routes }) =>
    routes.flatMap(({ to, tls }) => {
      if (to.kind === 'port') return [to.port]
      return tls.kind === 'none' ? [balancer.httpPort] : [balancer.httpPort, balancer.httpsPort]
    }),
  )
  const sorted = [...new Set(ports)].toSorted((a, b) => a - b)
  return `${sorted.length === 1 ? 'port' : 'ports'} ${sorted.join(', ')}`
}

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
