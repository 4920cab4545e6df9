/** `daruma plan`: what `up` would do. Changes nothing, and starts a daemon only where one has lived before. */

import { projectIdOf } from '../../../core/model/project-id.ts'
import { resolve } from 'node:path'

import type { Obstacles } from '../../../core/plan/obstacles.ts'
import type { Plan } from '../../../core/plan/plan.ts'
import { DarumaError } from '../../../ports/error.ts'
import type { Context } from '../../context.ts'
import type { Invocation } from '../../tree/invocation.ts'
import { makePlan, type PlannedChange, refuseObstacles } from '../../config/planned-change.ts'
import { planView, renderPlan, renderUnasked } from '../../render/plan.ts'
import { writePlan } from '../../config/saved-plan.ts'

export async function plan(context: Context, invocation: Invocation): Promise<number> {
  const change = await makePlan(context, invocation, { onIdle: false, mayAsk: false })
  if (change === null) return 1
  printPlan(context, invocation, change)
  await printDiff(context, invocation, change)
  if (!invocation.json) refuseObstacles(change.obstacles)
  else if (change.obstacles.certain.length > 0) return 1
  const out = invocation.text('out')
  if (out !== null) {
    if (change.isOpen === true)
      throw new DarumaError('E_PROJECT_RENAMED', 'A plan is saved only with an answer to whose it is.', {
        hint: 'Say it with --rename, --take-over or --new.',
      })
    const path = resolve(context.cwd, out)
    const { plan: made, project } = change.answer
    const { file, state, only, handOver } = change
    writePlan(path, { file, state: state.directory, project, only, plan: made, handOver })
    context.terminal.note(`Saved. \`daruma up --plan ${out}\` applies it, unless the state changes before then.`)
  }
  return invocation.has('exitCode') && change.answer.plan.steps.length > 0 ? 2 : 0
}

export function printPlan(context: Context, invocation: Invocation, change: PlannedChange): void {
  const { terminal } = context
  const { project, plan: made } = change.answer
  if (invocation.json) terminal.print(JSON.stringify(planDocument(project, made, change.obstacles)))
  else {
    terminal.print(renderPlan(made, projectIdOf(project), planView(terminal)).join('\n'))
    for (const line of renderUnasked(change.desired, made)) terminal.note(line)
    noteOpenObstacles(context, change.obstacles)
  }
}

export function noteOpenObstacles({ terminal }: Context, { open }: Obstacles): void {
  for (const { service, message, job } of open) terminal.note(`${service}: ${message}, unless the job ${job} makes it.`)
}

/** For a person who asks for it; a program has the names in the plan. */
export async function printDiff(context: Context, invocation: Invocation, change: PlannedChange): Promise<void> {
  if (!invocation.has('diff') || invocation.json) return
  const { renderDiff } = await import('../../releases/diff.ts')
  const lines = await renderDiff(change, context.terminal.palette)
  if (lines.length > 0) context.terminal.print(lines.join('\n'))
}

/** The stable form: the plan, whose it is, and what will keep services from starting, where something starts. */
export function planDocument(
  project: { readonly name: string; readonly stage: string | null },
  made: Plan,
  obstacles: Obstacles | null,
): object {
  const document = { kind: 'plan', project: project.name, stage: project.stage, ...made }
  return obstacles === null ? document : { ...document, obstacles: [...obstacles.certain, ...obstacles.open] }
}
