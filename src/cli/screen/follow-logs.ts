/** Following logs over the deaths of daemons: the instances keep running and keep writing, so the following goes on with the next daemon. */

import { setTimeout as delay } from 'node:timers/promises'

import { DarumaError } from '../../ports/error.ts'
import type { LogLine, LogNote } from '../../protocol/api.ts'
import type { Client, LogQuery } from '../daemon/client.ts'
import type { Context } from '../context.ts'

const returnLimitMs = 60_000
const pollIntervalMs = 200

export async function followLogs(
  context: Context,
  client: Client,
  query: LogQuery,
  signal: AbortSignal,
  show: (line: LogLine | LogNote) => void,
): Promise<void> {
  const { terminal } = context
  const shown = new ShownLines()
  let asked: LogQuery = { ...query, follow: true }
  let deadline = 0
  while (!signal.aborted) {
    try {
      for await (const line of client.logs(asked, signal)) {
        deadline = 0
        if ('note' in line || shown.isNew(line)) show(line)
        await terminal.drain()
      }
      if (signal.aborted) return
    } catch (error) {
      if (!(error instanceof DarumaError) || !isAway(error)) throw error
      if (deadline === 0) {
        deadline = performance.now() + returnLimitMs
        terminal.note(
          terminal.notePalette.yellow('lost the daemon; the services keep running, and the logs resume with the next one'),
        )
      }
      if (performance.now() > deadline) throw error
    }
    // What was written meanwhile is shown too, and nothing twice.
    asked = { services: query.services, follow: true, ...shown.resume() }
    await delay(pollIntervalMs, undefined, { signal }).catch(() => undefined)
  }
}

/** Of each slot, the time of the last line that was shown, and how many had just that time. */
class ShownLines {
  readonly #beganMs: number = Date.now()
  readonly #last = new Map<string, { readonly at: string; readonly count: number }>()
  /** Of those that are told again. */
  #again = new Map<string, number>()

  isNew({ slot, at }: LogLine): boolean {
    const last = this.#last.get(slot)
    const again = this.#again.get(slot)
    if (last !== undefined && again !== undefined) {
      if (at < last.at) return false
      if (at === last.at && again < last.count) {
        this.#again.set(slot, again + 1)
        return false
      }
      this.#again.delete(slot)
    }
    this.#last.set(slot, { at, count: last?.at === at ? last.count + 1 : 1 })
    return true
  }

  resume(): Pick<LogQuery, 'sinceMs'> {
    this.#again = new Map([...this.#last.keys()].map((slot) => [slot, 0]))
    const times = [...this.#last.values()].map(({ at }) => Date.parse(at))
    return { sinceMs: times.length === 0 ? this.#beganMs : Math.min(...times) }
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
