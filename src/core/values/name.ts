/** The names that a person gives: of a project, a service, a volume, a stage. One rule for all of them. */

import type { Place, ProblemList } from './problem-list.ts'
import { quote } from './show.ts'

declare const brand: unique symbol

/** A service's name: 1 to 40 of `a-z 0-9 -`, beginning with a letter and not ending in a hyphen. */
export type ServiceName = string & { readonly [brand]: 'ServiceName' }

export const serviceNamePattern: RegExp = /^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$/
export const nameRule: string = '1 to 40 of a-z, 0-9 and -, beginning with a letter and not ending in -'

export const asServiceName = (text: string): ServiceName => text as ServiceName

/** Reports a name that is no name; `what` says of what. */
export function checkName(name: string, what: string, at: Place, problems: ProblemList): boolean {
  if (serviceNamePattern.test(name)) return true
  const tidy = name
    .slice(0, 200)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[-0-9]+|-+$/g, '')
    .slice(0, 40)
  const suggestion = serviceNamePattern.test(tidy) ? tidy : null
  problems.add('E_CONFIG_NAME', at, `${quote(name)} cannot be the name of a ${what}`, { allowed: nameRule, suggestion })
  return false
}
