/** What of the world concerns the balancer: services with routes, and the instances that have requests or may get some. Only looks. */

import type { Carrier, RoutedService } from '../core/balance/make-table.ts'
import { upstreamId } from '../core/balance/table.ts'
import { hasAnswered, hasProbes } from '../core/instance/health.ts'
import type { Epoch, ServiceName, SlotId } from '../core/model/id.ts'
import type { Service } from '../core/model/service.ts'
import type { TrafficRecord } from './records.ts'
import type { SlotShell } from './slot-shell.ts'
import type { World } from './world.ts'

/** By what should be; and, where that has no such routes any more, by what of it still runs. */
export function routedServices(world: World): readonly RoutedService[] {
  const routed = new Map<ServiceName, RoutedService>()
  for (const service of world.project?.services ?? [])
    if (service.routes.length > 0) routed.set(service.name, { service, isWanted: true })
  for (const { slot } of world.shells.values()) {
    const service = serviceIn(slot.occupancy)
    if (service !== null && service.routes.length > 0 && !routed.has(service.name))
      routed.set(service.name, { service, isWanted: false })
  }
  return [...routed.values()]
}

export function carriersOf(
  world: World,
  tools: { readonly record: TrafficRecord; readonly portOf: (slot: SlotId) => number | null },
): readonly Carrier[] {
  return [...world.shells.values()].flatMap((shell): readonly Carrier[] => {
    const at = shell.slot.occupancy
    const service = serviceIn(at)
    const port = tools.portOf(shell.id)
    const state = stateOf(shell, tools.record)
    if (at.kind === 'vacant' || service === null || service.routes.length === 0 || port === null || state === null) return []
    return [{ slot: shell.id, service: service.name, epoch: at.epoch, port, state, isCanary: world.isCanary(shell) }]
  })
}

function stateOf(shell: SlotShell, record: TrafficRecord): Carrier['state'] | null {
  const at = shell.slot.occupancy
  if (at.kind === 'live') return at.health.isReady || isPresumed(shell, record) ? 'active' : null
  if (at.kind !== 'ending' || at.atFault) return null
  // Whom the balancer never knew it need not forget.
  const id = upstreamId(shell.id, at.epoch)
  return [record.active, record.draining, record.asked].some((ids) => ids.includes(id)) ? 'draining' : null
}

export function isPresumed(shell: SlotShell, record: TrafficRecord): boolean {
  const at = shell.slot.occupancy
  if (at.kind !== 'live' || at.health.isUp || !record.active.includes(upstreamId(shell.id, at.epoch))) return false
  const { health } = at.spec.service
  return !hasProbes(health) || !hasAnswered(health, at.health)
}

/** What waits for the balancer's word before it is asked to stop. */
export function drainingShells(world: World): readonly { readonly shell: SlotShell; readonly epoch: Epoch }[] {
  return [...world.shells.values()].flatMap((shell) => {
    const at = shell.slot.occupancy
    return at.kind === 'ending' && at.drain !== null ? [{ shell, epoch: at.epoch }] : []
  })
}

function serviceIn(occupancy: SlotShell['slot']['occupancy']): Service | null {
  return occupancy.kind === 'vacant' ? null : (occupancy.spec?.service ?? null)
}
