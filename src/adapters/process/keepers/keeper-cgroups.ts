/**
 * The cgroups of keepers, `daruma/<stateId>/keepers/<number>`, made before anything is known of what will run in them: moving a process
 * into a cgroup waits for an RCU grace period (some 10 ms; kernel/cgroup/cgroup.c, `cgroup_threadgroup_rwsem`), so a keeper joins its own
 * long before it is needed. Which epoch one belongs to is said by the kernel too, by the name of an empty cgroup in it: its *label*,
 * `web.0.17`. It is made before the keeper is told anything, so a keeper without a label has never been told. One daemon at a time makes
 * and removes them (it holds the state directory's lock), so what it read once, and what it did since, is what there is.
 */

import { mkdirSync, rmdirSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

import { type Epoch, type SlotId, asEpoch } from '../../../core/model/id.ts'
import { parseSlotName, slotName } from '../../../host/slot-files.ts'
import { childDirectories } from '../cgroups/cgroup.ts'

export class KeeperCgroups {
  /** `<mount>/daruma/<stateId>/keepers` in the hierarchy that holds instances together. */
  readonly #directory: string
  /** By slot and epoch: the keeper's number. */
  readonly #numbers = new Map<SlotId, Map<Epoch, number>>()
  #lastNumber = 0

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Reads the labels that there are. Returns the numbers of those that have none: of keepers that were never told anything. */
  read(): readonly number[] {
    const unlabelled: number[] = []
    for (const name of childDirectories(this.#directory)) {
      const number = Number(name)
      if (!Number.isSafeInteger(number)) continue
      this.#lastNumber = Math.max(this.#lastNumber, number)
      const label = childDirectories(join(this.#directory, name))
        .map(parseLabel)
        .find((each) => each !== null)
      if (label === undefined || label === null) unlabelled.push(number)
      else this.#remember(label.slot, label.epoch, number)
    }
    return unlabelled
  }

  pathOf(number: number): string {
    return join(this.#directory, `${number}`)
  }

  /** In a thread of its own: the kernel may keep it waiting while another process is moved. */
  async make(): Promise<number> {
    this.#lastNumber += 1
    const number = this.#lastNumber
    await mkdir(this.pathOf(number), { recursive: true })
    return number
  }

  numberOf(slot: SlotId, epoch: Epoch): number | null {
    return this.#numbers.get(slot)?.get(epoch) ?? null
  }

  epochsOf(slot: SlotId): readonly Epoch[] {
    return [...(this.#numbers.get(slot)?.keys() ?? [])]
  }

  slots(): readonly SlotId[] {
    return [...this.#numbers.keys()]
  }

  label(number: number, slot: SlotId, epoch: Epoch): void {
    mkdirSync(this.#labelPath(number, slot, epoch))
    this.#remember(slot, epoch, number)
  }

  /** Of a keeper that will be told nothing more. */
  unlabel(slot: SlotId, epoch: Epoch): void {
    const number = this.numberOf(slot, epoch)
    if (number === null) return
    this.#forget(slot, epoch)
    try {
      rmdirSync(this.#labelPath(number, slot, epoch))
    } catch {
      // It goes with the keeper's cgroup.
    }
  }

  /**
   * Removes the cgroup, which must be empty, and its label. False when something has come to live in it: then its label is there again.
   * A command that is run in an instance (`exec`) joins in the very moment in which it ends; it finds its instance gone and leaves.
   */
  remove(slot: SlotId, epoch: Epoch, remove: (directory: string) => boolean): boolean {
    const number = this.numberOf(slot, epoch)
    if (number === null) return true
    if (!remove(this.pathOf(number))) {
      mkdirSync(this.#labelPath(number, slot, epoch), { recursive: true })
      return false
    }
    this.#forget(slot, epoch)
    return true
  }

  /** Leaves nothing behind when there are none any more. */
  sweep(): void {
    try {
      rmdirSync(this.#directory)
    } catch {
      // One is in use, or there never was one.
    }
  }

  #labelPath(number: number, slot: SlotId, epoch: Epoch): string {
    return join(this.pathOf(number), `${slotName(slot)}.${epoch}`)
  }

  #forget(slot: SlotId, epoch: Epoch): void {
    this.#numbers.get(slot)?.delete(epoch)
    if (this.#numbers.get(slot)?.size === 0) this.#numbers.delete(slot)
  }

  #remember(slot: SlotId, epoch: Epoch, number: number): void {
    const epochs = this.#numbers.get(slot) ?? new Map<Epoch, number>()
    epochs.set(epoch, number)
    this.#numbers.set(slot, epochs)
  }
}

/** Null for the name of a cgroup that a program has made for itself. */
function parseLabel(name: string): { readonly slot: SlotId; readonly epoch: Epoch } | null {
  const dot = name.lastIndexOf('.')
  const slot = parseSlotName(name.slice(0, dot))
  return slot !== null && /^\d{1,16}$/.test(name.slice(dot + 1)) ? { slot, epoch: asEpoch(Number(name.slice(dot + 1))) } : null
}
