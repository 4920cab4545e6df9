/**
 * Latencies in buckets of about 1.5 % width, as HdrHistogram does it: a minute at 2,000 a second costs a few kilobytes, and the
 * largest value is kept exactly. Values are milliseconds; what is counted is microseconds.
 */

/** Below 2⁷ µs each value has a bucket of its own; above, each doubling is split into 2⁶. */
const exactBits = 7
const splitBits = exactBits - 1

export interface LatencySummary {
  readonly count: number
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export class Histogram {
  readonly #buckets = new Map<number, number>()
  #count = 0
  #sum = 0
  #max = 0

  add(ms: number): void {
    const value = Math.max(0, ms)
    const bucket = bucketOf(Math.round(value * 1000))
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1)
    this.#count += 1
    this.#sum += value
    this.#max = Math.max(this.#max, value)
  }

  /** The smallest value that `percent` of all are at or below, to the bucket's width. 0 when there are none. */
  percentile(percent: number): number {
    let missing = Math.ceil((percent / 100) * this.#count)
    if (missing === 0) return 0
    for (const bucket of [...this.#buckets.keys()].toSorted((a, b) => a - b)) {
      missing -= this.#buckets.get(bucket) ?? 0
      if (missing <= 0) return Math.min(this.#max, upperEnd(bucket) / 1000)
    }
    return this.#max
  }

  summarise(): LatencySummary {
    return {
      count: this.#count,
      mean: this.#count === 0 ? 0 : this.#sum / this.#count,
      p50: this.percentile(50),
      p90: this.percentile(90),
      p99: this.percentile(99),
      p999: this.percentile(99.9),
      max: this.#max,
    }
  }
}

function bucketOf(value: number): number {
  if (value < 1 << exactBits) return value
  const exponent = Math.floor(Math.log2(value)) - splitBits
  return (exponent << splitBits) + Math.floor(value / 2 ** exponent)
}

/** The largest value that falls into the bucket. */
function upperEnd(bucket: number): number {
  if (bucket < 1 << exactBits) return bucket
  const exponent = (bucket >> splitBits) - 1
  return (bucket - (exponent << splitBits) + 1) * 2 ** exponent - 1
}
