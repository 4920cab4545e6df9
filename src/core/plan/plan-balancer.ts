/**
 * The step for what all routes share. It has no service of its own in a config, but a change of it must be seen, and written down, like
 * any other: without a step there is no new revision.
 */

import { balancerName } from '../balance/balancer-service.ts'
import { balancer as balancerKeys } from '../keys/balancer.ts'
import type { Project } from '../model/service.ts'
import { note } from './difference.ts'
import type { Reason, Step } from './plan.ts'
import type { Recorded } from './recorded.ts'

interface BalancerInput {
  readonly desired: Project | null
  readonly recorded: Recorded | null
  /** Which program the balancer is, or will be; nothing where nobody can tell. */
  readonly balancer?: 'haproxy' | 'embedded'
  readonly isBalancerShared?: boolean
}

/** It comes with the first route of all projects and goes with the last. */
export function planBalancer({ desired, recorded, balancer, isBalancerShared = false }: BalancerInput): readonly Step[] {
  const [had, has] = [hasRoutes(recorded?.project ?? null), hasRoutes(desired)]
  const what = balancer === undefined ? 'balancer' : titles[balancer]
  const line = { service: balancerName, transition: null, warning: null }
  if (had !== has && isBalancerShared) return []
  if (had && !has) return [{ ...line, kind: 'remove', what: 'balancer', reasons: [note('no route is left')] }]
  if (desired === null || recorded === null || !had) {
    if (desired === null || !has) return []
    return [{ ...line, kind: 'create', what, reasons: [note(`listens at ${listPorts(desired)}`)] }]
  }
  const before = new Map(balancerKeys.fields(recorded.project.balancer, 'balancer.'))
  const after = new Map(balancerKeys.fields(desired.balancer, 'balancer.'))
  const reasons = [...new Set([...after.keys(), ...before.keys()])]
    .map((field): Reason => ({ field, from: before.get(field) ?? null, to: after.get(field) ?? null, note: null }))
    .filter(({ from, to }) => from !== to)
  if (reasons.length === 0) return []
  const isOther = recorded.project.balancer.program !== desired.balancer.program
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
