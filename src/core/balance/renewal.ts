/**
 * When a certificate is fetched: with a third of its life left it is time for the next, so that weeks remain in which a server may be
 * away.
 */

/** Moments in milliseconds since 1970. */
export const renewalMoment = (life: { readonly fromMs: number; readonly toMs: number }): number =>
  life.toMs - Math.floor((life.toMs - life.fromMs) / 3)

const firstMs = 60_000
const growth = 4
const longestMs = 12 * 3_600_000

/**
 * The rest after the `failures`-th failure in a row. Servers count failed validations (Let's Encrypt: five an hour for a name), and a
 * name whose DNS has just been set should not wait long: 1, 4, 16, 64 minutes. `jitter` is in [0, 1): many hosts must not come together.
 */
export function backoffMs(failures: number, jitter: number, retryAfterMs: number | null): number {
  const ownMs = Math.min(longestMs, firstMs * growth ** Math.max(0, failures - 1)) * (1 + jitter / 4)
  return Math.max(ownMs, retryAfterMs ?? 0)
}
