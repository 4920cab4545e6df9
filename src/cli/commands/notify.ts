/** `daruma notify`: whom the daemon tells of troubles, and whether it reaches them. */

import type { NoticesAnswer } from '../../protocol/notices.ts'
import type { Context } from '../context.ts'
import { connectUsed } from '../daemon/connect.ts'
import { explainUnreached } from '../render/status.ts'
import { formatAge } from '../render/quantity.ts'
import { type Column, renderTable, type Row } from '../render/table.ts'
import { sanitise } from '../render/width.ts'
import type { Invocation } from '../tree/invocation.ts'
import type { Palette } from '../screen/colour.ts'

export async function list(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  const client = await connectUsed(context, invocation)
  const answer = await client.notices()
  if (invocation.json) terminal.print(JSON.stringify(answer))
  else
    terminal.print(
      renderNotices(answer, { palette: terminal.palette, columns: terminal.columns(), nowMs: Date.now() }).join('\n'),
    )
  return 0
}

export async function test(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  const client = await connectUsed(context, invocation)
  const answer = await client.testNotices()
  const code = answer.answers.every(({ isTaken }) => isTaken) ? 0 : 1
  if (invocation.json) {
    terminal.print(JSON.stringify(answer))
    return code
  }
  const { green, red } = terminal.palette
  for (const { target, isTaken, message } of answer.answers)
    terminal.print(`${isTaken ? green('✓') : red('✗')} ${sanitise(target, false)}: ${sanitise(message, false)}`)
  return code
}

interface View {
  readonly palette: Palette
  readonly columns: number
  readonly nowMs: number
}

const targetColumns: readonly Column[] = [
  { title: 'TARGET' },
  { title: 'STATE' },
  { title: 'LAST TAKEN' },
  { title: 'ON', leaves: 1 },
]
const troubleColumns: readonly Column[] = [{ title: 'TROUBLE' }, { title: 'SERVICE' }, { title: 'SINCE' }]

export function renderNotices({ targets, troubles }: NoticesAnswer, { palette, columns: width, nowMs }: View): readonly string[] {
  if (targets.length === 0) return ['The active config has no `notify`: no notices are sent.']
  const style = { width, title: palette.dim, noteIndent: 4 }
  const rows = targets.map(({ target, on, isPending, lastTakenAt, failure }): Row => {
    const state = failure !== null ? palette.red('not reached') : isPending ? palette.yellow('sending') : palette.green('idle')
    const taken = lastTakenAt === null ? '-' : `${formatAge(lastTakenAt, nowMs)} ago`
    const cells = [sanitise(target, false), state, taken, on.join(', ')]
    return failure === null ? { cells } : { cells, notes: [explainUnreached(failure, nowMs)] }
  })
  const lasting = troubles.map(({ topic, service, message, cause, since }): Row => {
    const why = sanitise(cause === null ? message : `${message}: ${cause}`, false)
    return { cells: [palette.red(topic), service ?? '-', `${formatAge(since, nowMs)} ago`], notes: [why] }
  })
  return [
    ...renderTable(targetColumns, rows, style),
    '',
    ...(lasting.length === 0 ? [palette.green('Nothing is in trouble.')] : renderTable(troubleColumns, lasting, style)),
  ]
}
