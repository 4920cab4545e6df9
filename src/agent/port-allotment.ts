/**
 * Which slot has which port. An auto port stays with its slot across restarts and daemons; it changes only when somebody else has
 * taken it meanwhile. Whether a port is free is asked of the kernel each time, right before the start.
 */

import type { SlotId } from '../core/model/id.ts'
import { qualifiedSlot } from '../core/model/project-id.ts'
import type { ProjectId } from '../core/model/project-id.ts'
import type { PortRequest } from '../core/model/service.ts'
import type { Net } from '../ports/net.ts'

/** Below Linux's ephemeral range (32768-60999, ip(7)), so that no outgoing connection sits on one. */
export const autoPorts: { readonly first: number; readonly last: number } = { first: 20_000, last: 29_999 }

export type PortAnswer =
  | { readonly kind: 'port'; readonly port: number | null }
  | { readonly kind: 'taken'; readonly message: string }

/** The ports of one project's slots; all projects share the ports of the machine. */
export type Allotment = Pick<PortAllotment, 'portOf' | 'remember' | 'acquire'>

export class PortAllotment {
  readonly #net: Net
  readonly #bySlot = new Map<SlotId, number>()
  /** How many slots have the port: two may, while one of them makes room. */
  readonly #holders = new Map<number, number>()
  /** Where the search goes on: what is behind it was taken a moment ago. */
  #next: number

  /** `seed` spreads the daemons of one machine over the range, so that they rarely meet. */
  constructor(net: Net, seed: number) {
    this.#net = net
    this.#next = seed % rangeSize
  }

  within(project: ProjectId): Allotment {
    const named = (slot: SlotId): SlotId => qualifiedSlot(project, slot)
    return {
      portOf: (slot) => this.portOf(named(slot)),
      remember: (slot, port) => this.remember(named(slot), port),
      acquire: (slot, request) => this.acquire(named(slot), request),
    }
  }

  portOf(slot: SlotId): number | null {
    return this.#bySlot.get(slot) ?? null
  }

  /** Null releases what it had. */
  remember(slot: SlotId, port: number | null): void {
    const present = this.#bySlot.get(slot)
    if (present === port) return
    if (present !== undefined) this.#count(present, -1)
    if (port === null) this.#bySlot.delete(slot)
    else {
      this.#bySlot.set(slot, port)
      this.#count(port, 1)
    }
  }

  async acquire(slot: SlotId, request: PortRequest): Promise<PortAnswer> {
    switch (request.kind) {
      case 'none':
        this.remember(slot, null)
        return { kind: 'port', port: null }
      case 'fixed': {
        this.remember(slot, request.port)
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
    for (let step = 0; step < rangeSize; step += 1) {
      const port = autoPorts.first + this.#next
      this.#next = (this.#next + 1) % rangeSize
      if (this.#holders.has(port)) continue
      // Reserved before the question, since other slots ask while the kernel answers.
      this.remember(slot, port)
      if (await this.#net.isPortFree(port)) return { kind: 'port', port }
    }
    this.remember(slot, null)
    return { kind: 'taken', message: `no port from ${autoPorts.first} to ${autoPorts.last} is free` }
  }

  #count(port: number, by: 1 | -1): void {
    const count = (this.#holders.get(port) ?? 0) + by
    if (count === 0) this.#holders.delete(port)
    else this.#holders.set(port, count)
  }
}

const rangeSize = autoPorts.last - autoPorts.first + 1
