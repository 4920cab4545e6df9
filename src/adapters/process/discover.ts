/**
 * What a new daemon finds. The kernel is asked before the disk is believed: an epoch whose cgroup can be closed is gone for
 * good, and one that cannot be closed is running, whatever any file says.
 *
 * A keeper may be alive and not have joined its cgroup yet; it looks like nothing here. Closing the epoch is what makes that true:
 * without its cgroup (or its ticket) that keeper can only leave. Should it join in the very moment, closing fails and it is found.
 */

import { type Epoch, type SlotId, asEpoch } from '../../core/model/id.ts'
import type { Discovery, InstanceRef, Occupant } from '../../ports/runtime/runtime.ts'
import type { Cgroup } from './cgroups/cgroup.ts'
import { ageOf, isAlive, observeBootId } from '../../system/process-stat.ts'
import { findStopUnderWay } from '../../host/stop-note.ts'
import { settleExit } from './instance-monitor.ts'
import type { Site } from './site.ts'
import { unreachableCgroup } from './cgroups/unreachable.ts'
import {
  epochDirectory,
  listEpochs,
  newestStarted,
  readBeginning,
  readEpochNote,
  readExit,
  readNumber,
} from '../../host/slot-files.ts'

/** Calls `adopt` for each running epoch. Of those that are gone, a slot's newest committed one is told. */
export function discoverSlots(site: Site, adopt: (instance: InstanceRef, cgroup: Cgroup) => void): Discovery {
  const occupants: Occupant[] = []
  const endedBefore: Occupant[] = []
  const lastEpochs = new Map<SlotId, Epoch>()
  const committed = new Map<SlotId, Epoch>()
  for (const slot of new Set([...site.slotsOnDisk(), ...site.slotsInKernel()])) {
    const found = discoverSlot(site, slot, adopt)
    occupants.push(...found.occupants)
    endedBefore.push(...found.endedBefore)
    if (found.last > 0) lastEpochs.set(slot, asEpoch(found.last))
    if (found.committed > 0) committed.set(slot, asEpoch(found.committed))
  }
  return { occupants, endedBefore, lastEpochs, committed }
}

function discoverSlot(
  site: Site,
  slot: SlotId,
  adopt: (instance: InstanceRef, cgroup: Cgroup) => void,
): Pick<Required<Discovery>, 'occupants' | 'endedBefore'> & { readonly last: number; readonly committed: number } {
  const paths = site.paths(slot)
  const onDisk = listEpochs(paths)
  const inKernel = site.epochsInKernel(slot)
  const committed = readNumber(paths.epoch) ?? onDisk.at(-1) ?? 0
  const oomKills = new Map<Epoch, number>()
  const running: Occupant[] = []

  for (const epoch of inKernel.toSorted((a, b) => a - b)) {
    const cgroup = site.cgroup(slot, epoch)
    oomKills.set(epoch, site.survey.limits.countOomKills(site.cgroupPath(slot, epoch)))
    if (site.seal(slot, epoch)) continue
    // A daemon that was killed while it sent a signal left the cgroup frozen.
    cgroup.freezer?.thaw()
    running.push(describe(site, { slot, epoch }, 'running'))
    adopt({ slot, epoch }, cgroup)
  }
  const newest = newestStarted(paths)
  const hidden =
    newest === null || running.some(({ epoch }) => epoch === newest) ? null : findHidden(site, { slot, epoch: newest })
  if (hidden !== null && newest !== null) {
    running.push(describe(site, { slot, epoch: newest }, 'running'))
    adopt({ slot, epoch: newest }, hidden)
  }
  if (running.length === 0) site.removeSlotCgroups(slot)

  const occupants = [...running]
  // Of a container the engine tells.
  const isOurs = newest !== null && readEpochNote(epochDirectory(paths, newest))?.container === undefined
  if (newest !== null && isOurs && !running.some((occupant) => occupant.epoch === newest)) {
    occupants.push(describe(site, { slot, epoch: newest }, 'gone', oomKills.get(newest)))
  }
  const last = Math.max(committed, 0, ...onDisk, ...inKernel)
  // What a container's keeper would write, its daemon does: of all kinds the files tell.
  const endedBefore = onDisk
    .filter((epoch) => epoch < (newest ?? 0) && !running.some((occupant) => occupant.epoch === epoch))
    .map((epoch) => describe(site, { slot, epoch }, 'gone', oomKills.get(epoch)))
  return { occupants: occupants.toSorted((a, b) => a.epoch - b.epoch), endedBefore, last, committed: Math.max(committed, 0) }
}

/** No cgroup that we can see holds it, and yet its command lives: that is no end. */
function findHidden(site: Site, { slot, epoch }: InstanceRef): Cgroup | null {
  const paths = site.paths(slot)
  const directory = epochDirectory(paths, epoch)
  const beginning = readBeginning(directory)
  const note = readEpochNote(directory)
  const isOurs = note !== null && note.container === undefined && note.bootId === observeBootId()
  if (!isOurs || beginning.kind !== 'started' || !isAlive(beginning)) return null
  return unreachableCgroup(beginning, paths.lock)
}

function describe(site: Site, instance: InstanceRef, state: Occupant['state'], oomKills: number = 0): Occupant {
  const directory = epochDirectory(site.paths(instance.slot), instance.epoch)
  const beginning = readBeginning(directory)
  const hasStarted = beginning.kind === 'started'
  const note = readEpochNote(directory)
  return {
    ...instance,
    state,
    pid: hasStarted && state === 'running' ? beginning.pid : null,
    startTicks: hasStarted ? beginning.startTicks : null,
    startedAt: hasStarted ? beginning.startedAt : null,
    exit: state === 'gone' ? settleExit({ recorded: readExit(directory), oomKills, wasKilled: false }) : null,
    note: note?.note ?? null,
    isOfThisBoot: note?.bootId === observeBootId(),
    ...(hasStarted && state === 'running' ? { ageMs: ageOf(beginning.startTicks) } : {}),
    ...(state === 'running' ? findStopUnderWay(directory) : {}),
  }
}
