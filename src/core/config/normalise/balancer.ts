/** `balancer` into normal form. */

import {
  acmeObject,
  balancer,
  type BalancerSettings,
  balancerLimits,
  defaultBalancer,
  type WrittenBalancer,
} from '../../keys/balancer.ts'
import type { Place, ProblemList } from '../../values/problem-list.ts'
import { resolvePath } from './resolve-path.ts'

/** `directory` is the folder of the config. */
export function normaliseBalancer(
  written: WrittenBalancer | undefined,
  directory: string,
  at: Place,
  problems: ProblemList,
): BalancerSettings {
  if (written === undefined) return defaultBalancer
  const { limits, acme } = written
  const settings = balancer.fill(written, {
    limits: balancerLimits.fill(limits),
    acme:
      acme === undefined
        ? null
        : acmeObject.fill(acme, acme.caFile === undefined ? {} : { caFile: resolvePath(directory, acme.caFile) }),
  })
  if (settings.httpPort === settings.httpsPort) {
    const key = written.httpsPort === undefined ? 'httpPort' : 'httpsPort'
    const message = `port ${settings.httpPort} is wanted as httpPort and as httpsPort`
    problems.add('E_CONFIG_DUPLICATE_PORT', { up: at, key }, message, { allowed: 'another port' })
  }
  return settings
}
