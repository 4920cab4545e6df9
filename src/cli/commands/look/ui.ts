/** `daruma ui`: asks the daemon to serve the page, and prints where. The link is all that somebody on this machine needs to look. */

import { connectUsed } from '../../daemon/connect.ts'
import type { Context } from '../../context.ts'
import type { Invocation } from '../../tree/invocation.ts'
import { DarumaError } from '../../../ports/error.ts'

const largestPort = 65_535

export async function ui(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  const port = invocation.count('port', 1)
  if (port !== null && port > largestPort) throw new DarumaError('E_USAGE', `--port is ${port}; the largest is ${largestPort}.`)
  const client = await connectUsed(context, invocation)
  const answer = await client.page({ port })
  terminal.print(invocation.json ? JSON.stringify(answer) : answer.url)
  if (invocation.has('open') && !(await context.tools.openBrowser(answer.url)))
    terminal.note(terminal.notePalette.yellow('xdg-open is not here: open the link yourself'))
  return 0
}
