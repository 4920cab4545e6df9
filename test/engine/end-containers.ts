/** Containers have no state directory in their command lines, so the machine's own clean-up would miss them. */

import type { Machine } from '../daemon-harness.ts'
import type { LabEngine } from './lab-engine.ts'

export async function endContainers(engine: LabEngine, machine: Machine): Promise<void> {
  await machine.killDaemonForGood().catch(() => {})
  if (await engine.ping()) {
    const ids = engine.docker('ps', '-aq').split('\n').filter(Boolean)
    if (ids.length > 0) engine.docker('rm', '-f', ...ids)
    engine.docker('network', 'prune', '-f')
  }
  await machine[Symbol.asyncDispose]()
}
