/**
 * How long a slot waits before its next start. The first failure after a proven life is repaired at once; only failures in quick
 * succession wait, doubling, with jitter in the upper half so that many slots felled by one cause do not rise in step
 * (AWS Architecture Blog, "Exponential Backoff And Jitter", equal jitter).
 */

import type { RestartPolicy } from '../model/service.ts'

export function backoffMs(policy: RestartPolicy, failuresInARow: number, jitter: number): number {
  if (!isRetry(failuresInARow) || policy.delayMs === 0) return 0
  const doubled = failuresInARow > policy.budget ? policy.maxDelayMs : policy.delayMs * 2 ** Math.min(failuresInARow - 2, 40)
  const bound = Math.min(doubled, policy.maxDelayMs)
  return bound / 2 + (bound / 2) * jitter
}

/** Whether a start after so many failures is one of a series, which may wait for those of what works. */
export const isRetry = (failuresInARow: number): boolean => failuresInARow > 1

/** Failures in a row after one more end: a life of `resetAfterMs` or longer wipes out those before it. */
export function countFailure(policy: RestartPolicy, before: number, livedMs: number): number {
  return livedMs >= policy.resetAfterMs ? 1 : before + 1
}
