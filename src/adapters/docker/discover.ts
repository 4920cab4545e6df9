/**
 * What a new daemon finds of containers. The engine is asked before the disk is believed, and the kernel before both: what it still has of a
 * recorded container runs, and an answer that failed leaves it unknown, which counts as running. A container that was created and never started
 * is removed, since nobody is left who would start it; one that has ended is taken in with its last lines and its exit code. While
 * the engine is away nothing is known, so every epoch whose end is not recorded counts as running.
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'

import { type Epoch, type SlotId, asEpoch } from '../../core/model/id.ts'
import { hasCode } from '../../system/errno.ts'
import { ageOf } from '../../system/process-stat.ts'
import {
  type Beginning,
  epochDirectory,
  newestStarted,
  parseSlotName,
  readBeginning,
  readEpochNote,
  readExit,
  slotPaths,
} from '../../host/slot-files.ts'
import { findStopUnderWay } from '../../host/stop-note.ts'
import type { Discovery, InstanceRef, Occupant } from '../../ports/runtime/runtime.ts'
import { type ContainerLife, inspectContainer, removeContainer } from './container/container-life.ts'
import type { Engine } from './engine/engine.ts'
import { listOwnContainers, type OwnContainer } from './container/own-containers.ts'
import type { Found } from './engine/parse.ts'
import { observeWitness } from './container/witness.ts'

export interface DiscoverOptions {
  readonly engine: Engine
  readonly stateDirectory: string
  readonly stateId: string
  readonly makeLife: (instance: InstanceRef, containerId: string | null) => ContainerLife
}

/** What ended while no daemon looked is taken in before anything else begins; a daemon that hangs here would help nobody. */
const takeInLimitMs = 20_000

export async function discoverContainers(options: DiscoverOptions): Promise<Discovery> {
  const recorded = findRecorded(options.stateDirectory)
  const listed = await listAll(options)
  const occupants: Occupant[] = []
  const lastEpochs = new Map<SlotId, Epoch>()
  const found = new Set<string>()
  await Promise.all(
    (listed ?? []).map(async (container) => {
      const { slot, epoch } = container
      if (epoch > (lastEpochs.get(slot) ?? 0)) lastEpochs.set(slot, epoch)
      const inspected = await inspectContainer(options.engine, container.id).catch((): 'unknown' => 'unknown')
      if (inspected === null) return
      found.add(`${slot} ${epoch}`)
      const occupant = inspected === 'unknown' ? keep(options, container) : await takeIn(options, container, inspected)
      if (occupant !== null) occupants.push(occupant)
    }),
  )
  for (const { slot, epoch } of recorded) {
    if (found.has(`${slot} ${epoch}`)) continue
    occupants.push(believeFiles(options, { slot, epoch }, listed !== null))
  }
  return { occupants: occupants.toSorted((a, b) => a.epoch - b.epoch), lastEpochs }
}

/** Null when the engine is away or refuses to tell: then nothing is known of any. */
async function listAll({ engine, stateId }: DiscoverOptions): Promise<readonly OwnContainer[] | null> {
  if ((await engine.connect()) !== null) return null
  return listOwnContainers(engine, stateId).catch(() => null)
}

/** Listed, and nothing more could be learnt of it: it counts as running until the engine or the kernel says otherwise. */
function keep(options: DiscoverOptions, { id, slot, epoch, note }: OwnContainer): Occupant {
  const instance = { slot, epoch }
  const directory = epochDirectory(slotPaths(options.stateDirectory, slot), epoch)
  const beginning = readBeginning(directory)
  options.makeLife(instance, id).adopt(null, beginning)
  return describe({ ...instance, directory }, 'running', note, { beginning, exit: null })
}

/** Null for one that has never run. */
async function takeIn(options: DiscoverOptions, { slot, epoch, note }: OwnContainer, container: Found): Promise<Occupant | null> {
  const instance = { slot, epoch }
  if (container.state === 'created') {
    const isGone = await removeContainer(options.engine, container.id, 'may run').then(
      () => true,
      () => false,
    )
    if (isGone) return null
  }
  const directory = epochDirectory(slotPaths(options.stateDirectory, slot), epoch)
  const life = options.makeLife(instance, container.id)
  life.adopt(container, readBeginning(directory))
  const hasEnded = container.state === 'ended' && observeWitness(directory).kind !== 'lives'
  if (hasEnded) {
    life.mute()
    life.look()
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, takeInLimitMs)
    await Promise.race([life.over, late])
    clearTimeout(timer)
  }
  return describe({ ...instance, directory }, hasEnded ? 'gone' : 'running', note, {
    beginning: life.beginning ?? readBeginning(directory),
    exit: hasEnded ? container.exit : null,
  })
}

/** The engine has no container for it, or does not answer. */
function believeFiles(
  { engine, stateDirectory, makeLife }: DiscoverOptions,
  instance: InstanceRef,
  hasAnswered: boolean,
): Occupant {
  const directory = epochDirectory(slotPaths(stateDirectory, instance.slot), instance.epoch)
  const { note = null, container = '' } = readEpochNote(directory) ?? {}
  const beginning = readBeginning(directory)
  const exit = readExit(directory)
  const isItsEngine = hasAnswered && (container === '' || container === engine.info?.identity)
  // Another engine knows nothing of it. But a container whose first process is dead is dead, and only we would have started it again.
  const kernel = observeWitness(directory).kind
  const isDead = hasAnswered && kernel === 'ended'
  if (kernel !== 'lives' && (exit !== null || isItsEngine || isDead))
    return describe({ ...instance, directory }, 'gone', note, { beginning, exit: exit ?? { kind: 'unknown' } })
  makeLife(instance, null).adopt(null, beginning)
  return describe({ ...instance, directory }, 'running', note, { beginning, exit: null })
}

function describe(
  { directory, ...instance }: InstanceRef & { readonly directory: string },
  state: Occupant['state'],
  note: string | null,
  known: { readonly beginning: Beginning; readonly exit: Occupant['exit'] },
): Occupant {
  const beginning = known.beginning.kind === 'started' ? known.beginning : null
  return {
    ...instance,
    state,
    pid: state === 'running' ? (beginning?.pid ?? null) : null,
    startTicks: beginning?.startTicks ?? null,
    startedAt: beginning?.startedAt ?? null,
    exit: known.exit,
    note,
    ...(state === 'running' && beginning !== null && beginning.startTicks > 0 ? { ageMs: ageOf(beginning.startTicks) } : {}),
    ...(state === 'running' ? findStopUnderWay(directory) : {}),
  }
}

/** By the slots' own files: each slot whose newest epoch was a container. */
export function findRecorded(stateDirectory: string): readonly InstanceRef[] {
  return slotNames(stateDirectory).flatMap((name) => {
    const slot = parseSlotName(name)
    if (slot === null) return []
    const paths = slotPaths(stateDirectory, slot)
    const epoch = newestStarted(paths)
    if (epoch === null || readEpochNote(epochDirectory(paths, epoch))?.container === undefined) return []
    return [{ slot, epoch: asEpoch(epoch) }]
  })
}

function slotNames(stateDirectory: string): readonly string[] {
  try {
    return readdirSync(join(stateDirectory, 'slots'))
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}
