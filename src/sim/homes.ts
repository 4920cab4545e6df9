/** What outlives every daemon of a project's files: that it has a home, and its volumes. */

import type { ProjectId } from '../core/model/project-id.ts'
import type { SimulatedKernel } from './kernel.ts'

export class SimulatedHomes {
  readonly #kernel: SimulatedKernel
  readonly #places = new Set<ProjectId>()
  readonly #volumes = new Map<ProjectId, readonly string[]>()

  /** Something in them is in use: nothing can be removed. */
  isBusy = false

  constructor(kernel: SimulatedKernel) {
    this.#kernel = kernel
  }

  open(place: ProjectId): void {
    this.#places.add(place)
  }

  list(): readonly ProjectId[] {
    return [...this.#places]
  }

  volumesOf(place: ProjectId): readonly string[] {
    return this.#volumes.get(place) ?? []
  }

  putVolumes(place: ProjectId, ...names: readonly string[]): void {
    this.#volumes.set(place, names)
  }

  /** The files of its slots go too. */
  remove(place: ProjectId, volumes: readonly string[]): void {
    if (this.isBusy) throw new Error('EBUSY')
    this.putVolumes(place, ...this.volumesOf(place).filter((name) => !volumes.includes(name)))
    this.#kernel.forgetPart(place)
    this.#places.delete(place)
  }
}
