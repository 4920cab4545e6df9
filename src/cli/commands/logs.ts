/** `daruma logs`: what the services print, side by side. */

import { connectUsed } from '../connect.ts'
import type { Context } from '../context.ts'
import { followLogs, knownSlots } from '../follow-logs.ts'
import type { Invocation } from '../invocation.ts'
import { LogLines } from '../render/log.ts'
import { namedTargets } from '../targets.ts'
import { untilEnded } from '../until-ended.ts'

const defaultLines = 100

export async function logs(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  const client = await connectUsed(context, invocation)
  const query = {
    services: await namedTargets(client, await client.status(), invocation),
    lines: invocation.count('lines', 0) ?? defaultLines,
  }
  using ending = untilEnded(context)
  if (invocation.has('follow')) {
    await followLogs(context, client, query, ending.signal, invocation.json)
    return 0
  }
  const lines = new LogLines(terminal.palette, await knownSlots(client, query.services))
  for await (const line of client.logs(query, ending.signal)) {
    terminal.print(invocation.json ? JSON.stringify(line) : lines.render(line))
    await terminal.drain()
  }
  return 0
}
