/** The balancers of this machine. Each is loaded when a config has routes, and not before: most daemons need neither. */

import { findHaproxy, oldestVersion } from '../adapters/haproxy/find.ts'
import type { BalancerSettings } from '../core/model/service.ts'
import { DarumaError } from '../ports/error.ts'
import type { BalancerKind, Balancers } from '../ports/traffic/balancers.ts'
import type { Finding } from '../protocol/api.ts'
import { ownNode } from './process/own-node.ts'

export function createBalancers({ stateDirectory }: { readonly stateDirectory: string }): Balancers {
  return {
    choose(program) {
      if (program === 'haproxy') requireHaproxy()
      return program === 'embedded' || findHaproxy()?.isNewEnough !== true ? 'embedded' : 'haproxy'
    },
    async open(kind) {
      if (kind === 'haproxy') {
        const haproxy = requireHaproxy()
        const { createHaproxyBalancer } = await import('../adapters/haproxy/index.ts')
        return createHaproxyBalancer({ stateDirectory, haproxy })
      }
      const { createEmbeddedBalancer } = await import('../adapters/embedded-balancer/index.ts')
      return createEmbeddedBalancer({ stateDirectory, node: ownNode })
    },
  }
}

/** Also without a daemon. A machine without HAProxy lacks it only where it is asked for by name. */
export function balancerFinding(asked: BalancerSettings['program'] | null, running: BalancerKind | null = null): Finding {
  const found = findHaproxy()
  const name = 'balancer'
  if (asked === 'auto' && running === 'embedded' && found?.isNewEnough === true)
    return {
      name,
      state: 'weak',
      message: `the embedded balancer serves the routes, though HAProxy ${found.version} is there now: what runs stays what it is`,
      hint: "balancer: { program: 'haproxy' } changes over, which ends every open connection; so does `down` and `up`.",
    }
  if (found?.isNewEnough === true)
    return {
      name,
      state: 'good',
      message: `HAProxy ${found.version} at ${found.path} spreads the requests of routes`,
      hint: null,
    }
  const message =
    found === null
      ? 'HAProxy is not installed: routes are served by the embedded balancer, at lower speed and without HTTP/2'
      : `HAProxy ${found.version} at ${found.path} is older than ${oldestVersion}: routes are served by the embedded balancer`
  return {
    name,
    state: asked === 'haproxy' ? 'bad' : asked === 'auto' ? 'weak' : 'good',
    message: asked === 'haproxy' ? `the config asks for HAProxy ${oldestVersion} or newer, and there is none` : message,
    hint: asked === 'embedded' ? null : 'apt-get install haproxy',
  }
}

/** Its path. */
function requireHaproxy(): string {
  const found = findHaproxy()
  const hint = "apt-get install haproxy, or write balancer: { program: 'auto' }."
  if (found === null)
    throw new DarumaError('E_BALANCER_MISSING', 'The config asks for HAProxy, and it is not installed.', { hint })
  if (!found.isNewEnough)
    throw new DarumaError(
      'E_BALANCER_MISSING',
      `HAProxy ${found.version} (${found.path}) is too old; ${oldestVersion} is needed.`,
      {
        hint: "Install a newer one, or write balancer: { program: 'embedded' }.",
      },
    )
  return found.path
}
