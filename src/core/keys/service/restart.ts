/** `restart`: when an instance that has ended is started again. A policy alone is the short form. */

import { duration, wholeNumber } from '../../values/amounts.ts'
import { oneOf } from '../../values/scalars.ts'
import { type Reader, type ValueType, valueType } from '../../values/value-type.ts'
import { type Group, group, type WrittenOf } from '../key.ts'
import type { ScaleKind } from './scale.ts'

/** `always`, `on-failure` and `no` are Compose's words. */
export interface RestartPolicy {
  readonly policy: 'always' | 'on-failure' | 'no'
  /** Delay before the second quick restart in a row (the first has none); doubled each time. 0 turns the back-off off. */
  readonly delayMs: number
  readonly maxDelayMs: number
  /** An instance that lived this long has proven itself: the failures before it are forgotten. */
  readonly resetAfterMs: number
  /** Quick failures in a row after which the slot is called crash-looping (services) or failed (jobs). */
  readonly budget: number
}

/** A job and a run of a schedule are done when they have ended. */
export const usualPolicy = (kind: ScaleKind): RestartPolicy['policy'] => (kind === 'job' || kind === 'schedule' ? 'no' : 'always')

const backOff = duration({ from: 0 })

/** `false` is the same as `'0s'`: no back-off. */
const delay: ValueType<number> = {
  ...backOff,
  accepts: `${backOff.accepts}, or false for none`,
  read(value, at, problems) {
    return value === false ? 0 : backOff.read(value, at, problems)
  },
}

/** What the other tools call the three policies. */
const restartWords = {
  'unless-stopped': 'always',
  Always: 'always',
  OnFailure: 'on-failure',
  'on-abnormal': 'on-failure',
  Never: 'no',
  never: 'no',
  none: 'no',
  false: 'no',
  true: 'always',
} as const

const restartWord = oneOf(['always', 'on-failure', 'no'], restartWords)

const restartObject = group<RestartPolicy>('restart', {
  policy: {
    type: restartWord,
    defaultWords: `\`'${usualPolicy('replicas')}'\`; \`'${usualPolicy('job')}'\` for a job`,
    prose: 'Whether an instance that has ended is started again: always, only when it failed, or never.',
    example: "'on-failure'",
  },
  delayMs: {
    key: 'delay',
    type: delay,
    default: 100,
    prose:
      'The wait before the second quick restart in a row (the first has none); it doubles each time. `false` or `0s` turns the back-off off.',
    example: "'500ms'",
  },
  maxDelayMs: {
    key: 'maxDelay',
    type: backOff,
    default: 30_000,
    prose: 'The longest wait between two restarts.',
    example: "'1m'",
  },
  resetAfterMs: {
    key: 'resetAfter',
    type: duration({ from: 0 }),
    default: 10_000,
    prose: 'An instance that lived this long has proven itself: the failures before it are forgotten.',
    example: "'1m'",
  },
  budget: {
    type: wholeNumber({ from: 1, to: 1000 }),
    default: 5,
    prose:
      'Quick failures in a row after which a service is called crash-looping (and is still tried), and a job failed (and is not).',
    example: '10',
  },
})

const shortOrLong: Reader<WrittenOf<RestartPolicy>> = {
  accepts: `${restartWord.accepts}, or ${restartObject.accepts}`,
  read(value, at, problems) {
    if (typeof value !== 'string' && typeof value !== 'boolean') return restartObject.read(value, at, problems)
    const policy = restartWord.read(value, at, problems)
    return policy === undefined ? undefined : { policy }
  },
}

export const restart: Group<RestartPolicy> = { ...restartObject, ...valueType(shortOrLong, restartObject) }
