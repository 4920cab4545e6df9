/** `daruma doctor`: what this machine can promise. The daemon answers where one runs; without one the machine is looked at directly. */

import type { DoctorAnswer, Finding } from '../../../protocol/api.ts'
import { describeFormer, type FormerState } from '../../../protocol/former-states.ts'
import { DarumaError } from '../../../ports/error.ts'
import { connect } from '../../daemon/connect.ts'
import type { Context } from '../../context.ts'
import type { Invocation } from '../../tree/invocation.ts'
import { renderDoctor } from '../../render/doctor.ts'
import { resolveState } from '../../daemon/state.ts'

export async function doctor(context: Context, invocation: Invocation): Promise<number> {
  const answer = await examine(context, invocation)
  const { terminal } = context
  terminal.print(invocation.json ? JSON.stringify(answer) : renderDoctor(answer, terminal.palette, terminal.columns()).join('\n'))
  return answer.findings.some((finding) => finding.state === 'bad') ? 1 : 0
}

async function examine(context: Context, invocation: Invocation): Promise<DoctorAnswer> {
  const { directory, isUsed } = resolveState(context, invocation)
  const formers = (await context.tools.listFormerStates(directory)).flatMap(findFormer)
  try {
    const client = await connect(context, { directory, isUsed }, 'never')
    const { findings } = await (client === null ? context.tools.inspectMachine(directory) : client.doctor())
    return { findings: [...findings, ...formers] }
  } catch (error) {
    if (!(error instanceof DarumaError)) throw error
    const { findings } = await context.tools.inspectMachine(directory)
    const daemon: Finding = { name: 'daemon', state: 'bad', message: error.message, hint: error.hint }
    return { findings: [...findings, daemon, ...formers] }
  }
}

function findFormer(former: FormerState): readonly Finding[] {
  const message = describeFormer(former)
  return message === null
    ? []
    : [{ name: 'former state', state: 'weak', message, hint: `\`daruma up\` of it says how it is brought over.` }]
}
