/** What of the world concerns the balancer: services with routes, and the instances that have requests or may get some. Only looks. */

import type { Endpoint, RoutedService } from '../../core/balance/make-table.ts'
import { upstreamId } from '../../core/balance/table.ts'
import { hasAnswered, hasProbes } from '../../core/instance/health.ts'
import type { Slot } from '../../core/instance/slot.ts'
import type { Epoch, ServiceName } from '../../core/model/id.ts'
import type { Service } from '../../core/model/service.ts'
import type { TrafficRecord } from './applied-table.ts'
import type { ServedProject } from './served-project.ts'
import type { RoutingWish } from '../../ports/exchange.ts'
import type { SlotShell } from '../slots/slot-shell.ts'

/** By what should be; and, where that has no such routes any more, by what of it still runs. */
export function routedServices({ shells, routing }: ServedProject): readonly RoutedService[] {
  const routed = new Map<ServiceName, RoutedService>()
  for (const each of routing?.services ?? []) routed.set(each.service.name, each)
  for (const { slot } of shells.values()) {
    const service = serviceIn(slot.occupancy)
    if (service !== null && service.routes.length > 0 && !routed.has(service.name))
      routed.set(service.name, { service, isWanted: false })
  }
  return [...routed.values()]
}

export function endpointsOf({ shells, routing, portOf }: ServedProject, record: TrafficRecord): readonly Endpoint[] {
  return [...shells.values()].flatMap((shell): readonly Endpoint[] => {
    const at = shell.slot.occupancy
    const service = serviceIn(at)
    const port = portOf(shell.id)
    const state = stateOf(shell.slot, record)
    if (at.kind === 'vacant' || service === null || service.routes.length === 0 || port === null || state === null) return []
    return [{ slot: shell.id, service: service.name, epoch: at.epoch, port, state, isCanary: isCanary(shell.slot, routing) }]
  })
}

function stateOf(slot: Slot, record: TrafficRecord): Endpoint['state'] | null {
  const at = slot.occupancy
  if (at.kind === 'live') return at.health.isReady || isPresumed(slot, record) ? 'active' : null
  if (at.kind !== 'ending' || at.atFault) return null
  // Whom the balancer never knew it need not forget.
  const id = upstreamId(slot.id, at.epoch)
  return [record.active, record.draining, record.asked].some((ids) => ids.includes(id)) ? 'draining' : null
}

/** Found applied, and not probed since: nothing has shown that it is not ready any more. */
export function isPresumed({ id, occupancy: at }: Slot, record: TrafficRecord): boolean {
  if (at.kind !== 'live' || at.health.isUp || !record.active.includes(upstreamId(id, at.epoch))) return false
  const { health } = at.spec.service
  return !hasProbes(health) || !hasAnswered(health, at.health)
}

/** What waits for the balancer's word before it is asked to stop. */
/** Whether the slot runs a revision that is only being tried. */
function isCanary({ goal }: Slot, routing: RoutingWish | null): boolean {
  return goal.kind === 'run' && routing?.canaries[goal.spec.service.name] === goal.spec.identity
}

export function drainingShells({
  shells,
}: Pick<ServedProject, 'shells'>): readonly { readonly shell: SlotShell; readonly epoch: Epoch }[] {
  return [...shells.values()].flatMap((shell) => {
    const at = shell.slot.occupancy
    return at.kind === 'ending' && at.drain !== null ? [{ shell, epoch: at.epoch }] : []
  })
}

function serviceIn(occupancy: SlotShell['slot']['occupancy']): Service | null {
  return occupancy.kind === 'vacant' ? null : (occupancy.spec?.service ?? null)
}
