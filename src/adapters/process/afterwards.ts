/**
 * What is left to do when an instance has ended and nothing waits for it: files that are not needed any more. It is done while a successor's
 * start waits for the disk anyway, to which that start's own write has gone first; where nothing is started, after a short rest.
 */

/** From the first of it, where nothing is started meanwhile. */
const restMs = 20

export class Afterwards {
  readonly #wanted: (() => void)[] = []
  readonly #onTrouble: (message: string, error: unknown) => void
  #timer: NodeJS.Timeout | null = null

  constructor(onTrouble: (message: string, error: unknown) => void) {
    this.#onTrouble = onTrouble
  }

  want(work: () => void): void {
    this.#wanted.push(work)
    this.#timer ??= setTimeout(() => this.run(), restMs).unref()
  }

  /** All of it, now. Throws nothing. */
  run(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    for (const work of this.#wanted.splice(0)) {
      try {
        work()
      } catch (error) {
        this.#onTrouble('what an instance left could not be removed', error)
      }
    }
  }
}
