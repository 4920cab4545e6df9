/** Quantities as the page writes them: short, one space before the unit, never more digits than can be meant. */

export function formatBytes(bytes: number | null): string {
  if (bytes === null) return '–'
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

export const formatCores = (cores: number | null): string => (cores === null ? '–' : cores.toFixed(cores < 9.995 ? 2 : 1))

export function formatRate(perSecond: number | null): string {
  if (perSecond === null) return '–'
  if (perSecond === 0) return '0'
  return perSecond < 9.95 ? perSecond.toFixed(1) : Math.round(perSecond).toLocaleString('en-US')
}

export function formatLatency(ms: number | null): string {
  if (ms === null) return '–'
  if (ms < 9.95) return `${ms.toFixed(1)} ms`
  return ms < 9950 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}

/** `12 s`, `4m 10s`, `3h 5m`, `2d 7h`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return pair(seconds, 60, 'm', 's')
  if (seconds < 86_400) return pair(Math.floor(seconds / 60), 60, 'h', 'm')
  return pair(Math.floor(seconds / 3600), 24, 'd', 'h')
}

/** How long something took: a short run is not `0 s`. */
export const formatTook = (ms: number): string => (ms < 10_000 ? formatLatency(ms) : formatDuration(ms))

export const formatAge = (instant: string | null, nowMs: number): string =>
  instant === null ? '–' : formatDuration(nowMs - Date.parse(instant))

/** `23:41:07.123` in the reader's own time zone. */
export function formatTime(instant: string): string {
  const date = new Date(instant)
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`
}

export function formatDay(instant: string): string {
  const date = new Date(instant)
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

export const formatMoment = (instant: string): string => `${formatDay(instant)} ${formatTime(instant).slice(0, 8)}`

export const plural = (count: number, singular: string, several: string = `${singular}s`): string =>
  `${count.toLocaleString('en-US')} ${count === 1 ? singular : several}`

function pair(value: number, base: number, large: string, small: string): string {
  const rest = value % base
  return `${Math.floor(value / base)}${large}${rest === 0 ? '' : ` ${rest}${small}`}`
}

const two = (value: number): string => String(value).padStart(2, '0')
