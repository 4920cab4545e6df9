/**
 * The keys of `stop`, `restart`, `update` and `logs`: how an instance ends, gets up, is replaced, and what it leaves behind.
 */

import { formatDuration, formatSize } from '../model/quantity.ts'
import type { RestartPolicy, SignalName, UpdatePolicy } from '../model/service.ts'
import * as defaults from './defaults.ts'
import { type KeyTable, objectBy } from './key-table.ts'
import { duration, oneOf, type Reader, share, size, wholeNumber } from './reader.ts'

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
  readonly surge?: number
  readonly parallel?: number
  readonly pause?: number
  readonly minHealthy?: number
  readonly drain?: number
  readonly canary?: WrittenCanary
}

export interface WrittenCanary {
  readonly share?: number
  readonly for?: number
  readonly errorRate?: number
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

export const canaryKeys: KeyTable<WrittenCanary> = {
  share: {
    reader: share({ from: 0.001, to: 0.5 }),
    default: 'required',
    prose: 'The share of the requests that the new revision gets at first.',
    example: '0.05',
  },
  for: {
    reader: duration({ from: 1000 }),
    default: 'required',
    prose: 'How long it must go well until the new revision gets the rest; `daruma promote` does not wait.',
    example: "'2m'",
  },
  errorRate: {
    reader: share({ from: 0, to: 1 }),
    default: `\`${defaults.canaryErrorRate}\``,
    prose:
      "The largest share of the canary's requests that may fail, beyond those of the old revision; above it, the old revision gets everything back.",
    example: '0.005',
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
  surge: {
    reader: wholeNumber({ from: 1, to: 1000 }),
    default: `\`${defaults.updatePace.surge}\``,
    prose: 'Start-first: how many instances beyond `replicas` may run for a moment.',
    example: '2',
  },
  parallel: {
    reader: wholeNumber({ from: 1, to: 1000 }),
    default: `\`${defaults.updatePace.parallel}\``,
    prose: 'Stop-first: how many replicas are replaced at a time.',
    example: '2',
  },
  pause: {
    reader: duration({ from: 0, to: 86_400_000 }),
    default: inQuotes(defaults.updatePace.pauseMs),
    prose: 'The rest between one batch that is ready and the next.',
    example: "'10s'",
  },
  minHealthy: {
    reader: wholeNumber({ from: 0, to: 1000 }),
    default: 'as `parallel` leaves',
    prose: 'Stop-first: how many replicas must stay ready at any time.',
    example: '2',
  },
  drain: {
    reader: duration({ from: 0, to: 86_400_000 }),
    default: inQuotes(defaults.updatePace.drainMs),
    prose: 'How long requests under way may take, when an instance with a route leaves, before it is asked to stop.',
    example: "'1m'",
  },
  canary: {
    reader: objectBy('canary', canaryKeys),
    default: 'none',
    prose:
      'A first share of the requests goes to the new revision, the rest when that went well. Replicas with a route by HTTP, start-first.',
    example: "{ share: 0.05, for: '2m' }",
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
