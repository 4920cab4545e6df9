/** `stop`: how an instance is ended. */

import { duration } from '../../values/amounts.ts'
import { oneOf } from '../../values/scalars.ts'
import { type Group, group } from '../key.ts'

const signals = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGKILL', 'SIGWINCH'] as const

export type SignalName = (typeof signals)[number]

export interface StopPolicy {
  readonly signal: SignalName
  readonly gracePeriodMs: number
  /** What the signal goes to at once; what is left when the command has gone gets it then. */
  readonly to: 'leader' | 'all'
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
    prose:
      'How long the whole instance may take to end, the command and everything that it has started, before all that is left is killed.',
    example: "'30s'",
  },
  to: {
    type: oneOf(['leader', 'all']),
    default: 'leader',
    prose:
      "What gets the signal at once. `'leader'`: the command itself; what is left when it has gone (the server behind `npm start`) gets it then, and has the rest of the grace period. `'all'`: every process of the instance, for a command that waits for the others and passes nothing on. Of a container always its first process.",
    example: "'all'",
  },
})
