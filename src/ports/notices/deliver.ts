/** Delivering notices. Never rejects: what went wrong is the answer. Nothing of a delivery goes on after its answer. */

import type { NoticeCommand, NotifyTarget } from '../../core/keys/notify.ts'

/** Ready to be sent; everything in it may be a secret, and is never logged. */
export interface WebhookDelivery {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** JSON. */
  readonly body: string
  readonly timeoutMs: number
}

export interface CommandDelivery extends Pick<NoticeCommand, 'command' | 'directory' | 'user'> {
  readonly environment: Readonly<Record<string, string>>
  readonly body: string
  readonly timeoutMs: number
}

export interface DeliveryAnswer {
  readonly isTaken: boolean
  /** What was answered, or why nothing was: "204", "500 \"no such channel\"", "no answer within 10 s". To be redacted. */
  readonly message: string
}

export interface Webhooks {
  /** POST; taken by a status from 200 to 299. Redirects are not followed: what is in the headers is meant for nobody else. */
  post(delivery: WebhookDelivery): Promise<DeliveryAnswer>
}

/** To a target, whatever it is. */
export type Deliver = (
  target: NotifyTarget,
  secrets: Readonly<Record<string, string>>,
  notice: DeliverableNotice,
) => Promise<DeliveryAnswer>

export interface DeliverableNotice {
  readonly id: string
  /** JSON. */
  readonly body: string
}
