/** Quantities for people: short, of one unit or two, always the same width class. Machines read `--json`. */

export function formatDuration(ms: number): string {
  if (ms < 0) return '0 s'
  if (ms < 950) return `${Math.round(ms / 100) / 10} s`
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return pair(seconds, 60, 'm', 's')
  if (seconds < 86_400) return pair(Math.floor(seconds / 60), 60, 'h', 'm')
  return pair(Math.floor(seconds / 3600), 24, 'd', 'h')
}

/** How long something took: below a tenth of a second in milliseconds. */
export const formatTook = (ms: number): string => (ms < 100 ? `${Math.round(ms)} ms` : formatDuration(ms))

/** The time since an ISO 8601 instant; a dash for none. */
export function formatAge(instant: string | null, nowMs: number): string {
  return instant === null ? '-' : formatDuration(Math.max(0, nowMs - Date.parse(instant)))
}

export function formatBytes(bytes: number | null): string {
  if (bytes === null) return '-'
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

export function formatCores(cores: number | null): string {
  return cores === null ? '-' : cores.toFixed(cores < 9.995 ? 2 : 1)
}

/** `2026-11-22 23:41:07` in the reader's own time zone. */
export function formatMoment(instant: string): string {
  return `${formatDay(instant)} ${formatTime(instant).slice(0, 8)}`
}

export function formatDay(instant: string): string {
  const date = new Date(instant)
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

/** `23:41:07.123` in the reader's own time zone. */
export function formatTime(instant: string): string {
  const date = new Date(instant)
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`
}

/** `1 service`, `3 services`. */
export function plural(count: number, singular: string, several: string = `${singular}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? singular : several}`
}

function pair(value: number, base: number, large: string, small: string): string {
  const rest = value % base
  return `${Math.floor(value / base)}${large}${rest === 0 ? '' : ` ${rest}${small}`}`
}

const two = (value: number): string => String(value).padStart(2, '0')
