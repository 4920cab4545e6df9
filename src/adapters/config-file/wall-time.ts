/** What the config's schedules are judged by: a cron library, and the time zones that this Node knows. */

import type { WallTime } from '../../core/config/config-context.ts'
import { isPlainObject } from '../../core/values/value-type.ts'
import type { Cron } from '../../ports/cron.ts'

export function wallTimeBy(cron: Cron): WallTime {
  // Thousands of services share a handful of expressions, and each costs a walk through the calendar.
  const faults = new Map<string, string | null>()
  const zones = new Map<string, boolean>()
  return {
    findFault(expression, timezone) {
      return remembered(faults, `${timezone} ${expression}`, () => cron.findFault(expression, timezone))
    },
    isTimezone: (name) => remembered(zones, name, () => isTimezone(name)),
    timezones: () => Intl.supportedValuesOf('timeZone'),
  }
}

function remembered<Value>(known: Map<string, Value>, key: string, find: () => Value): Value {
  if (known.has(key)) return known.get(key) as Value
  const value = find()
  known.set(key, value)
  return value
}

/** Aliases and `UTC` are known to `Intl`, but not all are in its list. Its offsets (`+02:00`) know no summer time: the reader lets none pass. */
function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** Whether a snapshot of a config has a schedule: the cron library is loaded for no other. */
export function hasSchedule(value: unknown): boolean {
  if (!isPlainObject(value) || !isPlainObject(value['services'])) return false
  return Object.values(value['services']).some((service) => isPlainObject(service) && service['schedule'] !== undefined)
}
