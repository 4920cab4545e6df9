/**
 * Staying in front, as a developer works: logs until Ctrl-C, then everything is stopped by hand (it stays applied, and stays stopped
 * until `daruma start`). A second Ctrl-C leaves at once; the daemon finishes the stopping.
 */

import type { Client } from './client.ts'
import type { Context } from '../context.ts'
import { followLogs, knownSlots } from '../screen/follow-logs.ts'
import { Invocation } from '../tree/invocation.ts'
import { interrupted, operate } from './operation.ts'
import { LogLines } from '../render/log.ts'
import { requester } from './requester.ts'

export async function attach(context: Context, client: Client): Promise<number> {
  const { terminal } = context
  terminal.note(terminal.notePalette.dim('Following the logs. Ctrl-C stops all services.'))
  if (!(await followUntilInterrupt(context, client))) {
    terminal.note('The reader of the logs is gone. The services keep running: `daruma stop` stops them.')
    return 0
  }
  terminal.note('\nStopping all services.')
  // Another may be at work: their operation is waited for, not left running.
  const code = await operate(context, new Invocation([], { wait: true }), client, {
    kind: 'stop',
    by: requester(context, 'up --attach', null),
    services: [],
  })
  if (code !== interrupted)
    terminal.note('Everything is still applied, and stopped by hand: `daruma start` starts it again, `daruma down` removes it.')
  return code
}

/** False when the logs have no reader any more: that is not a wish to stop what runs. */
async function followUntilInterrupt(context: Context, client: Client): Promise<boolean> {
  const stopping = new AbortController()
  const release = context.onInterrupt(() => stopping.abort())
  try {
    const signal = AbortSignal.any([stopping.signal, context.terminal.outputClosed])
    const lines = new LogLines(context.terminal.palette, { slots: await knownSlots(client, []) })
    await followLogs(context, client, { services: [], lines: 10 }, signal, (line) => {
      if (!('note' in line)) context.terminal.print(lines.render(line))
    })
    return stopping.signal.aborted
  } finally {
    release()
  }
}
