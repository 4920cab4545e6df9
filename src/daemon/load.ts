/**
 * What a new daemon does first: it believes the kernel about what runs, the slot directories about the last epochs, and the database
 * about what should be, each only as far as it can know. Whatever runs with the right identity is adopted without a
 * touch. A database that is older than what runs (a restored copy) is overruled wherever believing it would repeat something.
 */

import { balancerSlot } from '../core/balance/balancer-service.ts'
import type { InstanceSpec, Outcome } from '../core/instance/slot.ts'
import type { RevisionNumber, ServiceName, SlotId } from '../core/model/id.ts'
import { asEpoch, asRevisionNumber, asServiceName, claimOfEpoch, isRunSlot, parseSlotId } from '../core/model/id.ts'
import { completeService } from '../core/model/complete.ts'
import type { RecordedService } from '../core/model/complete.ts'
import type { Service } from '../core/model/service.ts'
import { processIdentity } from '../core/model/service.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { DarumaError } from '../ports/error.ts'
import type { Random } from '../ports/random.ts'
import type { Discovery, Occupant, Runtime } from '../ports/runtime.ts'
import type { StateDirectory } from '../ports/state-directory.ts'
import type { Store } from '../ports/store.ts'
import type { Allotment } from './port-allotment.ts'
import type { Reconciler } from './reconciler.ts'
import { keys, listRecords, parseRecord, readRecord } from './records.ts'
import type { RevisionRecord, SlotRecord } from './records.ts'
import type { SlotShell } from './slot-shell.ts'
import { buildSlot } from './releases/build-slot.ts'
import type { World } from './world.ts'

/** What a start leaves beside its instance, for a daemon whose database does not know of it. */
export interface StartNote {
  readonly revision: RevisionNumber
  readonly generation: number
  readonly service: Service
  readonly port: number | null
}

export interface LoadTools {
  readonly store: Store
  readonly world: World
  readonly runtime: Runtime
  readonly directory: StateDirectory
  readonly ports: Allotment
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly loadRevision: (number: RevisionNumber) => Promise<RevisionRecord | null>
  /** Why the database is not the one that was written to, or null. */
  readonly storeFault: DarumaError | null
}

/** What the store says; of what runs nothing is known yet. */
export async function loadWanted(tools: LoadTools): Promise<readonly SlotRecord[]> {
  const { store, world } = tools
  world.applied = (await readRecord<RevisionNumber>(store, keys.applied)) ?? asRevisionNumber(0)
  world.target = world.applied === 0 ? null : await tools.loadRevision(world.applied)
  const { entries } = await store.list('revision/', { descending: true, limit: 1 })
  world.lastRevision = entries[0] === undefined ? 0 : parseRecord<RevisionRecord>(entries[0]).number
  for (const { key, record } of await listRecords<number>(store, 'generation/')) world.generations.set(nameIn(key), record)
  for (const { key } of await listRecords<boolean>(store, 'stopped/')) world.stoppedByHand.add(nameIn(key))
  for (const { key, record } of await listRecords<string>(store, 'job/')) world.jobsDone.set(nameIn(key), record)
  return (await listRecords<SlotRecord>(store, 'slot/')).map(({ record }) => record)
}

/** A second live epoch in one slot should not exist; if some fault has made one, it must not go on. */
const killLimitMs = 5000

/** Makes a shell for every slot that anything knows of, and tells each what was found in it. */
export async function adopt(
  tools: LoadTools,
  reconciler: Reconciler,
  records: readonly SlotRecord[],
  discovery: Discovery,
): Promise<void> {
  const { world } = tools
  for (const [slot, epoch] of discovery.lastEpochs) world.lastEpochs.set(slot, epoch)
  for (const { slot, settledEpoch } of records) {
    const known = world.lastEpochs.get(slot) ?? asEpoch(0)
    if (settledEpoch !== null && settledEpoch > known) world.lastEpochs.set(slot, settledEpoch)
  }
  const latest = latestBySlot(discovery)
  for (const occupant of discovery.occupants) {
    if (occupant.state !== 'running' || latest.get(occupant.slot) === occupant) continue
    // What cannot be ended keeps its own slot from starting anything; the other slots are none of its business.
    await tools.runtime.kill(occupant, killLimitMs).catch((error: unknown) => tools.log.write('error', String(error)))
  }
  const bySlot = new Map(records.map((record) => [record.slot, record]))
  for (const slot of new Set([...bySlot.keys(), ...latest.keys()])) {
    // The clockwork's own; it asks the run ledger.
    if (isRunSlot(slot) || slot === buildSlot) continue
    await adoptSlot(tools, reconciler, slot, bySlot.get(slot) ?? null, latest.get(slot) ?? null)
  }
}

async function adoptSlot(
  tools: LoadTools,
  reconciler: Reconciler,
  slot: SlotId,
  recorded: SlotRecord | null,
  occupant: Occupant | null,
): Promise<void> {
  const { world } = tools
  const note = occupant === null ? null : readNote(occupant)
  if (note !== null) world.lastRevision = Math.max(world.lastRevision, note.revision)
  const noted = note === null ? null : withPoliciesOf(world.target, specOfNote(note))
  const record = recorded ?? recordOfNote(tools, slot, occupant, note)
  if (record === null) return
  const wanted = record.revision === null ? null : await specOfRecord(tools, record)
  // A database that has never seen a revision knows nothing: what runs is kept as it is until the next `up` says otherwise.
  const isUnrecorded = isKeptByItsNote(tools, occupant)
  // No config holds the balancer: what it was started as says what it is, until there is a table to make another of it.
  const isBuiltIn = slot === balancerSlot && record.revision !== null
  const shell = reconciler.makeShell(record, wanted ?? (isUnrecorded || isBuiltIn ? noted : null))
  if (wanted === null && isUnrecorded) world.unrecorded.add(slot)
  tools.ports.remember(slot, note?.port ?? record.port)
  if (occupant !== null) report(tools, reconciler, shell, occupant, noted, record)
}

function report(
  tools: LoadTools,
  reconciler: Reconciler,
  shell: SlotShell,
  occupant: Occupant,
  spec: InstanceSpec | null,
  record: SlotRecord,
): void {
  const { epoch } = occupant
  if (occupant.state === 'running') {
    tools.world.adopted.set(shell.id, epoch)
    shell.dispatch({
      kind: 'found',
      epoch,
      pid: occupant.pid ?? 0,
      startedAt: occupant.startedAt ?? tools.clock.wallTime(),
      spec,
    })
    return
  }
  const isSettled = record.settledEpoch !== null && record.settledEpoch >= epoch
  // A keeper that never came as far as its command has run nothing: the next start is the first, for a job too.
  const hasRun = occupant.startedAt !== null
  if (isSettled || spec === null || !hasRun) return
  const exit = occupant.exit ?? ({ kind: 'unknown' } as const)
  if (isFinishedJob(spec, exit)) reconciler.noteCompleted(spec.service.name, spec.identity)
  shell.dispatch({ kind: 'found-ended', epoch, startedAt: occupant.startedAt, spec, exit, jitter: tools.random.fraction() })
}

const isFinishedJob = (spec: InstanceSpec, exit: Outcome['exit']): boolean =>
  spec.service.scale.kind === 'job' && exit.kind === 'code' && exit.code === 0

/** Of each slot what counts most: what runs, else the newest that has ended. */
export function latestBySlot(discovery: Discovery): ReadonlyMap<SlotId, Occupant> {
  const latest = new Map<SlotId, Occupant>()
  for (const occupant of discovery.occupants) {
    const other = latest.get(occupant.slot)
    // What runs comes before what has ended, whatever its epoch: it is what must not be doubled.
    const isBetter =
      other === undefined || rank(occupant) > rank(other) || (rank(occupant) === rank(other) && occupant.epoch > other.epoch)
    if (isBetter) latest.set(occupant.slot, occupant)
  }
  return latest
}

const rank = (occupant: Occupant): number => (occupant.state === 'running' ? 1 : 0)

export function readNote(occupant: Occupant): StartNote | null {
  if (occupant.note === null) return null
  try {
    const note = JSON.parse(occupant.note) as Omit<StartNote, 'service'> & { readonly service: RecordedService }
    return { ...note, service: completeService(note.service) }
  } catch {
    return null
  }
}

export function specOfNote(note: StartNote): InstanceSpec {
  const { service, generation, revision } = note
  return { service, generation, revision, identity: processIdentity(service, generation) }
}

/** Who leaves has no goal that says what holds of it now: it drains by the routes that it has, which may be others than it was started with. */
function withPoliciesOf(revision: RevisionRecord | null, spec: InstanceSpec): InstanceSpec {
  const service = revision?.project.services.find(({ name }) => name === spec.service.name)
  const isSame = service !== undefined && processIdentity(service, spec.generation) === spec.identity
  return isSame ? { ...spec, service } : spec
}

/**
 * Where nothing is recorded at all, what runs is left to run. Where that is because the database is damaged, what a reboot has cut off
 * was wanted too, and is started again by its note; what came to an end of its own may have been stopped by somebody.
 */
function isKeptByItsNote({ world, storeFault }: LoadTools, occupant: Occupant | null): boolean {
  if (occupant === null || world.applied !== 0 || world.target !== null) return false
  const isCutOff = occupant.startedAt !== null && !occupant.isOfThisBoot && (occupant.exit ?? null)?.kind === 'unknown'
  return occupant.state === 'running' || (storeFault !== null && isCutOff)
}

function recordOfNote(tools: LoadTools, slot: SlotId, occupant: Occupant | null, note: StartNote | null): SlotRecord | null {
  if (occupant === null) return null
  const isUnrecorded = isKeptByItsNote(tools, occupant)
  return {
    slot,
    claim: claimOfEpoch(occupant.epoch),
    revision: isUnrecorded && note !== null ? note.revision : null,
    because: 'nothing recorded asks for it',
    generation: note?.generation ?? 0,
    port: note?.port ?? null,
    settledEpoch: null,
    outcome: null,
    starts: 0,
  }
}

async function specOfRecord(tools: LoadTools, record: SlotRecord): Promise<InstanceSpec | null> {
  if (record.revision === null) return null
  const revision = await tools.loadRevision(record.revision)
  const { service: name } = parseSlotId(record.slot)
  const service = revision?.project.services.find((candidate) => candidate.name === name)
  if (service === undefined) return null
  const { generation } = record
  return { service, generation, revision: record.revision, identity: processIdentity(service, generation) }
}

const nameIn = (key: string): ServiceName => asServiceName(key.slice(key.indexOf('/') + 1))
