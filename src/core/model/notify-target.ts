/** Which targets of `notify` are the same one, over changes of the config. */

import type { NotifyTarget } from '../keys/notify.ts'
import { canonicalJson } from './service.ts'

/**
 * Which target it is: by where it tells, and by where its secrets come from. Not by its place among the others, nor by the values of its secrets,
 * so that none of these makes another target of it.
 */
export function identityOfTarget({ to, secrets }: Pick<NotifyTarget, 'to' | 'secrets'>): string {
  return canonicalJson([to, Object.fromEntries(Object.entries(secrets).map(([name, { source }]) => [name, source]))])
}
