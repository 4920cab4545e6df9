/** `balancer` into normal form. */

import type { BalancerSettings } from '../model/service.ts'
import type { WrittenBalancer } from './balancer-keys.ts'
import * as defaults from './defaults.ts'
import type { Place, ProblemList } from './problem-list.ts'
import { resolvePath } from './resolve-path.ts'

/** `directory` is the folder of the config. */
export function normaliseBalancer(
  written: WrittenBalancer | undefined,
  directory: string,
  at: Place,
  problems: ProblemList,
): BalancerSettings {
  if (written === undefined) return defaults.balancer
  const { limits, acme, ...said } = written
  const whole = { ...defaults.balancer, ...said }
  if (whole.httpPort === whole.httpsPort) {
    const key = written.httpsPort === undefined ? 'httpPort' : 'httpsPort'
    const message = `port ${whole.httpPort} is wanted as httpPort and as httpsPort`
    problems.add('E_CONFIG_DUPLICATE_PORT', { up: at, key }, message, { allowed: 'another port' })
  }
  const usual = defaults.balancer.limits
  return {
    ...whole,
    limits: {
      connections: limits?.connections ?? usual.connections,
      headerBytes: limits?.headerSize ?? usual.headerBytes,
      bodyBytes: limits?.bodySize ?? usual.bodyBytes,
      headerTimeoutMs: limits?.headerTimeout ?? usual.headerTimeoutMs,
      idleTimeoutMs: limits?.idleTimeout ?? usual.idleTimeoutMs,
      tunnelTimeoutMs: limits?.tunnelTimeout ?? usual.tunnelTimeoutMs,
    },
    acme:
      acme === undefined
        ? null
        : {
            directory: acme.directory ?? defaults.acmeDirectory,
            email: acme.email ?? null,
            caFile: acme.caFile === undefined ? null : resolvePath(directory, acme.caFile),
          },
  }
}
