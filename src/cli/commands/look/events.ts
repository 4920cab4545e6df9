/** `daruma events`: the event log, in order. Following resumes after a daemon's death, which is an event itself. */

import { setTimeout as delay } from 'node:timers/promises'

import type { RecordedEvent } from '../../../protocol/api.ts'
import { DarumaError } from '../../../ports/error.ts'
import type { Client } from '../../daemon/client.ts'
import { connectUsed } from '../../daemon/connect.ts'
import type { Context } from '../../context.ts'
import type { Invocation } from '../../tree/invocation.ts'
import { EventLines } from '../../render/event.ts'
import { namedTargets } from '../../config/targets.ts'
import { untilEnded } from '../../daemon/until-ended.ts'

const defaultLines = 50
/** As many as the daemon keeps at most: the events of one service are searched for among all. */
const searchLimit = 100_000
const returnLimitMs = 60_000
const pollIntervalMs = 200

export async function events(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  const client = await connectUsed(context, invocation)
  const targets = await namedTargets(client, await client.status(), invocation)
  const wanted = invocation.count('lines', 0) ?? defaultLines
  using ending = untilEnded(context)
  const lines = new EventLines(terminal.palette, () => terminal.columns())
  const show = async (event: RecordedEvent): Promise<void> => {
    terminal.print(invocation.json ? JSON.stringify(event) : lines.render(event).join('\n'))
    await terminal.drain()
  }
  const { shown, last } = await recent(client, targets, wanted, ending.signal)
  for (const event of shown) await show(event)
  if (invocation.has('follow')) await follow(context, client, targets, last, show, ending.signal)
  return 0
}

interface Recent {
  readonly shown: readonly RecordedEvent[]
  /** The number of the newest event that was read, shown or not. */
  readonly last: number
}

async function recent(client: Client, targets: readonly string[], wanted: number, signal: AbortSignal): Promise<Recent> {
  const shown: RecordedEvent[] = []
  let last = 0
  const limit = targets.length === 0 ? Math.max(1, wanted) : searchLimit
  for await (const event of client.events({ limit }, signal)) {
    last = event.number
    if (isAbout(event, targets)) shown.push(event)
    if (shown.length > 2 * wanted + 100) shown.splice(0, shown.length - wanted)
  }
  return { shown: wanted === 0 ? [] : shown.slice(-wanted), last }
}

async function follow(
  context: Context,
  client: Client,
  targets: readonly string[],
  from: number,
  show: (event: RecordedEvent) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let since = from
  let deadline = 0
  while (!signal.aborted) {
    try {
      for await (const event of client.events({ since, follow: true }, signal)) {
        since = event.number
        deadline = 0
        if (isAbout(event, targets)) await show(event)
      }
    } catch (error) {
      if (!(error instanceof DarumaError) || (error.code !== 'E_DAEMON_LOST' && error.code !== 'E_DAEMON_NOT_RUNNING'))
        throw error
      if (deadline === 0) {
        deadline = performance.now() + returnLimitMs
        context.terminal.note(context.terminal.notePalette.yellow('lost the daemon; events resume with the next one'))
      }
      if (performance.now() > deadline) throw error
    }
    await delay(pollIntervalMs, undefined, { signal }).catch(() => undefined)
  }
}

function isAbout(event: RecordedEvent, targets: readonly string[]): boolean {
  if (targets.length === 0) return true
  const { slot } = event
  return slot !== null && targets.some((target) => slot === target || slot.startsWith(`${target}/`))
}
