/** `daruma promote`: what is tried out with a share of the requests gets all of them, without waiting for the rest of its time. */

import { connectUsed } from '../../daemon/connect.ts'
import type { Context } from '../../context.ts'
import type { Invocation } from '../../tree/invocation.ts'
import { namedServices } from '../../config/targets.ts'

export async function promote(context: Context, invocation: Invocation): Promise<number> {
  const client = await connectUsed(context, invocation)
  const answer = await client.promote({ services: namedServices(await client.status(), invocation) })
  if (invocation.json) context.terminal.print(JSON.stringify(answer))
  else context.terminal.note(`Promoted: ${answer.services.join(', ')}. The \`up\` that is under way continues with it.`)
  return 0
}
