/** A notice on its way to a target: secrets are put in their places here, and nowhere before. */

import type { NoticeCommands } from '../agent/notice-commands.ts'
import type { Deliver, Webhooks } from '../ports/notices/deliver.ts'

export function makeDeliver(webhooks: Webhooks, commands: Pick<NoticeCommands, 'run'>): Deliver {
  return (target, secrets, { id, body }) => {
    const { to, timeoutMs } = target
    if (to.kind === 'webhook') {
      const headers = { ...to.headers, ...partOf(secrets, 'headers'), 'daruma-notice-id': id }
      return webhooks.post({ url: to.url ?? secrets['webhook'] ?? '', headers, body, timeoutMs })
    }
    const { command, directory, user } = to
    const environment = { ...to.environment, ...partOf(secrets, 'environment'), DARUMA_NOTICE_ID: id }
    return commands.run({ command, directory, user, environment, body, timeoutMs })
  }
}

/** `headers.authorization` → `authorization`. */
function partOf(secrets: Readonly<Record<string, string>>, part: 'headers' | 'environment'): Readonly<Record<string, string>> {
  const own = Object.entries(secrets).filter(([name]) => name.startsWith(`${part}.`))
  return Object.fromEntries(own.map(([name, value]) => [name.slice(part.length + 1), value]))
}
