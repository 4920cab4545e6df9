/**
 * Text that may leave the daemon: nothing of a secret's value is left in it. Only {@link SecretStore.redact} makes it; what goes out
 * (events, progress, failures, runs) is typed by it, so that a new way out does not compile before it has gone through there.
 */

import type { RecordedEvent } from '../core/model/event.ts'
import type { Notice } from '../core/notices/notice.ts'
import type { Failure, OperationLine, RunView } from '../protocol/api.ts'

declare const redacted: unique symbol

export type Redacted = string & { readonly [redacted]: true }

export type Redact = (text: string) => Redacted

export type OutgoingEvent = RecordedEvent & { readonly message: Redacted; readonly cause: Redacted | null }

export type OutgoingFailure = Failure & {
  readonly message: Redacted
  readonly probe: Redacted | null
  readonly log: readonly Redacted[]
}

export type OutgoingNotice = Notice<Redacted>
export type OutgoingRun = RunView & { readonly message: Redacted | null }

type LineOf<Kind extends OperationLine['kind']> = Extract<OperationLine, { readonly kind: Kind }>

export type OutgoingLine =
  | (LineOf<'progress'> & { readonly message: Redacted })
  | (LineOf<'failure'> & { readonly failure: OutgoingFailure })
  | LineOf<'end'>
