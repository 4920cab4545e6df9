/** What the world may say no to, as the port names it. */

import { portHolder } from '../../system/port-holder.ts'
import { DarumaError } from '../../ports/error.ts'
import type { TakenPort } from './clients/front.ts'

export const away = (cause: unknown): DarumaError =>
  new DarumaError('E_BALANCER_AWAY', 'The balancer does not answer.', {
    hint: 'It restarts automatically; `daruma logs @balancer` shows why it ended.',
    cause,
  })

export const unusableCertificate = (problem: string): DarumaError =>
  new DarumaError('E_BALANCER_CONFIG', `A certificate cannot be used: ${problem}.`, {
    hint: 'The file must hold the whole chain and its private key, as PEM.',
  })

export const notUnderstood = (problem: string): DarumaError =>
  new DarumaError('E_BALANCER_CONFIG', `The balancer rejects the routing table: ${problem}.`, {
    hint: 'The previous routing table is still active.',
  })

export function portsTaken(taken: readonly TakenPort[]): DarumaError {
  const words = taken.map(({ port, code }) => {
    if (code === 'EACCES') return `port ${port}: this user may not listen there`
    const holder = code === 'EADDRINUSE' ? portHolder(port) : null
    return `port ${port}: ${holder === null ? code : `${holder} has it`}`
  })
  return new DarumaError('E_BALANCER_PORT', `The balancer cannot listen on ${words.join('; ')}.`, {
    hint: 'End what holds it, or give the route another port; the other routes are served.',
  })
}
