/** The operations on services that need no config: `restart`, `stop`, `start`, `scale`. */

import { DarumaError } from '../../ports/error.ts'
import { confirm } from '../confirm.ts'
import { connectUsed } from '../connect.ts'
import type { Context } from '../context.ts'
import { unknownService } from '../desired.ts'
import { type Invocation, parseCount } from '../invocation.ts'
import { operate } from '../operation.ts'
import { plural } from '../render/quantity.ts'
import { requester } from '../requester.ts'
import { namedServices } from '../targets.ts'

export const restart = (context: Context, invocation: Invocation): Promise<number> => onServices(context, invocation, 'restart')
export const stop = (context: Context, invocation: Invocation): Promise<number> => onServices(context, invocation, 'stop')
export const start = (context: Context, invocation: Invocation): Promise<number> => onServices(context, invocation, 'start')

async function onServices(context: Context, invocation: Invocation, kind: 'restart' | 'stop' | 'start'): Promise<number> {
  const client = await connectUsed(context, invocation)
  const status = await client.status()
  const services = namedServices(status, invocation)
  if (services.length === 0) {
    context.terminal.note('There are no services.')
    return 0
  }
  const isAll = invocation.words.length === 0 && invocation.list('only').length === 0
  if (isAll && kind !== 'start' && !(await confirm(context, invocation, `${kind === 'stop' ? 'Stop' : 'Restart'} all ${plural(services.length, 'service')}?`))) return 1
  const code = await operate(context, invocation, client, { kind, by: requester(context, [kind, ...invocation.words].join(' '), null), services })
  if (kind === 'stop' && code === 0 && !invocation.json) context.terminal.note(`Stopped by hand, until \`daruma start${isAll ? '' : ` ${services.join(' ')}`}\`.`)
  return code
}

export async function scale(context: Context, invocation: Invocation): Promise<number> {
  const [, service, count] = /^([^=]+)=(.*)$/.exec(invocation.words[0] ?? '') ?? []
  if (service === undefined || count === undefined) {
    throw new DarumaError('E_USAGE', `"${invocation.words[0]}" is not SERVICE=COUNT`, { hint: 'For example: daruma scale web=5' })
  }
  const replicas = parseCount(count, `the number of replicas of ${service}`, 0)
  const client = await connectUsed(context, invocation)
  const status = await client.status()
  const known = status.services.find((candidate) => candidate.service === service)
  if (known === undefined) throw unknownService(service, status.services.map((candidate) => candidate.service))
  if (known.kind !== 'replicas') {
    throw new DarumaError('E_SCALE_KIND', `${service} is a ${known.kind}: there is exactly one of it`, { hint: 'Only a service with replicas can be scaled.' })
  }
  return operate(context, invocation, client, { kind: 'scale', by: requester(context, `scale ${service}=${replicas}`, null), service, replicas })
}
