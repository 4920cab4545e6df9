/** What the store says of a project: what should be, what operators did since, and what was assigned. Of what runs nothing is known yet. */

import type { Goal } from '../core/instance/slot.ts'
import type { RevisionNumber, ServiceName } from '../core/model/id.ts'
import { asRevisionNumber, asServiceName, parseSlotId } from '../core/model/id.ts'
import { processIdentity } from '../core/model/service.ts'
import { balancerSlot } from '../core/balance/balancer-service.ts'
import { listRecords, parseRecord, readRecord } from '../ports/storage/json-records.ts'
import type { Clock } from '../ports/clock.ts'
import type { StateDirectory } from '../ports/storage/state-directory.ts'
import type { Store } from '../ports/storage/store.ts'
import { keys } from './records.ts'
import type { RevisionRecord, SlotRecord } from './records.ts'
import type { Assignments } from './rollout/assignments.ts'
import { specOf } from './rollout/reconciler.ts'
import { settleTakeOver } from './take-over.ts'
import type { World } from './world/world.ts'

export interface LoadTools {
  readonly store: Store
  readonly world: World
  readonly loadRevision: (number: RevisionNumber) => Promise<RevisionRecord | null>
  readonly clock: Clock
  readonly directory: Pick<StateDirectory, 'takeOver'>
}

export async function loadWorld(tools: LoadTools): Promise<void> {
  const { store, world, loadRevision } = tools
  world.setApplied((await readRecord<RevisionNumber>(store, keys.applied)) ?? asRevisionNumber(0))
  world.setTarget(world.applied === 0 ? null : await loadRevision(world.applied))
  const { entries } = await store.list('revision/', { descending: true, limit: 1 })
  world.lastRevision = entries[0] === undefined ? 0 : parseRecord<RevisionRecord>(entries[0]).number
  for (const { key, record } of await listRecords<number>(store, 'generation/')) world.setGeneration(nameIn(key), record)
  for (const { key } of await listRecords<boolean>(store, 'stopped/')) world.setStopped(nameIn(key), true)
  for (const { key, record } of await listRecords<string>(store, 'job/')) world.setJobDone(nameIn(key), record)
  const records = (await listRecords<SlotRecord>(store, 'slot/')).map(({ record }) => record)
  for (const record of await settleTakeOver(tools, records)) world.records.set(record.slot, record)
}

/** Says again what was said before: the host may never have heard it. */
export async function assignRecorded(
  tools: Pick<LoadTools, 'world' | 'loadRevision'> & { readonly assignments: Assignments },
): Promise<void> {
  const { world, assignments } = tools
  for (const record of world.records.values()) {
    const goal = await goalOf(tools, record)
    if (goal !== null) assignments.assign(record.slot, goal)
    // No config holds the balancer: what it runs as says what it is. Of anything else whose revision is lost nothing is wanted.
    else if (record.slot !== balancerSlot)
      world.records.set(record.slot, { ...record, revision: null, because: 'its revision is lost' })
  }
}

/** Null where the revision, or the service in it, is not kept any more. */
async function goalOf({ loadRevision }: Pick<LoadTools, 'loadRevision'>, record: SlotRecord): Promise<Goal | null> {
  const { slot, claim, revision: number, because, generation } = record
  if (number === null) return { kind: 'stopped', because }
  const revision = await loadRevision(number)
  const service = revision?.project.services.find(({ name }) => name === parseSlotId(slot).service)
  if (service === undefined) return null
  const spec = specOf({ service, generation, revision: number, identity: processIdentity(service, generation) })
  return { kind: 'run', spec, claim }
}

const nameIn = (key: string): ServiceName => asServiceName(key.slice(key.indexOf('/') + 1))
