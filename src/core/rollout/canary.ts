/**
 * Whether a new revision that has a share of the requests may have the rest. It is rolled back for what it does worse than the old one by
 * more than its policy allows, not for what both do; and not for one failure among few requests, before there is time left to see more.
 */

import type { Canary } from '../model/service.ts'

export interface Tally {
  readonly requests: number
  /** Answered with 5xx by the instance, or broken off. */
  readonly failed: number
}

export interface CanaryInput {
  readonly policy: Canary
  /** How long it has been applied. */
  readonly heldMs: number
  /** Both since then. */
  readonly canary: Tally
  readonly old: Tally
}

export type CanaryVerdict =
  | { readonly kind: 'hold'; readonly message: string }
  | { readonly kind: 'promote'; readonly message: string }
  | { readonly kind: 'fail'; readonly message: string }

/** Before the time is over: fewer requests say nothing about a share, and fewer failures may be anybody's bad luck. */
const minRequests = 20
const minFailures = 3

export function judgeCanary({ policy, heldMs, canary, old }: CanaryInput): CanaryVerdict {
  const isOver = heldMs >= policy.forMs
  const allowed = shareOf(old) + policy.errorRate
  const isWorse = canary.failed > 0 && shareOf(canary) > allowed
  const isCertain = isOver || (canary.requests >= minRequests && canary.failed >= minFailures)
  if (isWorse && isCertain) {
    const beside = `the old revision ${formatShare(old)}`
    const limit = `at most ${percent(policy.errorRate)} more is allowed`
    return { kind: 'fail', message: `${formatShare(canary)} of the canary's requests failed, of ${beside}; ${limit}` }
  }
  const counts = `${count(canary.requests)} ${canary.requests === 1 ? 'request' : 'requests'}, ${count(canary.failed)} failed`
  if (isOver) return { kind: 'promote', message: counts }
  return {
    kind: 'hold',
    message: `${percent(policy.share)} of requests, ${formatTimeLeft(policy.forMs - heldMs)} left, ${counts}`,
  }
}

const shareOf = ({ requests, failed }: Tally): number => (requests === 0 ? 0 : failed / requests)

const formatShare = (tally: Tally): string => `${count(tally.failed)} of ${count(tally.requests)} (${percent(shareOf(tally))})`

const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`

/** `1,203`, on every machine. */
const count = (value: number): string => String(value).replaceAll(/\B(?=(\d{3})+$)/g, ',')

/** In steps, so that a line that is printed each time it changes is not printed each second. */
function formatTimeLeft(leftMs: number): string {
  const seconds = Math.ceil(leftMs / 1000)
  return `${seconds <= 10 ? seconds : Math.ceil(seconds / 10) * 10} s`
}
