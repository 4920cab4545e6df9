/** `daruma logs`: what the services print, side by side, in the order of time. */

import type { LogLine, LogNote } from '../../../protocol/api.ts'
import type { LogQuery } from '../../daemon/client.ts'
import { connectUsed } from '../../daemon/connect.ts'
import type { Context } from '../../context.ts'
import { followLogs, knownSlots } from '../../screen/follow-logs.ts'
import type { Invocation } from '../../tree/invocation.ts'
import { parseMoment } from '../../screen/moment.ts'
import { LogLines } from '../../render/log.ts'
import { namedTargets } from '../../config/targets.ts'
import { untilEnded } from '../../daemon/until-ended.ts'

export async function logs(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  const client = await connectUsed(context, invocation)
  const services = await namedTargets(client, await client.status(), invocation)
  const query = { services, ...readQuery(invocation, Date.now()) }
  using ending = untilEnded(context)
  const lines = new LogLines(terminal.palette, {
    slots: await knownSlots(client, services),
    hidesTime: invocation.has('hideTime'),
  })
  const show = (line: LogLine | LogNote): void => {
    if (invocation.json) terminal.print(JSON.stringify(line))
    else if ('note' in line) terminal.note(terminal.notePalette.yellow(line.note))
    else terminal.print(lines.render(line))
  }
  if (invocation.has('follow')) {
    await followLogs(context, client, query, ending.signal, show)
    return 0
  }
  for await (const line of client.logs(query, ending.signal)) {
    show(line)
    await terminal.drain()
  }
  return 0
}

function readQuery(invocation: Invocation, nowMs: number): Omit<LogQuery, 'services'> {
  const moment = (name: 'since' | 'until'): number | null => {
    const text = invocation.text(name)
    return text === null ? null : Math.max(0, Math.floor(parseMoment(text, `--${name}`, nowMs)))
  }
  const [lines, sinceMs, untilMs] = [invocation.count('lines', 0), moment('since'), moment('until')]
  return {
    ...(lines === null ? {} : { lines }),
    ...(sinceMs === null ? {} : { sinceMs }),
    ...(untilMs === null ? {} : { untilMs }),
  }
}
