/**
 * The names of things, as branded types: a service's name cannot be passed where a slot's id is wanted.
 * An epoch is a fencing token, not a count: it only ever grows, and two instances never share one.
 */

import type { ServiceName } from '../values/name.ts'

export { asServiceName, type ServiceName, serviceNamePattern } from '../values/name.ts'

declare const brand: unique symbol
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name }

/** One place of a service: `web/0`. */
export type SlotId = Branded<string, 'SlotId'>
/** Fencing token, `claim × 2²⁰ + start`, a safe integer above 0. */
export type Epoch = Branded<number, 'Epoch'>
/** The number of a revision, from 1 upwards; 0 means "nothing was ever applied". */
export type RevisionNumber = Branded<number, 'RevisionNumber'>

export const asRevisionNumber = (value: number): RevisionNumber => value as RevisionNumber
export const asEpoch = (value: number): Epoch => value as Epoch

export const slotId = (service: ServiceName, index: number): SlotId => `${service}/${index}` as SlotId

/** The slot of one run of a schedule: `report/2026-11-22T03:00:00Z`, named by its tick in UTC; `report/2026-11-22T03:07:12.345Z` by hand. */
export const runSlotId = (service: ServiceName, tick: string): SlotId => `${service}/${tick}` as SlotId

/** Whether the slot is a run of a schedule. */
export const isRunSlot = (slot: SlotId): boolean => slot.endsWith('Z')

/** The tick in a run's slot. */
export const tickOf = (slot: SlotId): string => slot.slice(slot.lastIndexOf('/') + 1)

/** Splits `web/0` into its service and index (not a number for a run's slot). The text must have come from {@link slotId} or {@link runSlotId}. */
export function parseSlotId(slot: SlotId): { readonly service: ServiceName; readonly index: number } {
  const cut = slot.lastIndexOf('/')
  return { service: slot.slice(0, cut) as ServiceName, index: Number(slot.slice(cut + 1)) }
}

/** How many starts one claim may make before it must be renewed: the low 20 bits of an epoch. */
export const startsPerClaim: number = 2 ** 20

/** The epoch of start number `start` (0 ≤ start < 2²⁰) under claim number `claim` (≥ 1). */
export function composeEpoch(parts: { readonly claim: number; readonly start: number }): Epoch {
  return (parts.claim * startsPerClaim + parts.start) as Epoch
}

export const claimOfEpoch = (epoch: Epoch): number => Math.floor(epoch / startsPerClaim)
