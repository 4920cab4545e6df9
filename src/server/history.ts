/**
 * The revisions that are kept: shown, and after each operation cut to a number. They are read one after the other and never all at once,
 * because a revision of thousands of services is megabytes of which only little is wanted.
 */

import type { ServiceName } from '../core/model/id.ts'
import type { Operation as Write, Store } from '../ports/storage/store.ts'
import type { CronTable } from './cron/cron-table.ts'
import type { Reconciler } from './rollout/reconciler.ts'
import { listRecords, readRecord, remove } from '../ports/storage/json-records.ts'
import { keys, readRevision } from './records.ts'
import type { FateRecord, RevisionRecord } from './records.ts'
import { digestsOf } from './secrets.ts'
import type { SecretStore } from './secrets.ts'
import type { World } from './world/world.ts'

const maxRevisions = 50
/** As many at once as surely fit into one transaction. */
const maxDropped = 20

export interface HistoryOptions {
  readonly store: Store
  readonly world: World
  readonly secrets: SecretStore
  readonly reconciler: Pick<Reconciler, 'forgetUnnamed'>
  readonly cron: Pick<CronTable, 'usedRevisions' | 'forgetUnnamed'>
}

export class History {
  readonly #options: HistoryOptions

  constructor(options: HistoryOptions) {
    this.#options = options
  }

  /** The newest first. */
  async list<View>(view: (record: RevisionRecord, fate: FateRecord) => View): Promise<readonly View[]> {
    const views: View[] = []
    for (const [number, fate] of (await this.#fates()).slice(0, maxRevisions)) {
      const record = await this.#read(number)
      if (record !== null) views.push(view(record, fate))
    }
    return views
  }

  async find(number: number): Promise<{ readonly record: RevisionRecord; readonly fate: FateRecord } | null> {
    const record = await this.#read(number)
    const fate = await readRecord<FateRecord>(this.#options.store, keys.fate(number))
    return record === null ? null : { record, fate: fate ?? { state: 'failed' } }
  }

  /** Forgets the oldest with their secrets; what applies, and what a slot still runs by, is kept whatever its age. */
  async prune(): Promise<void> {
    const { store, world, secrets, reconciler, cron } = this.#options
    const numbers = (await this.#fates()).map(([number]) => number)
    const used = new Set<number>([
      world.applied,
      ...cron.usedRevisions(),
      ...[...world.records.values()].map(({ revision }) => revision ?? 0),
    ])
    const dropped = numbers.filter((number, index) => index >= maxRevisions && !used.has(number)).slice(-maxDropped)
    if (dropped.length === 0) return
    const services = new Set<ServiceName>()
    const digests = new Set<string>()
    for (const number of numbers) {
      const project = dropped.includes(number) ? undefined : (await this.#read(number))?.project
      for (const { name } of project?.services ?? []) services.add(name)
      for (const digest of project === undefined ? [] : digestsOf(project)) digests.add(digest)
    }
    const writes: Write[] = dropped.flatMap((number) => [
      remove(keys.revision(number)),
      remove(keys.fate(number)),
      remove(keys.releases(number)),
    ])
    await store.transact({ then: [...writes, ...secrets.forget(digests)] })
    reconciler.forgetUnnamed(services)
    cron.forgetUnnamed(services)
  }

  #read(number: number): Promise<RevisionRecord | null> {
    return readRevision(this.#options.store, number)
  }

  /** One small record a revision, written with it. */
  async #fates(): Promise<readonly (readonly [number, FateRecord])[]> {
    const records = await listRecords<FateRecord>(this.#options.store, 'fate/')
    return records.map(({ key, record }) => [Number(key.slice('fate/'.length)), record] as const).toReversed()
  }
}
