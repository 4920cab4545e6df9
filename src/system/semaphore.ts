/** Lets at most a number of tasks be under way at once; the others wait their turn in order. */
export class Semaphore {
  readonly #limit: number
  readonly #waiting: (() => void)[] = []
  #underWay = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Whether somebody waits for a place. */
  get hasWaiters(): boolean {
    return this.#waiting.length > 0
  }

  async run<Result>(task: () => Promise<Result>): Promise<Result> {
    // Whoever ends hands its place over, so the count does not sink in between.
    if (this.#underWay < this.#limit) this.#underWay += 1
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#underWay -= 1
      else next()
    }
  }
}
