/** What may be written for `schedule`. The sentences are those of `docs/reference/config.md`. */

import type { Duration } from './quantity.ts'

export interface Schedule {
  /** When it runs. Default: required. */
  readonly cron: string
  /**
   * The time zone that the expression is in. On the nights when clocks change, a time that is named runs once: in the hour that is
   * left out at its end, in the one that comes twice the first time. What has a `*` or a step goes by what clocks show. Default:
   * `'UTC'`.
   */
  readonly timezone?: string | undefined
  /**
   * What happens with ticks that passed while they could not be run: one run for the last of them, or none. Default: `'run-once'`.
   */
  readonly missed?: 'run-once' | 'skip' | undefined
  /**
   * What a tick does while an earlier run is under way: nothing, wait for its end, or end it. One that waits is not missed: it runs
   * however late its turn comes. Default: `'forbid'`.
   */
  readonly overlap?: 'forbid' | 'queue' | 'replace' | undefined
  /** The longest that one attempt may take; then it is ended and has failed. Default: no limit. */
  readonly timeout?: Duration | undefined
  /** Further attempts after one that failed. Default: `0`. */
  readonly retries?: number | undefined
  /**
   * Whether a run is repeated if how it ended is not known, such as after a power cut. It may then have run twice. Default:
   * `false`.
   */
  readonly retryLost?: boolean | undefined
  /** How many ended runs are kept, with their logs. Default: `20`. */
  readonly keep?: number | undefined
}
