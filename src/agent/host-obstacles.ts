/** What is in the way of everything on the host, as far as one project meets it. It is reported when it changes. */

import type { HostReport } from '../ports/exchange.ts'

export class HostObstacles {
  readonly #send: (report: HostReport) => void
  #engineFault: string | null = null
  #condition: string | null = null

  constructor(send: (report: HostReport) => void) {
    this.#send = send
  }

  /** That it is gone is reported once, whatever it says of it each time. */
  noteEngine(fault: string | null): void {
    if ((fault === null) === (this.#engineFault === null)) return
    this.#engineFault = fault
    this.report()
  }

  noteCondition(condition: string | null): void {
    if (condition === this.#condition) return
    this.#condition = condition
    this.report()
  }

  report(): void {
    this.#send({ kind: 'host', engineFault: this.#engineFault, condition: this.#condition })
  }
}
