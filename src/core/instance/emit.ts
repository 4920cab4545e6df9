/** Events of a slot: each is one of the actions that a step returns, with its cause. */

import type { Epoch } from '../model/id.ts'
import { comesToAnEnd } from '../model/service.ts'
import type { Service } from '../model/service.ts'
import type { Exit } from '../model/status.ts'
import { explainExit } from '../model/status.ts'
import type { InstanceSpec, Slot, SlotAction } from './slot.ts'

export function emit(
  actions: SlotAction[],
  kind: Extract<SlotAction, { kind: 'emit' }>['event']['kind'],
  epoch: Epoch | null,
  message: string,
  cause: string | null,
): void {
  actions.push({ kind: 'emit', event: { kind, epoch, message, cause } })
}

/** A restart is told with what it follows, a first start with the revision that asked for it. */
export function whyStarted(slot: Slot, spec: InstanceSpec): string {
  if (slot.restarts === 0) return `revision ${spec.revision}`
  return `restart ${slot.restarts}${slot.lastExit === null ? '' : ` after: ${explainExit(slot.lastExit)}`}`
}

export const isSuccess = (exit: Exit): boolean => exit.kind === 'code' && exit.code === 0

/** Of an end that nobody asked for. Work that ends well ends as it was asked to: nobody has to look. */
export const kindOfEnd = (service: Service, exit: Exit): 'stopped' | 'exited' =>
  comesToAnEnd(service) && isSuccess(exit) ? 'stopped' : 'exited'
