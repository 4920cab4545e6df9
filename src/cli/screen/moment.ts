/** Moments as a person types them: how long ago (`10m`, `1h30m`), a time of today (`14:05`), or a date with or without a time. */

import { parseDuration } from '../../core/values/quantity.ts'
import { DarumaError } from '../../ports/error.ts'

const timeOfDay = /^(\d{1,2}):(\d\d)(?::(\d\d(?:\.\d{1,3})?))?$/
const date = /^\d{4}-\d\d-\d\d$/
const dateAndTime = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?$/

/** Milliseconds since 1970. Without a zone a time is the local one. Throws `E_USAGE`; `what` names the flag. */
export function parseMoment(text: string, what: string, nowMs: number): number {
  const ago = parseDuration(text)
  if (ago !== null) return nowMs - ago
  const [, hours, minutes, seconds = '0'] = timeOfDay.exec(text) ?? []
  if (hours !== undefined && minutes !== undefined && Number(hours) < 24 && Number(minutes) < 60 && Number(seconds) < 60) {
    return new Date(nowMs).setHours(Number(hours), Number(minutes), 0, Math.round(Number(seconds) * 1000))
  }
  const wallMs = date.test(text)
    ? Date.parse(`${text}T00:00:00`)
    : dateAndTime.test(text)
      ? Date.parse(text.replace(' ', 'T'))
      : NaN
  if (!Number.isNaN(wallMs)) return wallMs
  throw new DarumaError('E_USAGE', `${what} is "${text}", which is not a time.`, {
    hint: 'How long ago: 10m, 1h30m. A time: 14:05, 2026-11-22, 2026-11-22T03:00:00Z.',
  })
}
