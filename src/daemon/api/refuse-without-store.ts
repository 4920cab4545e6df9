/** What a damaged database keeps from being done: what was applied is not known, so nothing can be compared with it or put in its place. */

import { DarumaError } from '../../ports/error.ts'

/** Throws the fault, with what goes on meanwhile; does nothing where there is none. */
export function refuseWithoutStore(fault: DarumaError | null): void {
  if (fault === null) return
  throw new DarumaError(fault.code, `${fault.message}. Until then nothing is changed; what runs is kept and restarted.`, {
    ...(fault.hint === null ? {} : { hint: fault.hint }),
    cause: fault,
  })
}
