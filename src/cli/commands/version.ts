/** `daruma version`. */

import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'

export async function version(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  const node = process.version.replace(/^v/, '')
  if (invocation.json) terminal.print(JSON.stringify({ daruma: context.version, node }))
  else terminal.print(`daruma ${context.version} (node ${node})`)
  return 0
}
