/** The counters of one pool. Latencies are since the last look, so that a reader who looks every second sees that second. */

import type { PoolCounters } from '../../../ports/traffic/balancer.ts'

export class Tally {
  requests = 0
  failed = 0
  retried = 0
  bytesIn = 0
  bytesOut = 0
  active = 0
  /** 1xx to 5xx. */
  readonly #classes: [number, number, number, number, number] = [0, 0, 0, 0, 0]
  #latencies = 0
  #latencySumMs = 0
  #latencyMaxMs = 0

  answered(status: number): void {
    const index = Math.trunc(status / 100) - 1
    if (index >= 0 && index < 5) this.#classes[index as 0] += 1
  }

  took(ms: number): void {
    this.#latencies += 1
    this.#latencySumMs += ms
    if (ms > this.#latencyMaxMs) this.#latencyMaxMs = ms
  }

  /** The latencies restart. */
  look(): PoolCounters {
    const [informational, successful, redirected, clientErrors, serverErrors] = this.#classes
    const latencyMs = this.#latencies === 0 ? null : { mean: this.#latencySumMs / this.#latencies, max: this.#latencyMaxMs }
    this.#latencies = 0
    this.#latencySumMs = 0
    this.#latencyMaxMs = 0
    return {
      requests: this.requests,
      failed: this.failed,
      retried: this.retried,
      responses: {
        '1xx': informational,
        '2xx': successful,
        '3xx': redirected,
        '4xx': clientErrors,
        '5xx': serverErrors,
      },
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      active: this.active,
      queued: 0,
      latencyMs,
    }
  }
}
