/**
 * Which slot has which port. An auto port stays with its slot across restarts and daemons; it changes only when somebody else has
 * taken it meanwhile. Whether a port is free is asked of the kernel each time, right before the start.
 */

import type { SlotId } from '../core/model/id.ts'
import type { PortRequest } from '../core/model/service.ts'
import type { Net } from '../ports/net.ts'

/** Below Linux's ephemeral range (32768-60999, ip(7)), so that no outgoing connection sits on one. */
export const autoPorts: { readonly first: number; readonly last: number } = { first: 20_000, last: 29_999 }

export type PortAnswer =
  | { readonly kind: 'port'; readonly port: number | null }
  | { readonly kind: 'taken'; readonly message: string }

export class PortAllotment {
  readonly #net: Net
  readonly #start: number
  readonly #bySlot = new Map<SlotId, number>()

  /** `seed` spreads the projects of one machine over the range, so that they rarely meet. */
  constructor(net: Net, seed: number) {
    this.#net = net
    this.#start = seed % (autoPorts.last - autoPorts.first + 1)
  }

  portOf(slot: SlotId): number | null {
    return this.#bySlot.get(slot) ?? null
  }

  remember(slot: SlotId, port: number | null): void {
    if (port === null) this.#bySlot.delete(slot)
    else this.#bySlot.set(slot, port)
  }

  async acquire(slot: SlotId, request: PortRequest): Promise<PortAnswer> {
    switch (request.kind) {
      case 'none':
        this.#bySlot.delete(slot)
        return { kind: 'port', port: null }
      case 'fixed': {
        this.#bySlot.set(slot, request.port)
        const isFree = await this.#net.isPortFree(request.port)
        return isFree
          ? { kind: 'port', port: request.port }
          : {
              kind: 'taken',
              message: `port ${request.port} is taken by ${this.#net.holderOf(request.port) ?? 'another program'}`,
            }
      }
      case 'auto':
        return this.#acquireAuto(slot)
    }
  }

  async #acquireAuto(slot: SlotId): Promise<PortAnswer> {
    const present = this.#bySlot.get(slot)
    const isAuto = present !== undefined && present >= autoPorts.first && present <= autoPorts.last
    if (isAuto && (await this.#net.isPortFree(present))) return { kind: 'port', port: present }
    const size = autoPorts.last - autoPorts.first + 1
    for (let step = 0; step < size; step += 1) {
      const port = autoPorts.first + ((this.#start + step) % size)
      if ([...this.#bySlot.values()].includes(port)) continue
      // Reserved before the question, since other slots ask while the kernel answers.
      this.#bySlot.set(slot, port)
      if (await this.#net.isPortFree(port)) return { kind: 'port', port }
    }
    this.#bySlot.delete(slot)
    return { kind: 'taken', message: `no port from ${autoPorts.first} to ${autoPorts.last} is free` }
  }
}
