/** What an operation does to the wanted world; made by `requests.ts` from what was asked, carried out by `operations.ts`. */

import type { ServiceName } from '../../core/model/id.ts'
import type { Operation as Write } from '../../ports/storage/store.ts'
import type { OperationRequest, Requester } from '../../protocol/api.ts'
import type { RevisionRecord } from '../records.ts'

export interface Intent {
  readonly kind: OperationRequest['kind']
  readonly by: Requester
  /** The revision to make true; null where only operator overrides change. */
  readonly revision: RevisionRecord | null
  readonly involved: readonly ServiceName[]
  /** Services that start again though their config is the same. */
  readonly raise: readonly ServiceName[]
  readonly stop: readonly ServiceName[]
  readonly start: readonly ServiceName[]
  /** Secret values and the like that must be durable with it. */
  readonly writes: readonly Write[]
  /** Called once they are. */
  readonly whenDurable: () => void
}
