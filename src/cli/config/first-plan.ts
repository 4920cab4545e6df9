/** The plan of a project of which nothing is recorded and nothing runs: the daemon's own function, against nothing. */

import { planChanges } from '../../core/plan/plan-changes.ts'
import type { Project } from '../../core/model/service.ts'
import type { PlanAnswer } from '../../protocol/api.ts'
import { DarumaError } from '../../ports/error.ts'

/** The digests of secrets stay empty: their key is the state's, and there is no state yet. */
export function planFirst(project: Project): PlanAnswer {
  const outcome = planChanges({ desired: project, recorded: null, observed: [], isRollback: false, only: null })
  if ('plan' in outcome) return { plan: outcome.plan, project }
  const hint = outcome.problems[0]?.allowed ?? null
  const message = outcome.problems.map((problem) => problem.message).join('\n')
  throw new DarumaError(outcome.problems[0]?.code ?? 'E_PLAN_REFUSED', message, hint === null ? {} : { hint })
}
