/**
 * Who waits for which keys. A bell carries no change: anything that hears it reads the log again from where he stopped, so a bell too
 * many costs one look and a change can be neither lost nor seen twice.
 */

/** One watcher's bell. */
export interface Bell extends Disposable {
  /** Resolves when something under the prefix may have changed since {@link reset}, and when the watch must end. */
  readonly rung: Promise<void>
  reset(): void
}

export class WatchList {
  readonly #members = new Set<{ readonly prefix: string; readonly ring: () => void }>()

  join(prefix: string, signal: AbortSignal): Bell {
    let { promise, resolve } = Promise.withResolvers<void>()
    const member = { prefix, ring: (): void => resolve() }
    this.#members.add(member)
    signal.addEventListener('abort', member.ring)
    return {
      get rung() {
        return promise
      },
      reset: () => {
        ;({ promise, resolve } = Promise.withResolvers<void>())
      },
      [Symbol.dispose]: () => {
        this.#members.delete(member)
        signal.removeEventListener('abort', member.ring)
      },
    }
  }

  ring(key: string): void {
    for (const member of this.#members) if (key.startsWith(member.prefix)) member.ring()
  }

  ringAll(): void {
    for (const member of this.#members) member.ring()
  }
}
