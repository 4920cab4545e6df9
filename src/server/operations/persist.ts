/** A full disk hinders the writing down, not what is to be written: tried until it is, or until the daemon ends. */

import type { Clock } from '../../ports/clock.ts'

const retryMs = 1000

export async function persist(options: {
  readonly write: () => Promise<void>
  readonly clock: Clock
  readonly isClosed: () => boolean
  readonly onTrouble: (error: unknown) => void
}): Promise<void> {
  const { write, clock, isClosed, onTrouble } = options
  while (!isClosed()) {
    try {
      return await write()
    } catch (error) {
      onTrouble(error)
    }
    await new Promise<void>((resolve) => clock.after(retryMs, resolve))
  }
}
