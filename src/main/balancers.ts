/** The balancers of this machine. Each is loaded when a config has routes, and not before: most daemons need neither. */

import { findHaproxy, oldestVersion } from '../adapters/haproxy/find.ts'
import { DarumaError } from '../ports/error.ts'
import type { Balancers } from '../ports/balancers.ts'

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
      return createEmbeddedBalancer({ stateDirectory, node: process.execPath })
    },
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
