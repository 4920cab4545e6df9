/** The far end of webhooks: it keeps what it is sent, takes it or not, and may be asked by a daemon that dies before it hears the answer. */

import type { NotifyTarget } from '../core/keys/notify.ts'
import type { Notice } from '../core/notices/notice.ts'
import type { DeliveryAnswer, Webhooks } from '../ports/notices/deliver.ts'

export class SimulatedWebhooks {
  /** What the config says. */
  notify: readonly NotifyTarget[] = []
  /** Every notice that came, also one that was not taken. */
  readonly received: Notice[] = []
  /** A notice has come, and is not answered yet. */
  onReceived: () => void = () => {}
  answer: DeliveryAnswer = { isTaken: true, message: '204' }

  heardBy(pass: () => Promise<void>): Webhooks {
    return {
      post: async ({ body }) => {
        await pass()
        this.received.push(JSON.parse(body) as Notice)
        this.onReceived()
        await pass()
        return this.answer
      },
    }
  }
}
