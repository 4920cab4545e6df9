/**
 * How long a service took to become ready and to end, the last few times: the plan's estimate of a gap. The median, because one start
 * on a cold disk, or one stop with nothing to do, says little about the next.
 */

export interface LearnedTimes {
  /** From the start of the process to ready; oldest first. */
  readonly startsMs: readonly number[]
  /** From the request to stop (with a route: from the last new request) to the end. */
  readonly stopsMs: readonly number[]
}

/** What an older program took says nothing any more. */
const kept = 5

export const noTimes: LearnedTimes = { startsMs: [], stopsMs: [] }

export const withStart = (times: LearnedTimes, ms: number): LearnedTimes => ({
  ...times,
  startsMs: [...times.startsMs, ms].slice(-kept),
})

export const withStop = (times: LearnedTimes, ms: number): LearnedTimes => ({
  ...times,
  stopsMs: [...times.stopsMs, ms].slice(-kept),
})

/** Null of nothing. */
export function medianOf(values: readonly number[]): number | null {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle]
  if (upper === undefined) return null
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2
}
