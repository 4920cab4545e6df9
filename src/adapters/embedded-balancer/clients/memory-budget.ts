/**
 * What strangers can make the process hold, in bytes and over all connections: heads, bodies that are kept to be sent again, and answers
 * that are not read. Past the limit the connection that has stalled longest is ended: a client that sends its request at once,
 * and reads its answer, is hardly ever the one, and one that holds memory on purpose always is.
 */

export interface Holder {
  /** It is ended to make room, and has released what it held when this returns. */
  readonly shed: () => void
}

/** Ordinary heads of ten thousand connections fit three times. */
export const usualBudgetBytes: number = 32 * 1024 * 1024

export class MemoryBudget {
  readonly #limitBytes: number
  /** In the order in which they stalled. */
  readonly #stalled = new Set<Holder>()
  #heldBytes = 0

  constructor(limitBytes: number = usualBudgetBytes) {
    this.#limitBytes = limitBytes
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** For what can be done without: false where there is no room, and nothing is held then. */
  tryHold(bytes: number): boolean {
    if (this.#heldBytes + bytes > this.#limitBytes) return false
    this.#heldBytes += bytes
    return true
  }

  /** For what has come already. Ends others where that is too much, or else anything that holds it. */
  hold(bytes: number, holder: Holder): void {
    this.#heldBytes += bytes
    while (this.#heldBytes > this.#limitBytes) {
      const [oldest = holder] = this.#stalled
      this.#stalled.delete(oldest)
      oldest.shed()
      if (oldest === holder) return
    }
  }

  release(bytes: number): void {
    this.#heldBytes -= bytes
  }

  /** It waits for its client: for the rest of a head, or to take more of an answer. */
  stall(holder: Holder): void {
    this.#stalled.add(holder)
  }

  goOn(holder: Holder): void {
    this.#stalled.delete(holder)
  }
}
