/** The kernel may hold a v1 controller's cgroup for a moment longer than its processes; a later look tries again. */

import type { LimitCgroups } from './limits.ts'

export class LeftoverLimits {
  readonly #limits: LimitCgroups
  readonly #paths = new Set<string>()
  readonly #onTrouble: (message: string, error: unknown) => void

  constructor(limits: LimitCgroups, onTrouble: (message: string, error: unknown) => void) {
    this.#limits = limits
    this.#onTrouble = onTrouble
  }

  /** The cgroups of an epoch that has ended. */
  remove(path: string): void {
    try {
      if (this.#limits.remove(path)) this.#paths.delete(path)
      else this.#paths.add(path)
    } catch (error) {
      this.#paths.delete(path)
      this.#onTrouble(`the cgroups of ${path} could not be removed`, error)
    }
  }

  look(): void {
    for (const path of this.#paths) this.remove(path)
  }
}
