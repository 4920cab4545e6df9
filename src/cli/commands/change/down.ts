/** `daruma down`: ends and removes every service. The history and the volumes stay, so that an `up` brings the same data back. */

import { projectIdOf } from '../../../core/model/project-id.ts'
import { defaultBalancer as balancer } from '../../../core/keys/balancer.ts'
import { confirm } from '../../screen/confirm.ts'
import type { StatusAnswer } from '../../../protocol/api.ts'
import type { Client } from '../../daemon/client.ts'
import { connectUsed } from '../../daemon/connect.ts'
import type { Context } from '../../context.ts'
import type { Invocation } from '../../tree/invocation.ts'
import { operate } from '../../daemon/operation.ts'
import { planView, renderPlan } from '../../render/plan.ts'
import { requester } from '../../daemon/requester.ts'
import { DarumaError } from '../../../ports/error.ts'
import { planDocument } from './plan.ts'

export async function down(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  if (invocation.list('only').length > 0) {
    throw new DarumaError('E_USAGE', '`down` takes everything down; --only has no place in it.', {
      hint: '`daruma stop SERVICE` stops one; one that leaves the config is removed by `up`.',
    })
  }
  const client = await connectUsed(context, invocation)
  const status = await client.status()
  if (status.revision === 0 && status.instances.length > 0) {
    const { condition } = status.daemon
    if (condition === null) return endUnrecorded(context, invocation, client, status)
    throw new DarumaError('E_PLAN_REFUSED', `Something runs, and what was applied is not known: ${condition}.`, {
      hint: 'Of a damaged database, put a backup in its place first or move it away.',
    })
  }
  if (status.project === null || status.services.length === 0) {
    terminal.note('Nothing is up.')
    return 0
  }
  const project = { name: status.project, stage: status.stage, balancer, notify: [], services: [] }
  const { plan } = await client.plan({ project, secrets: {}, isRollback: true, only: null })
  if (invocation.json) terminal.print(JSON.stringify(planDocument(project, plan, null)))
  else terminal.print(renderPlan(plan, projectIdOf(project), planView(terminal)).join('\n'))
  if (!(await confirm(context, invocation, 'Take everything down?'))) return 1
  return operate(context, invocation, client, { kind: 'down', by: requester(context, 'down', null) })
}

/** The database has never heard of it: no plan can name what goes, but what runs can be named. */
async function endUnrecorded(
  context: Context,
  invocation: Invocation,
  client: Client,
  { instances }: StatusAnswer,
): Promise<number> {
  const slots = instances.map(({ slot }) => slot).toSorted()
  context.terminal.note(`Nothing is recorded of this project, and this runs: ${slots.join(', ')}.`)
  context.terminal.note('`daruma up` with its config would record it again and adopt what runs.')
  if (!(await confirm(context, invocation, 'End all of it?'))) return 1
  return operate(context, invocation, client, { kind: 'down', by: requester(context, 'down', null) })
}
