/** `schedule`: when a service runs. A cron expression alone is the short form; whether it ever fires is the normaliser's to ask. */

import { duration, wholeNumber } from '../../values/amounts.ts'
import { nearest } from '../../values/nearest.ts'
import { boolean, oneOf, showText, text } from '../../values/scalars.ts'
import { anyText } from '../../values/shape.ts'
import { quote } from '../../values/show.ts'
import { isPlainObject, type Reader, refuseType, refuseValue, type ValueType, valueType } from '../../values/value-type.ts'
import { type Group, group, type WrittenOf } from '../key.ts'

/** When a scheduled service runs. Each run has a slot of its own, named by its tick. */
export interface Schedule {
  /** A cron expression of five or six fields (the sixth, in front, is seconds), or `@daily` and its like. */
  readonly cron: string
  /** An IANA name: `Asia/Tokyo`. */
  readonly timezone: string
  /** Ticks that passed while nobody could run them: one run for the last of them, or none. */
  readonly missed: 'run-once' | 'skip'
  /** What a tick does while an earlier run is under way. */
  readonly overlap: 'forbid' | 'queue' | 'replace'
  /** The longest that one attempt may take; null: as long as it likes. */
  readonly timeoutMs: number | null
  /** Further attempts after a failed one. */
  readonly retries: number
  /** Whether a run whose end nobody saw, and nothing tells of, is attempted again. */
  readonly retryLost: boolean
  /** How many ended runs are kept, with their logs. */
  readonly keep: number
}

export const cronNoun: string =
  "a cron expression of five fields (minute hour day month weekday) such as '0 3 * * *', of six with seconds in front, or a word such as '@daily'"
export const cronWords: readonly string[] = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']

/** The shape only; what the fields say is the cron library's to judge. */
const cron: Reader<string> = {
  accepts: cronNoun,
  read(value, at, problems) {
    if (typeof value !== 'string') return refuseType(value, cronNoun, at, problems)
    const tidy = value.trim().replaceAll(/\s+/g, ' ')
    if (cronWords.includes(tidy)) return tidy
    const fields = tidy.split(' ').length
    if (tidy.length <= 200 && (fields === 5 || fields === 6) && /^[\w*/,?#LW+ -]+$/.test(tidy)) return tidy
    const word = /^@?[a-z]+$/i.test(tidy) ? nearest(tidy.startsWith('@') ? tidy : `@${tidy}`, cronWords) : null
    return refuseValue(value, cronNoun, at, problems, word === null ? null : quote(word))
  },
}

export const timezone: ValueType<string> = {
  ...text("the name of a time zone such as 'Europe/Berlin' or 'UTC'", { longest: 64, pattern: /^[A-Za-z][A-Za-z0-9_+/-]*$/ }),
  show: String,
}

const scheduleObject = group<Schedule>('schedule', {
  cron: {
    type: valueType(cron, { shape: anyText, show: showText }),
    prose: 'When it runs.',
    example: "'0 3 * * *'",
  },
  timezone: {
    type: timezone,
    default: 'UTC',
    prose:
      'The time zone that the expression is in. On the nights when clocks change, a time that is named runs once: in the hour that is left out at its end, in the one that comes twice the first time. What has a `*` or a step goes by what clocks show.',
    example: "'Asia/Tokyo'",
  },
  missed: {
    type: oneOf(['run-once', 'skip'], { run: 'run-once', once: 'run-once', catchup: 'run-once', false: 'skip', none: 'skip' }),
    default: 'run-once',
    prose: 'What happens with ticks that passed while they could not be run: one run for the last of them, or none.',
    example: "'skip'",
  },
  overlap: {
    type: oneOf(['forbid', 'queue', 'replace'], {
      Forbid: 'forbid',
      Replace: 'replace',
      skip: 'forbid',
      wait: 'queue',
    }),
    default: 'forbid',
    prose:
      'What a tick does while an earlier run is under way: nothing, wait for its end, or end it. One that waits is not missed: it runs however late its turn comes.',
    example: "'queue'",
  },
  timeoutMs: {
    key: 'timeout',
    type: duration({ from: 1000 }),
    default: null,
    defaultWords: 'no limit',
    prose: 'The longest that one attempt may take; then it is ended and has failed.',
    example: "'1h'",
  },
  retries: {
    type: wholeNumber({ from: 0, to: 100 }),
    default: 0,
    prose: 'Further attempts after one that failed.',
    example: '3',
  },
  retryLost: {
    type: boolean,
    default: false,
    prose: 'Whether a run is repeated if how it ended is not known, such as after a power cut. It may then have run twice.',
    example: 'true',
  },
  keep: {
    type: wholeNumber({ from: 1, to: 1000 }),
    default: 20,
    prose: 'How many ended runs are kept, with their logs.',
    example: '50',
  },
})

const shortOrLong: Reader<WrittenOf<Schedule>> = {
  accepts: `${cronNoun}, or ${scheduleObject.accepts}`,
  read(value, at, problems) {
    if (typeof value !== 'string') {
      return isPlainObject(value)
        ? scheduleObject.read(value, at, problems)
        : refuseType(value, "a cron expression such as '0 3 * * *', or { cron, timezone, … }", at, problems)
    }
    const expression = cron.read(value, at, problems)
    return expression === undefined ? undefined : { cron: expression }
  },
}

export const schedule: Group<Schedule> = { ...scheduleObject, ...valueType(shortOrLong, scheduleObject) }
