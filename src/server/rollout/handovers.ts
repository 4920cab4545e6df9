/** What passes from one service to another: a volume, a route. Who gives it up and who takes it are two services, and one waits for the other. */

import type { ServiceName } from '../../core/model/id.ts'
import { parseSlotId } from '../../core/model/id.ts'
import type { Service } from '../../core/model/service.ts'
import { slotCount } from '../../core/model/service.ts'
import { nameOfRoute } from '../../core/keys/service/route.ts'
import type { World } from '../world/world.ts'

/**
 * Whether a volume of the service is still in the hands of another one that is giving it up: a service that was renamed must not open
 * its data while the one with the old name is closing it. What two services share by their configs they share.
 */
export function isVolumeHeld(world: World, service: Service): boolean {
  return service.volumes.some(({ name: volume }) =>
    world.holdersOf(volume).some((slot) => {
      const other = parseSlotId(slot).service
      const isKept = world.wantedOf(other)?.service.volumes.some(({ name }) => name === volume) === true
      return other !== service.name && !isKept
    }),
  )
}

/**
 * Whether a route of the service, which is to go, passes to another one that cannot serve yet: it continues until then. Not where the
 * other one waits for a volume of ours: then somebody has to go first.
 */
export function isRouteAwaited(world: World, name: ServiceName): boolean {
  const own = world
    .reportsOf(name)
    .flatMap(({ occupant }) => (occupant?.phase === 'live' ? (occupant.spec?.service.routes ?? []) : []))
  const heirs = new Set(own.flatMap((route) => world.heirsOf(nameOfRoute(route))))
  return [...heirs].some(
    (service) =>
      service.name !== name &&
      world.wantedOf(service.name) !== null &&
      slotCount(service) > 0 &&
      !isVolumeHeld(world, service) &&
      !world.reportsOf(service.name).some(({ isInUse }) => isInUse),
  )
}
