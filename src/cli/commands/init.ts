/** `daruma init`: a commented starter from what is found in the folder. */

import { basename } from 'node:path'

import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'
import { discover } from '../init/discover.ts'
import { proposeConfig } from '../init/propose.ts'
import { writeStarter } from '../init/write.ts'

export async function init(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  if (invocation.has('print')) {
    terminal.print(proposeConfig(await discover(context.cwd, context.environment), context.cwd).trimEnd())
    return 0
  }
  const { file } = await writeStarter(context.cwd, context.environment)
  if (invocation.json) terminal.print(JSON.stringify({ file }))
  else terminal.print(`Wrote ${basename(file)}. Read it, change it, then: daruma plan, daruma up`)
  return 0
}
