/** What the balancer's adapter can fail with, in one place. */

import { DarumaError } from '../../ports/error.ts'

export const away = (cause?: unknown): DarumaError =>
  new DarumaError('E_BALANCER_AWAY', 'The balancer does not answer.', {
    hint: 'It restarts automatically; `daruma logs @balancer` shows why it ended.',
    ...(cause === undefined ? {} : { cause }),
  })

export const refusedConfig = (what: string, words: string): DarumaError =>
  new DarumaError('E_BALANCER_CONFIG', `${what}: ${words.trim()}`, { hint: 'The previous routing table is still active.' })

export const unusableCertificate = (file: string, because: string): DarumaError =>
  new DarumaError('E_BALANCER_CONFIG', `The certificate ${file} cannot be used: ${because}.`, {
    hint: 'The file must hold the whole chain and its private key, as PEM.',
  })

export interface TakenPort {
  readonly port: number
  /** `nginx (pid 812)`, or why it cannot be had. */
  readonly by: string
}

export const portsTaken = (taken: readonly TakenPort[]): DarumaError =>
  new DarumaError(
    'E_BALANCER_PORT',
    `The balancer cannot listen on ${taken.map(({ port, by }) => `port ${port}: ${by}`).join('; ')}.`,
    { hint: 'End what holds it, or give the route another port; the other routes are served.' },
  )
