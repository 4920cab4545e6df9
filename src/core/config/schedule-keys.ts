/** The keys of `schedule`. A cron expression alone is the short form; whether it ever fires is looked at in `normalise-schedule.ts`. */

import type { Schedule } from '../model/service.ts'
import * as defaults from './defaults.ts'
import { type KeyTable, objectBy } from './key-table.ts'
import { nearest } from './nearest.ts'
import { boolean, duration, isPlainObject, oneOf, type Reader, refuseType, refuseValue, text, wholeNumber } from './reader.ts'
import { quote } from './show.ts'

export interface WrittenSchedule {
  readonly cron?: string
  readonly timezone?: string
  readonly missed?: Schedule['missed']
  readonly overlap?: Schedule['overlap']
  readonly timeout?: number
  readonly retries?: number
  readonly retryLost?: boolean
  readonly keep?: number
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

export const timezone: Reader<string> = text("the name of a time zone such as 'Europe/Berlin' or 'UTC'", {
  longest: 64,
  pattern: /^[A-Za-z][A-Za-z0-9_+/-]*$/,
})

export const scheduleKeys: KeyTable<WrittenSchedule> = {
  cron: { reader: cron, default: 'required', prose: 'When it runs.', example: "'0 3 * * *'" },
  timezone: {
    reader: timezone,
    default: `\`'${defaults.schedule.timezone}'\``,
    prose:
      'The time zone that the expression is in. On the nights when clocks change, a time that is named runs once: in the hour that is left out at its end, in the one that comes twice the first time. What has a `*` or a step goes by what clocks show.',
    example: "'Asia/Tokyo'",
  },
  missed: {
    reader: oneOf(['run-once', 'skip'], { run: 'run-once', once: 'run-once', catchup: 'run-once', false: 'skip', none: 'skip' }),
    default: `\`'${defaults.schedule.missed}'\``,
    prose: 'What happens with ticks that passed while nobody could run them: one run for the last of them, or none.',
    example: "'skip'",
  },
  overlap: {
    reader: oneOf(['forbid', 'queue', 'replace'], {
      Forbid: 'forbid',
      Replace: 'replace',
      skip: 'forbid',
      wait: 'queue',
    }),
    default: `\`'${defaults.schedule.overlap}'\``,
    prose:
      'What a tick does while an earlier run is under way: nothing, wait for its end, or end it. One that waits is not missed: it runs however late its turn comes.',
    example: "'queue'",
  },
  timeout: {
    reader: duration({ from: 1000 }),
    default: 'no limit',
    prose: 'The longest that one attempt may take; then it is ended and has failed.',
    example: "'1h'",
  },
  retries: {
    reader: wholeNumber({ from: 0, to: 100 }),
    default: `\`${defaults.schedule.retries}\``,
    prose: 'Further attempts after one that failed.',
    example: '3',
  },
  retryLost: {
    reader: boolean,
    default: `\`${defaults.schedule.retryLost}\``,
    prose:
      'Whether a run is attempted again whose end nobody saw and nothing tells of, such as one that a power cut took. It may then have run twice.',
    example: 'true',
  },
  keep: {
    reader: wholeNumber({ from: 1, to: 1000 }),
    default: `\`${defaults.schedule.keep}\``,
    prose: 'How many ended runs are kept, with their logs.',
    example: '50',
  },
}

const scheduleObject = objectBy('schedule', scheduleKeys)

export const schedule: Reader<WrittenSchedule> = {
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
