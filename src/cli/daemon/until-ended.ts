/** The end of a command that would go on forever: Ctrl-C, or a reader of stdout that has left (`daruma logs -f | head`). */

import type { Context } from '../context.ts'

export interface UntilEnded extends Disposable {
  readonly signal: AbortSignal
}

export function untilEnded(context: Context): UntilEnded {
  const ending = new AbortController()
  const release = context.onInterrupt(() => ending.abort())
  return { signal: AbortSignal.any([ending.signal, context.terminal.outputClosed]), [Symbol.dispose]: release }
}
