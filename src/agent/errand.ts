/** What runs errands (builds, the commands of `notify`), as the agent drives it. Each looks after a slot of its own, and handles no other's events. */

import type { Discovery, RuntimeEvent } from '../ports/runtime/runtime.ts'

export interface ErrandRunner {
  /** Ends what a former daemon was running. */
  load(discovery: Discovery): Promise<void>
  take(event: RuntimeEvent): void
  /** The daemon ends. */
  close(): void
}
