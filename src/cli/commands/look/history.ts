/** `daruma history`: the revisions, or the plan of one. */

import { projectIdOf } from '../../../core/model/project-id.ts'
import { connectUsed } from '../../daemon/connect.ts'
import type { Context } from '../../context.ts'
import { type Invocation, parseCount } from '../../tree/invocation.ts'
import { renderHistory } from '../../render/history.ts'
import { planView, renderPlan } from '../../render/plan.ts'

const defaultLines = 20

export async function history(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  const client = await connectUsed(context, invocation)
  const word = invocation.words[0]
  if (word !== undefined) {
    const view = await client.revision(parseCount(word, 'the revision', 1))
    if (invocation.json) terminal.print(JSON.stringify(view))
    else {
      terminal.print(renderHistory([view], terminal.palette, terminal.columns()).join('\n'))
      terminal.print(`\n${renderPlan(view.plan, projectIdOf(view.project), planView(terminal)).join('\n')}`)
    }
    return 0
  }
  const revisions = (await client.revisions()).slice(0, invocation.count('lines', 1) ?? defaultLines)
  if (invocation.json) terminal.print(JSON.stringify(revisions))
  else terminal.print(renderHistory(revisions, terminal.palette, terminal.columns()).join('\n'))
  return 0
}
