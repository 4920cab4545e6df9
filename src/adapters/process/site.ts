/**
 * Where the slots of one project are: on disk below `slots/`, in the kernel below `daruma/<state id>/<project>`. Both trees name a slot
 * `web.0` and an epoch by its number, so that either can be read without the other after one of them was lost or restored. In the kernel
 * these names are labels of keepers' cgroups; what a keeper of format 1 runs has a cgroup `web.0/17` of its own.
 */

import { existsSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

import { type Epoch, type SlotId, asEpoch } from '../../core/model/id.ts'
import { type Cgroup, childDirectories, removeCgroup } from './cgroups/cgroup.ts'
import { freezerCgroup } from './cgroups/freezer.ts'
import { KeeperCgroups } from './keepers/keeper-cgroups.ts'
import { processGroup } from './cgroups/process-group.ts'
import {
  type SlotPaths,
  epochDirectory,
  listEpochs,
  parseSlotName,
  readKeeper,
  slotName,
  slotPaths,
} from '../../host/slot-files.ts'
import { isKeeperAlive } from './keepers/keeper-alive.ts'
import type { KeeperIdentity } from './keepers/keeper-lane.ts'
import type { Survey } from './survey.ts'
import { unifiedCgroup } from './cgroups/unified.ts'

export class Site {
  readonly stateDirectory: string
  readonly survey: Survey
  /** Null without cgroups. */
  readonly keepers: KeeperCgroups | null
  readonly #home: string

  /** `home`: below `daruma/`, in the kernel: the state's id, and the project's place behind it. */
  constructor(options: { readonly stateDirectory: string; readonly home: string; readonly survey: Survey }) {
    this.stateDirectory = options.stateDirectory
    this.survey = options.survey
    this.#home = options.home
    const { cgroupMount } = options.survey
    this.keepers = cgroupMount === null ? null : new KeeperCgroups(join(cgroupMount, 'daruma', options.home, 'keepers'))
  }

  /** What its folder in /run is called. */
  get runName(): string {
    return this.#home.replace('/', '_')
  }

  paths(slot: SlotId): SlotPaths {
    return slotPaths(this.stateDirectory, slot)
  }

  /** Where volumes are seen by instances of other users, in their own mount namespaces; on the host its directories are empty. */
  get openDirectory(): string {
    return join('/run/daruma', this.runName)
  }

  /**
   * Where an instance sees its release, in its own mount namespace: the same for all, so that what a build writes down of its paths
   * holds for the next one.
   */
  get releaseDirectory(): string {
    // No volume has such a name.
    return join(this.openDirectory, '@release')
  }

  /** Below the mount of whichever hierarchy. */
  cgroupPath(slot: SlotId, epoch: Epoch): string {
    const number = this.keepers?.numberOf(slot, epoch) ?? null
    return number === null ? join(this.#formerSlotPath(slot), `${epoch}`) : this.keeperPath(number)
  }

  keeperPath(number: number): string {
    return join('daruma', this.#home, 'keepers', `${number}`)
  }

  #formerSlotPath(slot: SlotId): string {
    return join('daruma', this.#home, slotName(slot))
  }

  cgroup(slot: SlotId, epoch: Epoch): Cgroup {
    const { cgroupMount } = this.survey
    if (cgroupMount === null) return processGroup(epochDirectory(this.paths(slot), epoch))
    const cgroup = this.#cgroup(join(cgroupMount, this.cgroupPath(slot, epoch)))
    const { keepers } = this
    if (keepers === null || keepers.numberOf(slot, epoch) === null) return cgroup
    return { ...cgroup, seal: () => !cgroup.isPopulated() && keepers.remove(slot, epoch, () => cgroup.seal()) }
  }

  /**
   * Whether nothing of the epoch runs and nothing ever will. A cgroup that is empty is no proof while process 1 of the namespace lives: something
   * that has left the cgroup cannot be killed now.
   */
  seal(slot: SlotId, epoch: Epoch): boolean {
    return !isKeeperAlive(this.keeperOf(slot, epoch)) && this.cgroup(slot, epoch).seal()
  }

  keeperOf(slot: SlotId, epoch: Epoch): KeeperIdentity | null {
    return readKeeper(epochDirectory(this.paths(slot), epoch))
  }

  /** The keeper's cgroup belongs to the epoch from here on. */
  bind(number: number, slot: SlotId, epoch: Epoch): void {
    this.keepers?.label(number, slot, epoch)
  }

  /** Of a start that was given up before its keeper was told to run anything. */
  unbind(slot: SlotId, epoch: Epoch): void {
    const number = this.keepers?.numberOf(slot, epoch) ?? null
    if (number !== null) this.survey.limits.remove(this.keeperPath(number))
    this.keepers?.unlabel(slot, epoch)
  }

  /** Of a keeper that stands by; it belongs to no slot. */
  keeperCgroup(number: number): Cgroup {
    return this.#cgroup(this.keepers?.pathOf(number) ?? '')
  }

  #cgroup(directory: string): Cgroup {
    const { killing } = this.survey
    return killing === 'v1' ? freezerCgroup(directory) : unifiedCgroup(directory, { hasKillFile: killing === 'v2' })
  }

  /** Epochs that may have processes: those with a cgroup, or where there are none, those with a directory. */
  epochsInKernel(slot: SlotId): readonly Epoch[] {
    const { cgroupMount } = this.survey
    if (cgroupMount === null) return listEpochs(this.paths(slot))
    const former = childDirectories(join(cgroupMount, this.#formerSlotPath(slot)))
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .map(asEpoch)
    return [...former, ...(this.keepers?.epochsOf(slot) ?? [])]
  }

  /** Slots known to the kernel, whatever the disk says. */
  slotsInKernel(): readonly SlotId[] {
    const { cgroupMount } = this.survey
    if (cgroupMount === null) return []
    const names = childDirectories(join(cgroupMount, 'daruma', this.#home))
    return [...names.map(parseSlotName).filter((slot) => slot !== null), ...(this.keepers?.slots() ?? [])]
  }

  slotsOnDisk(): readonly SlotId[] {
    return childDirectories(join(this.stateDirectory, 'slots'))
      .map(parseSlotName)
      .filter((slot) => slot !== null)
  }

  /**
   * Leaves nothing behind of a project in which nothing runs. Only what is empty goes: a cgroup may be one that a keeper is about to
   * join, and a directory whose removal would take a volume's mount away from an instance.
   */
  sweep(): void {
    const { cgroupMount, limits } = this.survey
    if (cgroupMount === null) return
    for (const mount of limits.mounts) if (mount !== cgroupMount) this.#sweepLimits(mount, cgroupMount)
    this.keepers?.sweep()
    if (!removeEmpty(join(cgroupMount, 'daruma', this.#home))) return
    removeEmpty(this.openDirectory)
  }

  /** Limits outlive their epoch when a daemon is killed between the removal of one and of the other. */
  #sweepLimits(mount: string, cgroupMount: string): void {
    const state = join('daruma', this.#home)
    for (const slot of childDirectories(join(mount, state)))
      for (const epoch of childDirectories(join(mount, state, slot)))
        if (!existsSync(join(cgroupMount, state, slot, epoch))) removeCgroup(join(mount, state, slot, epoch))
    removeEmpty(join(mount, state))
  }

  /** Removes the slot's own cgroup, when the last of its epochs is closed. */
  removeSlotCgroups(slot: SlotId): void {
    const { cgroupMount, limits } = this.survey
    if (cgroupMount !== null) removeCgroup(join(cgroupMount, this.#formerSlotPath(slot)))
    limits.remove(this.#formerSlotPath(slot))
  }
}

/** The directory and those directly in it, which must be empty. Says whether it is gone. */
function removeEmpty(directory: string): boolean {
  for (const path of [...childDirectories(directory).map((name) => join(directory, name)), directory]) {
    try {
      rmdirSync(path)
    } catch {
      // Something is in it, or it is gone already.
    }
  }
  return !existsSync(directory)
}
