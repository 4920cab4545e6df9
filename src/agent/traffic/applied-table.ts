/**
 * What the balancer serves, as it last confirmed, and whom it was or is about to be told of. Written down before anybody relies on it, so
 * that the next daemon takes nobody out of use whom it has not probed, and lets everybody finish who may have requests.
 */

import type { RoutingTable, UpstreamId } from '../../core/balance/table.ts'
import { upstreamId } from '../../core/balance/table.ts'
import { qualifiedSlot } from '../../core/model/project-id.ts'
import type { Log } from '../../ports/log.ts'
import type { Store } from '../../ports/storage/store.ts'
import { put, readRecord } from '../../ports/storage/json-records.ts'
import type { ServedProject } from './served-project.ts'

/** What the balancer serves, as it last confirmed: written before anybody relies on it. */
export interface TrafficRecord {
  readonly active: readonly UpstreamId[]
  readonly draining: readonly UpstreamId[]
  /** Those that it was, or is about to be, told of and has not confirmed: they may have requests. */
  readonly asked: readonly UpstreamId[]
}

const key = 'traffic'

export class AppliedTable {
  readonly #options: { readonly store: Store; readonly log: Log; readonly served: () => Iterable<ServedProject> }
  #record: TrafficRecord = nothingServed
  /** As JSON; it lags behind where the disk is full. */
  #written: string = JSON.stringify(nothingServed)

  constructor(options: { readonly store: Store; readonly log: Log; readonly served: () => Iterable<ServedProject> }) {
    this.#options = options
  }

  get record(): TrafficRecord {
    return this.#record
  }

  /** What an earlier daemon had applied. */
  async load(): Promise<void> {
    this.#record = (await readRecord<TrafficRecord>(this.#options.store, key)) ?? nothingServed
    this.#written = JSON.stringify(this.#record)
  }

  /** Before any of them may get a request: anything that may have some must be let finish by the next daemon too. */
  async noteAsked(ids: readonly UpstreamId[]): Promise<void> {
    const { active, draining, asked } = this.#record
    const known = new Set([...active, ...draining, ...asked])
    const fresh = ids.filter((id) => !known.has(id))
    if (fresh.length === 0) return
    // While no balancer answers, who comes and goes would be remembered forever.
    const present = this.#present()
    await this.writeDown({ active, draining, asked: [...asked.filter((id) => present.has(id)), ...fresh] })
  }

  /** The balancer has confirmed the table, or (null) serves nobody. */
  confirm(table: RoutingTable | null): Promise<void> {
    return this.writeDown(
      table === null ? nothingServed : { active: activeIn(table), draining: idsOf(table, 'draining'), asked: [] },
    )
  }

  /** Does nothing where it is written already. */
  async writeDown(record: TrafficRecord = this.#record): Promise<void> {
    const text = JSON.stringify(record)
    const { store, log } = this.#options
    try {
      if (text !== this.#written) await store.transact({ then: [put(key, record)] })
      this.#written = text
    } catch (error) {
      // A full disk hinders every change that could rely on this; it is tried again with each look.
      log.write('warn', `what the balancer serves could not be written down: ${String(error)}`)
    }
    this.#record = record
  }

  #present(): ReadonlySet<UpstreamId> {
    const present = new Set<UpstreamId>()
    for (const project of this.#options.served())
      for (const { id, slot } of project.shells.values())
        if (slot.occupancy.kind !== 'vacant') present.add(upstreamId(qualifiedSlot(project.id, id), slot.occupancy.epoch))
    return present
  }
}

export const activeIn = (table: RoutingTable): readonly UpstreamId[] => idsOf(table, 'active')

function idsOf({ pools }: RoutingTable, wanted: 'active' | 'draining'): readonly UpstreamId[] {
  return pools.flatMap(({ upstreams }) => upstreams.filter(({ state }) => state === wanted).map(({ id }) => id))
}

const nothingServed: TrafficRecord = { active: [], draining: [], asked: [] }
