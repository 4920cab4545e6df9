/** What is wrong with an expression or a timezone, as a sentence that names it. */

import { nearest } from '../../core/values/nearest.ts'

export function explainCronFault(cron: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  if (/@reboot/i.test(message)) return `"${cron}" is not a time; a job (\`job: true\`) runs once per revision`
  return `"${cron}" is no cron expression: ${message.replace(/^Cron\w+: /, '').replace(/\.$/, '')}`
}

export function explainTimezoneFault(timezone: string): string | null {
  // Intl also takes offsets like +02:00, which know no summer time, and nothing at all for the daemon's own zone, which may change.
  if (/^[a-z]/i.test(timezone) && isKnown(timezone)) return null
  const guess = nearest(timezone, [...Intl.supportedValuesOf('timeZone'), 'UTC'])
  return `there is no timezone ${timezone === '' ? '""' : timezone}${guess === null ? '' : `; did you mean ${guess}?`}`
}

/** Asking takes a tenth of a millisecond, and a daemon asks again for each schedule whenever something is applied. */
const knownZones = new Set<string>()

function isKnown(timezone: string): boolean {
  if (knownZones.has(timezone)) return true
  try {
    const isThere = new Intl.DateTimeFormat('en', { timeZone: timezone }) instanceof Intl.DateTimeFormat
    if (isThere) knownZones.add(timezone)
    return isThere
  } catch {
    return false
  }
}
