/** Services so that each stands behind what it comes `after`; otherwise by name, as they came. */

import type { ServiceName } from '../model/id.ts'
import type { Service } from '../model/service.ts'

/** Dependencies outside the list do not count. Deep chains cost no stack; a circle, which no config may have, is cut somewhere. */
export function orderByDependency(services: readonly Service[]): readonly Service[] {
  const byName = new Map(services.map((service) => [service.name, service]))
  const met = new Set<ServiceName>()
  const ordered: Service[] = []
  for (const service of services) {
    if (met.has(service.name)) continue
    met.add(service.name)
    const path = [{ service, next: 0 }]
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const dependency = top.service.after[top.next]
      top.next += 1
      if (dependency === undefined) {
        ordered.push(top.service)
        path.pop()
        continue
      }
      const found = byName.get(dependency.service)
      if (found === undefined || met.has(found.name)) continue
      met.add(found.name)
      path.push({ service: found, next: 0 })
    }
  }
  return ordered
}
