/** What the runtime tells goes to the slot that it is about. A slot that is not known any more has nobody who would want to hear of it. */

import type { RuntimeEvent } from '../ports/runtime.ts'
import { toObstacle } from './slot-shell.ts'
import type { World } from './world.ts'

/** `jitter`: a number by chance below 1, for the pause before the next start. */
export function takeRuntimeEvent(world: World, event: RuntimeEvent, jitter: number): void {
  const shell = world.shells.get(event.slot)
  if (shell === undefined) return
  const { epoch } = event
  switch (event.kind) {
    case 'started':
      return shell.dispatch({ kind: 'started', epoch, pid: event.pid, startedAt: event.startedAt })
    case 'refused':
      return shell.dispatch({ kind: 'refused', epoch, refusal: toObstacle(event.refusal), jitter })
    case 'gone':
      return shell.dispatch({ kind: 'gone', epoch, exit: event.exit, jitter })
  }
}
