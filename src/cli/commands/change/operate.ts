/** The operations on services that need no config: `restart`, `stop`, `start`, `scale`. */

import { DarumaError } from '../../../ports/error.ts'
import { confirm } from '../../screen/confirm.ts'
import { connectUsed } from '../../daemon/connect.ts'
import type { Context } from '../../context.ts'
import { unknownService } from '../../config/desired.ts'
import { type Invocation, parseCount } from '../../tree/invocation.ts'
import { operate } from '../../daemon/operation.ts'
import { requester } from '../../daemon/requester.ts'
import { namedServices } from '../../config/targets.ts'

export const restart = (context: Context, invocation: Invocation): Promise<number> => onServices(context, invocation, 'restart')
export const stop = (context: Context, invocation: Invocation): Promise<number> => onServices(context, invocation, 'stop')
export const start = (context: Context, invocation: Invocation): Promise<number> => onServices(context, invocation, 'start')

async function onServices(context: Context, invocation: Invocation, kind: 'restart' | 'stop' | 'start'): Promise<number> {
  const client = await connectUsed(context, invocation)
  const services = namedServices(await client.status(), invocation)
  const isAll = services.length === 0
  const question = kind === 'stop' ? 'Stop all services?' : 'Restart all services?'
  if (isAll && kind !== 'start' && !(await confirm(context, invocation, question))) return 1
  const by = requester(context, [kind, ...services].join(' '), null)
  const code = await operate(context, invocation, client, { kind, by, services })
  const again = ['daruma start', ...services].join(' ')
  if (kind === 'stop' && code === 0 && !invocation.json)
    context.terminal.note(`Stopped by hand, until \`${again}\` or the next \`daruma up\`.`)
  return code
}

export async function scale(context: Context, invocation: Invocation): Promise<number> {
  const [, service, count] = /^([^=]+)=(.*)$/.exec(invocation.words[0] ?? '') ?? []
  if (service === undefined || count === undefined) {
    throw new DarumaError('E_USAGE', `"${invocation.words[0]}" is not SERVICE=COUNT.`, {
      hint: 'For example: daruma scale web=5',
    })
  }
  const replicas = parseCount(count, `the number of replicas of ${service}`, 0)
  const client = await connectUsed(context, invocation)
  const status = await client.status()
  const known = status.services.map((candidate) => candidate.service as string)
  if (!known.includes(service)) throw unknownService(service, known)
  const code = await operate(context, invocation, client, {
    kind: 'scale',
    by: requester(context, `scale ${service}=${replicas}`, null),
    service,
    replicas,
  })
  const isStopped = status.services.some((candidate) => candidate.service === service && candidate.stoppedByHand)
  if (isStopped && code === 0 && !invocation.json)
    context.terminal.note(`${service} is stopped by hand, and stays so: \`daruma start ${service}\` starts it.`)
  return code
}
