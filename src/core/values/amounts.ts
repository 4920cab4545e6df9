/** Numbers, shares, durations and sizes: what is counted, each with its bounds. */

import { formatDuration, formatSize, isCores, likelySize, longestDurationMs, parseDuration, parseSize } from './quantity.ts'
import { anyInteger, anyNumber } from './shape.ts'
import { quote, show } from './show.ts'
import { type Reader, refuseType, refuseValue, type ValueType, valueType } from './value-type.ts'

export function wholeNumber(bounds: { readonly from: number; readonly to: number }): ValueType<number> {
  const reader: Reader<number> = {
    accepts: `a whole number from ${bounds.from} to ${bounds.to}`,
    read(value, at, problems) {
      if (typeof value === 'number') {
        if (Number.isInteger(value) && value >= bounds.from && value <= bounds.to) return value
        return refuseValue(value, this.accepts, at, problems)
      }
      const isDigits = typeof value === 'string' && /^\d{1,9}$/.test(value)
      return refuseType(value, this.accepts, at, problems, isDigits ? String(Number(value)) : null)
    },
  }
  return valueType(reader, { shape: anyInteger })
}

const coresReader: Reader<number> = {
  accepts: 'a number of cores from 0.01 to 1024, in steps of a thousandth, such as 0.5',
  read(value, at, problems) {
    if (typeof value === 'number') return isCores(value) ? value : refuseValue(value, this.accepts, at, problems)
    const meant =
      typeof value !== 'string'
        ? null
        : /^\d{1,6}m$/.test(value)
          ? Number(value.slice(0, -1)) / 1000
          : value === ''
            ? null
            : Number(value)
    return refuseType(value, this.accepts, at, problems, meant !== null && isCores(meant) ? String(meant) : null)
  },
}

export const cores: ValueType<number> = valueType(coresReader, { shape: anyNumber })

/** A part of the whole: `0.05`, not `5` and not `'5%'`. */
export function share(bounds: { readonly from: number; readonly to: number }): ValueType<number> {
  const isShare = (value: number): boolean => value >= bounds.from && value <= bounds.to
  const reader: Reader<number> = {
    accepts: `a share from ${bounds.from} to ${bounds.to}, such as 0.05 for 5 %`,
    read(value, at, problems) {
      if (typeof value === 'number' && isShare(value)) return value
      const meant = likelyShare(value)
      const suggestion = meant !== null && isShare(meant) ? String(meant) : null
      return typeof value === 'number'
        ? refuseValue(value, this.accepts, at, problems, suggestion)
        : refuseType(value, this.accepts, at, problems, suggestion)
    },
  }
  return valueType(reader, { shape: anyNumber })
}

/** People write percent: `5`, `'5%'`. */
function likelyShare(value: unknown): number | null {
  const percent = typeof value === 'string' ? Number(/^(\d{1,3}(?:\.\d{1,3})?) ?%?$/.exec(value)?.[1]) : value
  return typeof percent === 'number' && percent >= 1 ? Math.round(percent * 1000) / 100_000 : null
}

/** Bounds are in milliseconds. `to` is by default the longest time that a timer holds. */
export function duration(bounds: { readonly from: number; readonly to?: number }): ValueType<number> {
  const to = bounds.to ?? longestDurationMs
  const reader: Reader<number> = {
    accepts: `a duration from ${formatDuration(bounds.from)} to ${formatDuration(to)}, such as '30s', '1m30s' or '250ms'`,
    read(value, at, problems) {
      if (typeof value === 'number') {
        problems.add('E_CONFIG_TYPE', at, `${show(value)} has no unit`, {
          allowed: this.accepts,
          suggestion: likelyDuration(value),
        })
        return undefined
      }
      if (typeof value !== 'string') return refuseType(value, this.accepts, at, problems)
      const durationMs = parseDuration(value)
      if (durationMs !== null && durationMs >= bounds.from && durationMs <= to) return durationMs
      const tidy = value
        .toLowerCase()
        .replaceAll(/\s/g, '')
        .replace(/sec(ond)?s?$/, 's')
        .replace(/min(ute)?s?$/, 'm')
      const isDigits = /^\d{1,9}$/.test(value)
      const meant = isDigits
        ? likelyDuration(Number(value))
        : durationMs === null && parseDuration(tidy) !== null
          ? quote(tidy)
          : null
      return refuseValue(value, this.accepts, at, problems, meant)
    },
  }
  return valueType(reader, {
    shape: anyNumber,
    show: formatDuration,
    write: (durationMs) => quote(formatDuration(durationMs)),
  })
}

/** People write seconds below 1000 and milliseconds above. */
function likelyDuration(value: number): string | null {
  const durationMs = value < 1000 ? value * 1000 : value
  return Number.isSafeInteger(durationMs) && durationMs >= 0 ? quote(formatDuration(durationMs)) : null
}

export function size(bounds: { readonly from: number; readonly to: number }): ValueType<number> {
  const reader: Reader<number> = {
    accepts: `a size from ${formatSize(bounds.from)} to ${formatSize(bounds.to)}, such as '512MiB' or '1GB'`,
    read(value, at, problems) {
      if (typeof value === 'number') {
        const meant =
          Number.isSafeInteger(value) && value > 0 ? quote(value >= 1024 * 1024 ? formatSize(value) : `${value}MiB`) : null
        problems.add('E_CONFIG_TYPE', at, `${show(value)} has no unit`, { allowed: this.accepts, suggestion: meant })
        return undefined
      }
      if (typeof value !== 'string') return refuseType(value, this.accepts, at, problems)
      const bytes = parseSize(value)
      if (bytes !== null && bytes >= bounds.from && bytes <= bounds.to) return bytes
      const likely = bytes === null ? likelySize(value) : null
      return refuseValue(value, this.accepts, at, problems, likely === null ? null : quote(likely))
    },
  }
  return valueType(reader, { shape: anyInteger, show: formatSize, write: (bytes) => quote(formatSize(bytes)) })
}
