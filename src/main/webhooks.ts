/** What sends webhooks is loaded with the first one: most daemons never send any. */

import type { Webhooks } from '../ports/notices/deliver.ts'

export function lazyWebhooks(options: { readonly version: string }): Webhooks {
  return {
    async post(delivery) {
      const { createWebhooks } = await import('../adapters/webhook/index.ts')
      return createWebhooks(options).post(delivery)
    },
  }
}
