/** `after`: what must have come first. */

import type { ServiceName } from '../../values/name.ts'
import type { Place } from '../../values/problem-list.ts'
import { oneOf } from '../../values/scalars.ts'
import { anyText, listOf, objectOf, type Shape } from '../../values/shape.ts'
import { quote } from '../../values/show.ts'
import { isPlainObject, type Reader, refuseType } from '../../values/value-type.ts'
import type { Part } from '../key.ts'
import { mostEntries, readEntries } from './variable.ts'

export type DependencyCondition = 'started' | 'healthy' | 'completed'

export interface Dependency {
  readonly service: ServiceName
  readonly condition: DependencyCondition
}

/** A dependency as written: without a condition until the kind of its service is known. */
export interface WrittenDependency {
  readonly service: string
  readonly condition: DependencyCondition | null
  readonly at: Place
}

/** Compose's words for the three conditions. */
const condition = oneOf(['started', 'healthy', 'completed'], {
  service_started: 'started',
  service_healthy: 'healthy',
  service_completed_successfully: 'completed',
  ready: 'healthy',
  done: 'completed',
})

export const readAfter: Reader<readonly WrittenDependency[]> = {
  accepts: "an array of services such as ['migrate'], or an object of service → 'started', 'healthy' or 'completed'",
  read(value, at, problems) {
    if (isPlainObject(value)) {
      const dependencies = readEntries(value, at, problems, (service, item, place): WrittenDependency | undefined => {
        const read = condition.read(item, place, problems)
        return read === undefined ? undefined : { service, condition: read, at: place }
      })
      return dependencies?.map(([, dependency]) => dependency)
    }
    if (!Array.isArray(value)) {
      return refuseType(value, this.accepts, at, problems, typeof value === 'string' ? `[${quote(value)}]` : null)
    }
    const dependencies: WrittenDependency[] = []
    for (const [index, service] of value.slice(0, mostEntries).entries()) {
      const place: Place = { up: at, key: String(index) }
      if (typeof service !== 'string') refuseType(service, 'the name of a service', place, problems)
      else if (dependencies.some((known) => known.service === service))
        problems.add('E_CONFIG_CONFLICT', place, `${quote(service)} is named twice`)
      else dependencies.push({ service, condition: null, at: place })
    }
    return dependencies
  },
}

export const after: Part<readonly Dependency[]> = {
  shape: listOf(objectOf<Dependency>({ service: anyText as Shape<ServiceName>, condition: condition.shape })),
  fields: (dependencies, prefix) => dependencies.map(({ service, condition: when }) => [`${prefix}after.${service}`, when]),
  complete: (recorded) => recorded,
}
