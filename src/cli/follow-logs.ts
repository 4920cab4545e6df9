/** Following logs over the deaths of daemons: the instances run on and keep writing, so the following goes on with the next daemon. */

import { setTimeout as delay } from 'node:timers/promises'

import { DarumaError } from '../ports/error.ts'
import type { Client, LogQuery } from './client.ts'
import type { Context } from './context.ts'
import { LogLines } from './render/log.ts'

const returnLimitMs = 60_000
const pollIntervalMs = 200

export async function followLogs(
  context: Context,
  client: Client,
  query: LogQuery,
  signal: AbortSignal,
  asJson: boolean = false,
): Promise<void> {
  const { terminal } = context
  const lines = new LogLines(terminal.palette, await knownSlots(client, query.services))
  let asked: LogQuery = { ...query, follow: true }
  let deadline = 0
  while (!signal.aborted) {
    try {
      for await (const line of client.logs(asked, signal)) {
        deadline = 0
        terminal.print(asJson ? JSON.stringify(line) : lines.render(line))
        await terminal.drain()
      }
      if (signal.aborted) return
    } catch (error) {
      if (!(error instanceof DarumaError) || !isAway(error)) throw error
      if (deadline === 0) {
        deadline = performance.now() + returnLimitMs
        terminal.note(
          terminal.notePalette.yellow('the daemon went away; the services run on, and the logs go on with the next daemon'),
        )
        asked = { ...asked, lines: 0 }
      }
      if (performance.now() > deadline) throw error
    }
    await delay(pollIntervalMs, undefined, { signal }).catch(() => undefined)
  }
}

const isAway = (error: DarumaError): boolean => error.code === 'E_DAEMON_LOST' || error.code === 'E_DAEMON_NOT_RUNNING'

/** For the width of the prefixes. */
export async function knownSlots(client: Client, services: readonly string[]): Promise<readonly string[]> {
  const { instances } = await client.status()
  return instances
    .filter((instance) => services.length === 0 || services.includes(instance.service) || services.includes(instance.slot))
    .map((instance) => instance.slot)
}
