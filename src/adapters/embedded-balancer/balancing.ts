/**
 * The whole of the process: makes a table true, again and again. A port that could not be had is tried again every second, because whoever
 * has it may be on its way out; nothing else needs a second look.
 */

import type { Socket } from 'node:net'
import type { Certificate, RoutingTable } from '../../core/balance/table.ts'
import { Certificates, readPemFile } from './clients/certificates.ts'
import type { Controlled, Shortfall } from './control.ts'
import { Front } from './clients/front.ts'
import { listenHere, type Listen } from './clients/listen.ts'
import { MemoryBudget } from './clients/memory-budget.ts'
import { Traffic, type Counters } from './requests/traffic.ts'

const tryAgainMs = 1000

export interface Surroundings {
  /** Takes the access log's lines. */
  readonly write: (text: string) => void
  readonly memory?: MemoryBudget
  readonly listen?: Listen
  readonly readPem?: (certificate: Certificate) => string
}

export class Balancing implements Controlled {
  readonly #traffic: Traffic
  readonly #certificates: Certificates
  readonly #front: Front
  #applying: Promise<unknown> = Promise.resolve()
  #again: NodeJS.Timeout | null = null
  #isEnding = false

  constructor(
    first: RoutingTable,
    { write, memory = new MemoryBudget(), listen = listenHere, readPem = readPemFile }: Surroundings,
  ) {
    this.#traffic = new Traffic(first.settings, write, memory)
    this.#certificates = new Certificates(readPem)
    this.#front = new Front(this.#traffic, this.#certificates, listen)
  }

  /** One after the other, in the order of the calls. */
  apply(table: RoutingTable): Promise<Shortfall> {
    const applied = this.#applying.then(() => this.#apply(table))
    this.#applying = applied.catch(() => undefined)
    return applied
  }

  look(): Counters {
    return this.#traffic.look(performance.now())
  }

  /** A connection that somebody else has accepted for one of the table's ports. */
  meet(port: number, socket: Socket): void {
    this.#front.meet(port, socket)
  }

  /** Accepts nothing more, finishes what is under way for as long as the limit. */
  async end(limitMs: number): Promise<void> {
    this.#isEnding = true
    if (this.#again !== null) clearTimeout(this.#again)
    await this.#applying
    await this.#front.end(limitMs)
    this.#traffic.log.flush()
  }

  async #apply(table: RoutingTable): Promise<Shortfall> {
    if (this.#isEnding) return { ports: [], certificates: [] }
    if (this.#again !== null) clearTimeout(this.#again)
    // Pools before listeners: a rule must find its pool.
    const certificates = this.#certificates.apply(table.certificates)
    this.#traffic.apply(table)
    const ports = await this.#front.apply(table)
    if (ports.length > 0) this.#again = setTimeout(() => void this.apply(table), tryAgainMs).unref()
    return { ports, certificates }
  }
}
