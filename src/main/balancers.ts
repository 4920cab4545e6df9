/** The balancers of this machine. Each is loaded when a config has routes, and not before: most daemons need neither. */

import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { DarumaError } from '../ports/error.ts'
import type { Balancers } from '../ports/balancers.ts'

/** Where distributions put it; the daemon's own PATH may be a bare one. */
const usualFolders = ['/usr/sbin', '/usr/local/sbin', '/usr/bin', '/usr/local/bin']

export function findHaproxy(): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/')), ...usualFolders]
  return folders.map((folder) => join(folder, 'haproxy')).find(isExecutable) ?? null
}

export function createBalancers({ stateDirectory }: { readonly stateDirectory: string }): Balancers {
  return {
    choose(program) {
      const isInstalled = findHaproxy() !== null
      if (program === 'haproxy' && !isInstalled) {
        throw new DarumaError('E_BALANCER_MISSING', 'The config asks for HAProxy, and it is not installed.', {
          hint: "apt-get install haproxy, or write balancer: { program: 'auto' }.",
        })
      }
      return 'embedded'
    },
    async open(kind) {
      const haproxy = findHaproxy()
      if (kind === 'haproxy' && haproxy !== null) {
        throw new DarumaError('E_BALANCER_MISSING', 'HAProxy is not driven yet.')
      }
      if (kind === 'haproxy') throw new DarumaError('E_BALANCER_MISSING', 'HAProxy is not installed any more.')
      const { createEmbeddedBalancer } = await import('../adapters/embedded-balancer/index.ts')
      return createEmbeddedBalancer({ stateDirectory, node: process.execPath })
    },
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
