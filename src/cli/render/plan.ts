/** A plan as a person reads it: what goes first, each reason on a line of its own, what is at risk, one summary line. */

import { shownDifference } from '../../core/plan/shown-difference.ts'
import { summarise } from '../../core/plan/summarise.ts'
import type { Plan, Reason, Step, StepKind } from '../../core/plan/plan.ts'
import type { Project } from '../../core/model/service.ts'
import type { Paint, Palette } from '../screen/colour.ts'
import { plural } from './quantity.ts'
import { displayWidth, padEnd, padStart, sanitise, wrap } from './width.ts'

export interface PlanView {
  readonly palette: Palette
  readonly columns: number
}

export const planView = (terminal: { readonly palette: Palette; columns(): number }): PlanView => ({
  palette: terminal.palette,
  columns: terminal.columns(),
})

export function renderPlan(plan: Plan, name: string, { palette, columns }: PlanView): string[] {
  const base = plan.base === 0 ? 'nothing applied yet' : `on revision ${plan.base}`
  if (plan.steps.length === 0)
    return [`${palette.bold(name)}: no changes ${palette.dim(`(${base}, ${plural(plan.unchanged, 'service')} up to date)`)}`]
  const nameWidth = Math.max(...plan.steps.map((step) => displayWidth(step.service)))
  const whatWidth = Math.max(...plan.steps.map((step) => displayWidth(step.what)))
  return [
    `${palette.bold(name)}, ${base}:`,
    '',
    ...plan.steps.flatMap((step) => renderStep(step, nameWidth, whatWidth, palette)).map((line) => wrap(line, columns, 10)),
    '',
    summarise(plan),
  ]
}

/** A tag that has moved in its registry is a change that no plan sees: who pulls always should know when that is. */
export function renderUnasked({ services }: Pick<Project, 'services'>, plan: Plan): string[] {
  return services.flatMap(({ name, runs }) => {
    if (runs.kind !== 'container' || runs.pull !== 'always' || runs.image.from !== 'registry') return []
    const { reference } = runs.image
    const isPulled = plan.steps.some(({ service, kind }) => service === name && kind !== 'remove')
    if (isPulled || reference.includes('@sha256:')) return []
    return [`${name}: whether ${reference} has moved is not asked for a plan; it is pulled when an up changes the service.`]
  })
}

const markers: Readonly<Record<StepKind, string>> = {
  create: '+',
  update: '~',
  remove: '-',
  replace: '-/+',
  restart: '-/+',
  'run-job': '+',
}

const reasonIndent = ' '.repeat(8)

function renderStep(step: Step, nameWidth: number, whatWidth: number, palette: Palette): string[] {
  const paint = paintOf(step.kind, palette)
  const head = [
    paint(padStart(markers[step.kind], 5)),
    padEnd(palette.bold(step.service), nameWidth),
    step.transition === null ? step.what : `${padEnd(step.what, whatWidth)}  ${palette.dim(step.transition)}`,
  ]
  return [
    head.join(' '),
    ...step.reasons.map((reason) => `${reasonIndent}${renderReason(reason, palette)}`),
    ...(step.warning === null ? [] : [`${' '.repeat(6)}${palette.yellow(`! ${sanitise(step.warning, false)}`)}`]),
  ]
}

function renderReason(reason: Reason, palette: Palette): string {
  const field = reason.field === '' ? '' : `${reason.field}: `
  const text = (value: string | null): string => (value === null ? palette.dim('unset') : sanitise(value, false))
  if (reason.note !== null) return `${field}${sanitise(reason.note, false)}`
  const { from, to } = shownDifference(reason)
  return `${field}${text(from)} ${palette.dim('→')} ${text(to)}`
}

function paintOf(kind: StepKind, palette: Palette): Paint {
  if (kind === 'create' || kind === 'run-job') return palette.green
  return kind === 'remove' ? palette.red : palette.yellow
}
