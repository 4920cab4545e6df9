/** What a start leaves beside its instance: enough for an agent that was told nothing to know what runs, and by which revision. */

import type { InstanceSpec } from '../../core/instance/slot.ts'
import type { RevisionNumber } from '../../core/model/id.ts'
import { completeService } from '../../core/model/complete.ts'
import type { RecordedService } from '../../core/model/complete.ts'
import type { Service } from '../../core/model/service.ts'
import { processIdentity } from '../../core/model/service.ts'

export interface StartNote {
  readonly revision: RevisionNumber
  readonly generation: number
  readonly service: Service
  readonly port: number | null
}

/** Null where there is none, or none that this version can read. */
export function readNote(text: string | null): StartNote | null {
  if (text === null) return null
  try {
    const note = JSON.parse(text) as Omit<StartNote, 'service'> & { readonly service: RecordedService }
    return { ...note, service: completeService(note.service) }
  } catch {
    return null
  }
}

export function specOfNote({ service, generation, revision }: StartNote): InstanceSpec {
  return { service, generation, revision, identity: processIdentity(service, generation) }
}
