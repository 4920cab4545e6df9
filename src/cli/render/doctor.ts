/** The examination of a machine: each finding with what to do about it, and at the end the one sentence that matters. */

import type { DoctorAnswer, Finding } from '../../protocol/api.ts'
import type { Paint, Palette } from '../screen/colour.ts'
import { padEnd, sanitise, wrap } from './width.ts'

export function renderDoctor(answer: DoctorAnswer, palette: Palette, columns: number): string[] {
  const width = answer.findings.reduce((widest, finding) => Math.max(widest, finding.name.length), 0)
  return [
    ...answer.findings.flatMap((finding) => renderFinding(finding, width, palette)).map((line) => wrap(line, columns, width + 4)),
    '',
    wrap(concludeDoctor(answer, palette), columns, 0),
  ]
}

const marks: Readonly<Record<Finding['state'], string>> = { good: '✓', weak: '!', bad: '✗' }

function renderFinding(finding: Finding, width: number, palette: Palette): string[] {
  const paint = paintOf(finding.state, palette)
  const line = `${paint(marks[finding.state])} ${padEnd(palette.bold(finding.name), width)}  ${sanitise(finding.message, false)}`
  if (finding.hint === null) return [line]
  return [line, `${' '.repeat(width + 4)}${palette.dim(`→ ${sanitise(finding.hint, false)}`)}`]
}

/** Which guarantee this machine can give, in one sentence. */
function concludeDoctor(answer: DoctorAnswer, palette: Palette): string {
  const are = (state: Finding['state']): readonly Finding[] => answer.findings.filter((finding) => finding.state === state)
  const bad = [...new Set(are('bad').map(({ name }) => name))].join(', ')
  if (bad !== '') return palette.red(`This machine cannot do its work as it is: ${bad}.`)
  if (are('weak').length > 0)
    return palette.yellow('Daruma starts nothing twice on this machine; what weakens the guarantee is marked with ! above.')
  return palette.green('This machine gives the strict guarantee: nothing runs twice, and what fails is restarted.')
}

function paintOf(state: Finding['state'], palette: Palette): Paint {
  if (state === 'good') return palette.green
  return state === 'weak' ? palette.yellow : palette.red
}
