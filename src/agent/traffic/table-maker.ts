/** The routing table of all projects, with its text. It is asked for often and may be long: it is made again only when something of it has changed. */

import { makeTable } from '../../core/balance/make-table.ts'
import type { HeldCertificate } from '../../core/balance/make-table.ts'
import type { RoutingTable } from '../../core/balance/table.ts'
import type { RoutingInput } from './routing-reader.ts'
import type { SharedSettings } from './shared-wishes.ts'

export interface MadeTable {
  readonly table: RoutingTable
  /** As JSON: two tables of the same world have the same. */
  readonly text: string
}

export class TableMaker {
  #last: (MadeTable & { readonly input: RoutingInput; readonly shared: SharedSettings; readonly certificates: string }) | null =
    null

  make(
    input: RoutingInput,
    shared: SharedSettings,
    { held, challenges }: { readonly held: readonly HeldCertificate[]; readonly challenges: Readonly<Record<string, string>> },
  ): MadeTable {
    const certificates = JSON.stringify([held, challenges])
    const last = this.#last
    if (last?.input === input && last.shared === shared && last.certificates === certificates) return last
    const { services, endpoints } = input
    const table = makeTable({ settings: shared.settings, services, endpoints, certificates: held, challenges })
    this.#last = { input, shared, certificates, table, text: JSON.stringify(table) }
    return this.#last
  }
}
