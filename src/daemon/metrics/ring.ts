/** The last values of one measure, as 32-bit floats in a ring: what 10 minutes of one line cost is 1.2 kB, whatever happens. */

export class Ring {
  readonly #values: Float32Array
  /** The number of the first sample that this ring has a place for. */
  #from: number

  /** `from` is the number of the sample that comes first. */
  constructor(length: number, from: number) {
    this.#values = new Float32Array(length).fill(Number.NaN)
    this.#from = from
  }

  set(number: number, value: number | null): void {
    this.#values[number % this.#values.length] = value ?? Number.NaN
  }

  /** Samples `first` to `last`, null where there was none; both must be among the last that the ring holds. */
  read(first: number, last: number): readonly (number | null)[] {
    const found: (number | null)[] = []
    for (let number = first; number <= last; number += 1) {
      const value = number < this.#from ? Number.NaN : (this.#values[number % this.#values.length] ?? Number.NaN)
      found.push(Number.isNaN(value) ? null : rounded(value))
    }
    return found
  }
}

/** Four digits are more than a plot can show, and a third of the bytes. */
const rounded = (value: number): number => Number(value.toPrecision(4))
