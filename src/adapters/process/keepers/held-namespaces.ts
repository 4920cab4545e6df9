/**
 * The mount namespaces of instances, held open from their start until a while after their end. The last process of a namespace that nobody
 * holds takes its mounts apart before the kernel counts it as gone, and for that waits for all processors (`synchronize_rcu_expedited` in
 * `namespace_unlock`, kernel: fs/namespace.c): 0.7 ms in the middle, 7 ms in the worst of ten, in which no successor may begin. It changes
 * nothing else: what the host unmounts is let go in such a namespace too, since it is a slave.
 */

import { close, closeSync, openSync } from 'node:fs'

import { isAlive } from '../../../system/process-stat.ts'

/** Of all projects of this process: a descriptor each, of which a host of thousands of instances needs others more. */
export const maxHeld = 2000
let heldInAll = 0

export class HeldNamespaces {
  readonly #descriptors = new Map<string, number>()

  /** Of an instance by its keeper. Where it cannot be had, an end takes longer. */
  hold(instance: string, keeper: { readonly pid: number; readonly startTicks: number }): void {
    if (keeper.startTicks === 0 || this.#descriptors.has(instance) || heldInAll >= maxHeld) return
    try {
      const descriptor = openSync(`/proc/${keeper.pid}/ns/mnt`, 'r')
      if (!isAlive(keeper)) return closeSync(descriptor)
      this.#descriptors.set(instance, descriptor)
      heldInAll += 1
    } catch {
      // It has ended, or there is no descriptor left.
    }
  }

  /** In another thread, which waits in its stead. */
  release(instance: string): void {
    const descriptor = this.#descriptors.get(instance)
    if (descriptor === undefined) return
    this.#descriptors.delete(instance)
    close(descriptor, () => {
      heldInAll -= 1
    })
  }

  close(): void {
    for (const instance of this.#descriptors.keys()) this.release(instance)
  }
}
