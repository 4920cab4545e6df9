/**
 * Instants as names: `2026-11-22T03:00:00Z`, with milliseconds only where there are some. By arithmetic alone, since the core has no
 * clock (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms": days_from_civil and civil_from_days).
 */

const dayMs = 86_400_000

export function formatInstant(ms: number): string {
  const days = Math.floor(ms / dayMs)
  const { year, month, day } = civilOf(days)
  const rest = ms - days * dayMs
  const [hours, minutes, seconds] = [Math.floor(rest / 3_600_000), Math.floor(rest / 60_000) % 60, Math.floor(rest / 1000) % 60]
  const fraction = rest % 1000
  const date = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`
  return `${date}T${two(hours)}:${two(minutes)}:${two(seconds)}${fraction === 0 ? '' : `.${String(fraction).padStart(3, '0')}`}Z`
}

const pattern = /^(\d{4,6})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?Z$/

/** What {@link formatInstant} and ISO 8601 with milliseconds write; NaN for anything else. */
export function parseInstant(text: string): number {
  const parts = pattern.exec(text)
  if (parts === null) return Number.NaN
  const [year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0, fraction = 0] = parts
    .slice(1)
    .map((part) => Number(part ?? 0))
  return daysOf({ year, month, day }) * dayMs + hours * 3_600_000 + minutes * 60_000 + seconds * 1000 + fraction
}

const two = (value: number): string => String(value).padStart(2, '0')

interface Civil {
  readonly year: number
  readonly month: number
  readonly day: number
}

function civilOf(days: number): Civil {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day }
}

function daysOf({ year, month, day }: Civil): number {
  const shiftedYear = month <= 2 ? year - 1 : year
  const era = Math.floor(shiftedYear / 400)
  const yearOfEra = shiftedYear - era * 400
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}
