/** What the daemon answers about notices. What a notice itself says is in `core/notices/notice.ts`. */

import type { NoticeTopic } from '../core/keys/notify.ts'

export interface NoticesAnswer {
  readonly targets: readonly NoticeTargetView[]
  /** Those that last. */
  readonly troubles: readonly {
    readonly topic: NoticeTopic
    readonly service: string | null
    readonly message: string
    readonly cause: string | null
    /** ISO 8601 UTC. */
    readonly since: string
  }[]
}

export interface NoticeTargetView {
  /** `webhook https://hooks.example.com`, `command ./page.sh`: with nothing in it that may be a secret. */
  readonly target: string
  readonly on: readonly NoticeTopic[]
  /** A notice is on its way, or about to be. */
  readonly isPending: boolean
  /** Since this daemon began. ISO 8601 UTC. */
  readonly lastTakenAt: string | null
  /** Null while it takes what it is sent. */
  readonly failure: { readonly message: string; readonly since: string; readonly attempts: number } | null
}

export interface NoticeTestAnswer {
  /** Of the notice. */
  readonly id: string
  readonly answers: readonly { readonly target: string; readonly isTaken: boolean; readonly message: string }[]
}
