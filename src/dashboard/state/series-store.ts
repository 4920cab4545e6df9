/**
 * The lines of the plots, put together from the answers that bring only what is new. All lines share one axis of time; where nobody
 * measured (the daemon was away, nobody looked) there is a gap and never a straight line.
 */

import type { SeriesAnswer, UsageSeries } from '../../protocol/api.ts'

const spanSeconds = 600
/** More missing than a late sample explains. */
const gapSteps = 3

export type Values = readonly (number | null)[]

export class SeriesStore {
  #run = ''
  #last = 0
  #times: number[] = []
  readonly #lines = new Map<string, (number | null)[]>()

  /** What to ask for next. */
  get since(): number {
    return this.#last
  }

  /** Unix seconds, ascending. */
  get times(): readonly number[] {
    return this.#times
  }

  /** `cpuCores of web`, `requestsPerSecond of web`, `memoryBytes of web/0`. */
  line(measure: string, of: string): Values {
    return this.#lines.get(keyOf(measure, of)) ?? []
  }

  has(measure: string, of: string): boolean {
    return this.#lines.has(keyOf(measure, of))
  }

  /** False where the answer is that of another daemon than the one that `since` was told by: it must be asked again from 0. */
  add(answer: SeriesAnswer): boolean {
    const isOther = this.#run !== '' && this.#run !== answer.daemonStartedAt
    this.#run = answer.daemonStartedAt
    if (isOther && this.#last > 0) {
      this.#last = 0
      return false
    }
    this.#last = answer.last
    const times = answer.times.map((time) => Date.parse(time) / 1000)
    // What came from the daemon before, in a clock that was set back, would stand in the way.
    const skip = times.filter((time) => time <= (this.#times.at(-1) ?? 0)).length
    this.#append(times.slice(skip), (answer.stepMs / 1000) * gapSteps, this.#read(answer, skip))
    this.#forget()
    return true
  }

  #read(answer: SeriesAnswer, skip: number): ReadonlyMap<string, Values> {
    const found = new Map<string, Values>()
    const note = (of: string, lines: UsageSeries | Readonly<Record<string, Values>>): void => {
      for (const [measure, values] of Object.entries(lines)) found.set(keyOf(measure, of), (values as Values).slice(skip))
    }
    for (const [name, { traffic, ...usage }] of Object.entries(answer.services)) {
      note(name, usage)
      if (traffic !== null) note(name, traffic as unknown as Readonly<Record<string, Values>>)
    }
    for (const [slot, usage] of Object.entries(answer.slots)) note(slot, usage)
    return found
  }

  #append(times: readonly number[], gapSeconds: number, fresh: ReadonlyMap<string, Values>): void {
    for (const [index, time] of times.entries()) {
      const before = this.#times.at(-1)
      if (before !== undefined && time - before > gapSeconds) this.#push(before + gapSeconds / 2, () => null)
      this.#push(time, (key) => fresh.get(key)?.[index] ?? null, fresh.keys())
    }
  }

  #push(time: number, valueOf: (key: string) => number | null, keys: Iterable<string> = []): void {
    for (const key of keys)
      if (!this.#lines.has(key))
        this.#lines.set(
          key,
          Array.from({ length: this.#times.length }, () => null),
        )
    this.#times.push(time)
    for (const [key, line] of this.#lines) line.push(valueOf(key))
  }

  #forget(): void {
    const oldest = (this.#times.at(-1) ?? 0) - spanSeconds
    const surplus = this.#times.findIndex((time) => time >= oldest)
    if (surplus <= 0) return
    this.#times.splice(0, surplus)
    for (const [key, line] of this.#lines) {
      line.splice(0, surplus)
      if (line.every((value) => value === null)) this.#lines.delete(key)
    }
  }
}

const keyOf = (measure: string, of: string): string => `${measure} of ${of}`

/** The last value that is one; null where there is none. */
export function lastOf(values: Values): number | null {
  for (let index = values.length - 1; index >= 0; index -= 1) {
    const value = values[index]
    if (value !== null && value !== undefined) return value
  }
  return null
}
