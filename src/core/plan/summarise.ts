/** A plan in one line: `Plan: 2 to create, 1 to change, 1 to remove, 3 unchanged.` */

import type { Plan, StepKind } from './plan.ts'

const words: readonly (readonly [StepKind, string])[] = [
  ['create', 'to create'],
  ['run-job', 'to run'],
  ['update', 'to change'],
  ['replace', 'to replace'],
  ['restart', 'to restart'],
  ['remove', 'to remove'],
]

export function summarise(plan: Plan): string {
  if (plan.steps.length === 0) return `No changes. ${describeUnchanged(plan.unchanged)}`
  const parts = words.flatMap(([kind, text]) => {
    const count = plan.steps.filter((step) => step.kind === kind).length
    return count === 0 ? [] : [`${count} ${text}`]
  })
  return `Plan: ${[...parts, `${plan.unchanged} unchanged`].join(', ')}.`
}

function describeUnchanged(count: number): string {
  if (count === 0) return 'There are no services.'
  return count === 1 ? '1 service is as the config says.' : `${count} services are as the config says.`
}
