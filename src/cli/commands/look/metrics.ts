/** `daruma metrics`: what a scraper would get. */

import { connectUsed } from '../../daemon/connect.ts'
import type { Context } from '../../context.ts'
import type { Invocation } from '../../tree/invocation.ts'

export async function metrics(context: Context, invocation: Invocation): Promise<number> {
  const client = await connectUsed(context, invocation)
  const text = (await client.metrics()).trimEnd()
  context.terminal.print(invocation.json ? JSON.stringify({ text }) : text)
  return 0
}
