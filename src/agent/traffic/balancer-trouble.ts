/**
 * Why the balancer does not do what its table says: told once when it begins and once when it is over. It is held against an operation only
 * when it is about the very table that the operation wants: the trouble of the world before may be what the operation fixes.
 */

import { balancerSlot } from '../../core/balance/balancer-service.ts'
import type { Event } from '../../core/model/event.ts'
import type { BalancerSettings, Service } from '../../core/model/service.ts'
import { DarumaError } from '../../ports/error.ts'

interface Trouble {
  readonly code: string
  readonly message: string
  /** The table that was tried, as JSON; null when it did not come that far. */
  readonly table: string | null
}

export class BalancerTrouble {
  readonly #emit: (event: Event) => void
  readonly #onNews: () => void
  #trouble: Trouble | null = null

  constructor(options: { readonly emit: (event: Event) => void; readonly onNews: () => void }) {
    this.#emit = options.emit
    this.#onNews = options.onNews
  }

  get isPortTaken(): boolean {
    return this.#trouble?.code === 'E_BALANCER_PORT'
  }

  /** Why a route of the service cannot be served, where that is not going to change by itself. */
  of(service: Service, now: { readonly settings: BalancerSettings; readonly table: () => string }): string | null {
    const trouble = this.#trouble
    if (trouble === null || isAway(trouble.code) || service.routes.length === 0) return null
    if (trouble.table !== null && trouble.table !== now.table()) return null
    if (!this.isPortTaken) return trouble.message
    const named = new Set(trouble.message.match(/\d+/g))
    const { httpPort, httpsPort } = now.settings
    const ports = service.routes.flatMap(({ to }) => (to.kind === 'port' ? [to.port] : [httpPort, httpsPort]))
    return ports.some((port) => named.has(String(port))) ? trouble.message : null
  }

  note(error: unknown, table: string | null): void {
    const code = error instanceof DarumaError ? error.code : 'E_BALANCER_AWAY'
    const message = error instanceof Error ? error.message : String(error)
    const before = this.#trouble
    this.#trouble = { code, message, table }
    if (before?.code === code && before.message === message && before.table === table) return
    // One that is just starting, or starting again, is told by the slot's own events.
    if (!isAway(code) && before?.message !== message) this.#emitOf('blocked', message)
    this.#onNews()
  }

  overcome(): void {
    if (this.#trouble !== null && !isAway(this.#trouble.code)) this.#emitOf('unblocked', 'serves every route again')
    this.#trouble = null
  }

  #emitOf(kind: 'blocked' | 'unblocked', message: string): void {
    this.#emit({ kind, slot: balancerSlot, epoch: null, message, cause: null })
  }
}

const isAway = (code: string): boolean => code === 'E_BALANCER_AWAY'
