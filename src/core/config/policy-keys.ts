/**
 * The keys of `stop`, `restart`, `update` and `logs`: how an instance ends, gets up, is replaced, and what it leaves behind.
 */

import { formatDuration, formatSize } from '../model/quantity.ts'
import type { RestartPolicy, SignalName, UpdatePolicy } from '../model/service.ts'
import * as defaults from './defaults.ts'
import { type KeyTable, objectBy } from './key-table.ts'
import { duration, oneOf, type Reader, size, wholeNumber } from './reader.ts'

export interface WrittenStop {
  readonly signal?: SignalName
  readonly gracePeriod?: number
}

export interface WrittenRestart {
  readonly policy?: RestartPolicy['policy']
  readonly delay?: number
  readonly maxDelay?: number
  readonly resetAfter?: number
  readonly budget?: number
}

export interface WrittenUpdate {
  readonly order?: UpdatePolicy['order']
  readonly deadline?: number
  readonly minReady?: number
}

export interface WrittenLogs {
  readonly maxSize?: number
}

const signals = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGKILL', 'SIGWINCH'] as const

export const stopKeys: KeyTable<WrittenStop> = {
  signal: {
    reader: oneOf(signals, Object.fromEntries(signals.map((signal) => [signal.slice(3), signal]))),
    default: `\`'${defaults.stopSignal}'\``,
    prose: 'The signal that asks the command to end.',
    example: "'SIGINT'",
  },
  gracePeriod: {
    reader: duration({ from: 0, to: 86_400_000 }),
    default: inQuotes(defaults.gracePeriodMs),
    prose: 'How long the command may take to end before everything in its control group is killed.',
    example: "'30s'",
  },
}

const backOff = duration({ from: 0 })

/** `false` is the same as `'0s'`: no back-off. */
const delay: Reader<number> = {
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

export const restartWord: Reader<RestartPolicy['policy']> = oneOf(['always', 'on-failure', 'no'], restartWords)

export const restartKeys: KeyTable<WrittenRestart> = {
  policy: {
    reader: restartWord,
    default: `\`'${defaults.restartPolicy('replicas')}'\`; \`'${defaults.restartPolicy('job')}'\` for a job`,
    prose: 'Whether an instance that has ended is started again: always, only when it failed, or never.',
    example: "'on-failure'",
  },
  delay: {
    reader: delay,
    default: inQuotes(defaults.restartDelayMs),
    prose:
      'The wait before the second quick restart in a row (the first has none); it doubles each time. `false` or `0s` turns the back-off off.',
    example: "'500ms'",
  },
  maxDelay: {
    reader: backOff,
    default: inQuotes(defaults.restartMaxDelayMs),
    prose: 'The longest wait between two restarts.',
    example: "'1m'",
  },
  resetAfter: {
    reader: duration({ from: 0 }),
    default: inQuotes(defaults.restartResetAfterMs),
    prose: 'An instance that lived this long has proven itself: the failures before it are forgotten.',
    example: "'1m'",
  },
  budget: {
    reader: wholeNumber({ from: 1, to: 1000 }),
    default: `\`${defaults.restartBudget}\``,
    prose:
      'Quick failures in a row after which a service is called crash-looping (and is still tried), and a job failed (and is not).',
    example: '10',
  },
}

export const updateKeys: KeyTable<WrittenUpdate> = {
  order: {
    reader: oneOf(['start-first', 'stop-first']),
    default: "`'start-first'` for replicas without volumes and without a fixed port, else `'stop-first'`",
    prose: 'Whether the new instance is ready before the old one stops (no gap), or starts after it is gone (no overlap).',
    example: "'stop-first'",
  },
  deadline: {
    reader: duration({ from: 1000 }),
    default: `${inQuotes(defaults.updateDeadlineMs('replicas'))}; ${inQuotes(defaults.updateDeadlineMs('job'))} for a job`,
    prose: 'How long a new instance may take until it is ready (a job: until it has ended) before the revision is rolled back.',
    example: "'5m'",
  },
  minReady: {
    reader: duration({ from: 0, to: 86_400_000 }),
    default: inQuotes(defaults.minReadyMs),
    prose: 'How long an instance without probes must have lived to count as ready.',
    example: "'2s'",
  },
}

export const logsKeys: KeyTable<WrittenLogs> = {
  maxSize: {
    reader: size({ from: 64 * 1024, to: 1024 ** 4 }),
    default: `\`'${formatSize(defaults.logBytes)}'\``,
    prose: "How much of each slot's output is kept; the oldest goes first.",
    example: "'100MiB'",
  },
}

export const stop: Reader<WrittenStop> = objectBy('stop', stopKeys)
export const update: Reader<WrittenUpdate> = objectBy('update', updateKeys)
export const logs: Reader<WrittenLogs> = objectBy('logs', logsKeys)

const restartObject = objectBy('restart', restartKeys)

export const restart: Reader<WrittenRestart> = {
  accepts: `${restartWord.accepts}, or ${restartObject.accepts}`,
  read(value, at, problems) {
    if (typeof value !== 'string' && typeof value !== 'boolean') return restartObject.read(value, at, problems)
    const policy = restartWord.read(value, at, problems)
    return policy === undefined ? undefined : { policy }
  },
}

function inQuotes(durationMs: number): string {
  return `\`'${formatDuration(durationMs)}'\``
}
