/** `daruma status`: one look, or with --watch one each second. */

import { setTimeout as delay } from 'node:timers/promises'

import type { StatusAnswer } from '../../protocol/api.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Client } from '../client.ts'
import { connectUsed } from '../connect.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../invocation.ts'
import { LiveRegion } from '../live-region.ts'
import { renderStatus } from '../render/status.ts'
import { namedServices } from '../targets.ts'
import { untilEnded } from '../until-ended.ts'

const watchIntervalMs = 1000

export async function status(context: Context, invocation: Invocation): Promise<number> {
  const client = await connectUsed(context, invocation)
  if (invocation.has('watch')) return watch(context, invocation, client)
  context.terminal.print(draw(context, invocation, await client.status()))
  return 0
}

function draw(context: Context, invocation: Invocation, answer: StatusAnswer): string {
  const shown = onlyNamed(answer, invocation)
  if (invocation.json) return JSON.stringify(shown)
  const { palette } = context.terminal
  return renderStatus(shown, { palette, columns: context.terminal.columns(), nowMs: Date.now() }).join('\n')
}

function onlyNamed(answer: StatusAnswer, invocation: Invocation): StatusAnswer {
  if (invocation.list('only').length === 0) return answer
  const names = new Set(namedServices(answer, invocation))
  return {
    ...answer,
    services: answer.services.filter((service) => names.has(service.service)),
    instances: answer.instances.filter((instance) => names.has(instance.service)),
  }
}

async function watch(context: Context, invocation: Invocation, client: Client): Promise<number> {
  using ending = untilEnded(context)
  const isLive = context.terminal.isInteractive && !invocation.json
  let lines: readonly string[] = []
  using region = isLive ? new LiveRegion(context.terminal, () => lines) : null
  while (!ending.signal.aborted) {
    const text = await look(context, invocation, client)
    lines = text.split('\n')
    if (region === null) context.terminal.print(text)
    else region.print([])
    await context.terminal.drain()
    await delay(watchIntervalMs, undefined, { signal: ending.signal }).catch(() => undefined)
  }
  return 0
}

/** A daemon that is away is news, not the end of the watching. */
async function look(context: Context, invocation: Invocation, client: Client): Promise<string> {
  try {
    return draw(context, invocation, await client.status())
  } catch (error) {
    if (!(error instanceof DarumaError) || !error.code.startsWith('E_DAEMON')) throw error
    if (invocation.json) return JSON.stringify({ error: { code: error.code, message: error.message, hint: error.hint } })
    return context.terminal.palette.red(`${error.message}; the services run on`)
  }
}
