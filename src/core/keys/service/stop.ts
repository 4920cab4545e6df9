/** `stop`: how an instance is ended. */

import { duration } from '../../values/amounts.ts'
import { oneOf } from '../../values/scalars.ts'
import { type Group, group } from '../key.ts'

const signals = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGKILL', 'SIGWINCH'] as const

export type SignalName = (typeof signals)[number]

export interface StopPolicy {
  readonly signal: SignalName
  readonly gracePeriodMs: number
}

export const stop: Group<StopPolicy> = group<StopPolicy>('stop', {
  signal: {
    type: oneOf(signals, Object.fromEntries(signals.map((signal) => [signal.slice(3), signal]))),
    default: 'SIGTERM',
    prose: 'The signal that asks the command to end.',
    example: "'SIGINT'",
  },
  gracePeriodMs: {
    key: 'gracePeriod',
    type: duration({ from: 0, to: 86_400_000 }),
    // Compose's and Docker's.
    default: 10_000,
    prose: 'How long the command may take to end before everything in its control group is killed.',
    example: "'30s'",
  },
})
