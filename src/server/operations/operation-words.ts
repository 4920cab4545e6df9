/** An operation's record in words: for its title, for the request that is refused because of it, for `status`, and for the store. */

import { asServiceName } from '../../core/model/id.ts'
import type { Operation as Write } from '../../ports/storage/store.ts'
import type { OperationView } from '../../protocol/api.ts'
import { put, remove } from '../../ports/storage/json-records.ts'
import { keys } from '../records.ts'
import type { FateRecord, OperationRecord } from '../records.ts'
import type { OutgoingFailure } from '../redacted.ts'

/** What operators' words became with it, durable together with the first move. */
export function overridesOf({ raised = {}, started = [] }: OperationRecord): readonly Write[] {
  return [
    ...Object.entries(raised).map(([name, generation]) => put(keys.generation(asServiceName(name)), generation)),
    ...started.map((name) => remove(keys.stopped(name))),
  ]
}

/** What becomes of a revision that failed, with its reason: notices tell it, also by a daemon that did not see it. */
export const failedFate = (revision: number, { message }: OutgoingFailure): Write =>
  put(keys.fate(revision), { state: 'failed', cause: message } satisfies FateRecord)

export function titleOf(record: OperationRecord): string {
  return record.target === record.base ? record.kind : `${record.kind} to revision ${record.target}`
}

export const requesterOf = (record: OperationRecord): string =>
  `daruma ${record.by.command}, by ${record.by.user} (pid ${record.by.pid})`

export function describeOperation(record: OperationRecord): string {
  return `${titleOf(record)}: ${requesterOf(record)}, since ${record.startedAt}`
}

export function viewOf(record: OperationRecord): OperationView {
  return {
    id: record.id,
    kind: record.kind,
    revision: record.target,
    by: record.by,
    startedAt: record.startedAt,
    state: record.state === 'preparing' ? 'running' : record.state,
  }
}
