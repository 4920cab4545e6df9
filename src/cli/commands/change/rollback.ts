/** `daruma rollback [N]`: an older revision again, as a new one; the last good one when none is named. Shows what that changes, and asks. */

import { projectIdOf } from '../../../core/model/project-id.ts'
import type { RevisionSummary } from '../../../protocol/api.ts'
import { DarumaError } from '../../../ports/error.ts'
import { confirm } from '../../screen/confirm.ts'
import { connectUsed } from '../../daemon/connect.ts'
import type { Context } from '../../context.ts'
import { type Invocation, parseCount } from '../../tree/invocation.ts'
import { lastGoodRevision } from '../../config/last-good.ts'
import { operate } from '../../daemon/operation.ts'
import { findObstacles, refuseObstacles, requireIdle } from '../../config/planned-change.ts'
import { planView, renderPlan } from '../../render/plan.ts'
import { requester } from '../../daemon/requester.ts'
import { noteOpenObstacles, planDocument } from './plan.ts'

export async function rollback(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  const named = invocation.words[0] === undefined ? null : parseCount(invocation.words[0], 'the revision', 1)
  const client = await connectUsed(context, invocation)
  await requireIdle(context, invocation, client)
  const known = await client.revisions()
  const number = named ?? requireLastGood(known).number
  if (!known.some((revision) => revision.number === number)) {
    const numbers = known.map((revision) => revision.number)
    throw new DarumaError('E_REVISION_UNKNOWN', `There is no revision ${number}.`, {
      hint:
        numbers.length === 0 ? 'Nothing has been applied yet.' : `There are ${numbers.at(-1)} to ${numbers[0]}: daruma history`,
    })
  }
  const { project } = await client.revision(number)
  const answer = await client.plan({ project, secrets: {}, isRollback: true, only: null })
  const { plan } = answer
  const obstacles = await findObstacles(context, client, answer)
  const title = `${projectIdOf(project)}, back to revision ${number}${named === null ? ' (the last that was good)' : ''}`
  if (invocation.json) terminal.print(JSON.stringify(planDocument(project, plan, obstacles)))
  else {
    terminal.print(renderPlan(plan, title, planView(terminal)).join('\n'))
    noteOpenObstacles(context, obstacles)
  }
  refuseObstacles(obstacles, 'Fix what is named, or go back to another revision.')
  if (plan.steps.length > 0 && !(await confirm(context, invocation, `Go back to revision ${number}?`))) return 1
  return operate(context, invocation, client, {
    kind: 'rollback',
    by: requester(context, `rollback ${number}`, null),
    revision: number,
  })
}

function requireLastGood(known: readonly RevisionSummary[]): RevisionSummary {
  const found = lastGoodRevision(known)
  if (found !== null) return found
  throw new DarumaError('E_REVISION_UNKNOWN', 'There is no revision before this one that was ever healthy.', {
    hint: '`daruma history` lists them; `daruma rollback N` goes to any.',
  })
}
