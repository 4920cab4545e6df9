/** `daruma doctor`: what this machine can promise. The daemon answers where one runs; without one the machine is looked at directly. */

import type { DoctorAnswer } from '../../../protocol/api.ts'
import { DarumaError } from '../../../ports/error.ts'
import { connect } from '../../daemon/connect.ts'
import type { Context } from '../../context.ts'
import type { Invocation } from '../../tree/invocation.ts'
import { renderDoctor } from '../../render/doctor.ts'
import { defaultRoot, resolveState } from '../../daemon/state.ts'

export async function doctor(context: Context, invocation: Invocation): Promise<number> {
  const answer = await examine(context, invocation)
  const { terminal } = context
  terminal.print(invocation.json ? JSON.stringify(answer) : renderDoctor(answer, terminal.palette, terminal.columns()).join('\n'))
  return answer.findings.some((finding) => finding.state === 'bad') ? 1 : 0
}

async function examine(context: Context, invocation: Invocation): Promise<DoctorAnswer> {
  try {
    const state = await resolveState(context, invocation)
    const client = await connect(context, state, 'never')
    return await (client === null ? context.tools.inspectMachine(state.directory) : client.doctor())
  } catch (error) {
    if (!(error instanceof DarumaError)) throw error
    const machine = await context.tools.inspectMachine(defaultRoot(context))
    if (error.code === 'E_CONFIG_MISSING' || error.code === 'E_CONFIG') return machine
    return { findings: [...machine.findings, { name: 'daemon', state: 'bad', message: error.message, hint: error.hint }] }
  }
}
