/**
 * How the simulated kernel calls the slots of the machine's parts: those of the project `shop`, which most histories are about, and the balancer's
 * by their own names; those of every other project behind its place.
 */

import type { SlotId } from '../core/model/id.ts'
import { ownPart, qualifiedSlot } from '../core/model/project-id.ts'
import type { ProjectId } from '../core/model/project-id.ts'

export const usual: ProjectId = 'shop' as ProjectId

/** Null: what is the machine's own. */
export type Part = ProjectId | null

export const kernelSlot = (part: Part, slot: SlotId): SlotId =>
  part === null || part === usual ? slot : qualifiedSlot(part, slot)

/** By its own name; null for a slot of another part. */
export function ownSlot(part: Part, slot: SlotId): SlotId | null {
  if (slot.startsWith('@')) return part === null ? slot : null
  if (part === null) return null
  const isQualified = slot.indexOf('/') !== slot.lastIndexOf('/')
  if (part === usual) return isQualified ? null : slot
  return ownPart(part, slot)
}

/** Between the table's names, which all have their project in front, and the kernel's. */
export const slotOfTable = (slot: SlotId): SlotId => ownPart(usual, slot) ?? slot
export const tableSlot = (slot: SlotId): SlotId =>
  slot.indexOf('/') === slot.lastIndexOf('/') ? qualifiedSlot(usual, slot) : slot
