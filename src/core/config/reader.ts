/**
 * Readers turn one written value into its normal form, or report what is wrong with it: together they are the schema of a config.
 * A reader returns undefined only after it has reported a problem; it never throws.
 */

import {
  formatDuration,
  formatSize,
  isCores,
  likelySize,
  longestDurationMs,
  parseDuration,
  parseSize,
} from '../model/quantity.ts'
import { nearest } from './nearest.ts'
import type { Place, ProblemList } from './problem-list.ts'
import { kindOf, quote, show } from './show.ts'
import { OpaqueObject } from './snapshot.ts'

export interface Reader<Value> {
  /** What is allowed, as a noun phrase: it stands in messages and in the reference. */
  readonly accepts: string
  readonly read: (value: unknown, at: Place, problems: ProblemList) => Value | undefined
}

export type PlainObject = Readonly<Record<string, unknown>>

export function isPlainObject(value: unknown): value is PlainObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof OpaqueObject)
}

export function refuseType(
  value: unknown,
  noun: string,
  at: Place,
  problems: ProblemList,
  suggestion?: string | null,
): undefined {
  const shown = show(value)
  const isSelfEvident = value === null || value === undefined || typeof value === 'function' || value instanceof OpaqueObject
  const message = isSelfEvident
    ? `${kindOf(value)} is not accepted here`
    : `${shown} is ${kindOf(value)}, which is not accepted here`
  problems.add('E_CONFIG_TYPE', at, message, { allowed: noun, suggestion: suggestion ?? null })
  return undefined
}

export function refuseValue(
  value: unknown,
  noun: string,
  at: Place,
  problems: ProblemList,
  suggestion?: string | null,
): undefined {
  problems.add('E_CONFIG_VALUE', at, `${show(value)} is not accepted here`, { allowed: noun, suggestion: suggestion ?? null })
  return undefined
}

export const boolean: Reader<boolean> = {
  accepts: 'true or false',
  read(value, at, problems) {
    if (typeof value === 'boolean') return value
    const meant =
      value === 'true' || value === 'yes' || value === 1
        ? 'true'
        : value === 'false' || value === 'no' || value === 0
          ? 'false'
          : null
    return refuseType(value, this.accepts, at, problems, meant)
  },
}

/** A mark that is either there or not: `singleton: true`. */
export const onlyTrue: Reader<true> = {
  accepts: 'true (leave the key out otherwise)',
  read(value, at, problems) {
    if (value === true) return true
    return value === false ? refuseValue(value, this.accepts, at, problems) : refuseType(value, this.accepts, at, problems)
  },
}

export function wholeNumber(bounds: { readonly from: number; readonly to: number }): Reader<number> {
  return {
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
}

export const cores: Reader<number> = {
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

/** A part of the whole: `0.05`, not `5` and not `'5%'`. */
export function share(bounds: { readonly from: number; readonly to: number }): Reader<number> {
  const isShare = (value: number): boolean => value >= bounds.from && value <= bounds.to
  return {
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
}

/** People write percent: `5`, `'5%'`. */
function likelyShare(value: unknown): number | null {
  const percent = typeof value === 'string' ? Number(/^(\d{1,3}(?:\.\d{1,3})?) ?%?$/.exec(value)?.[1]) : value
  return typeof percent === 'number' && percent >= 1 ? Math.round(percent * 1000) / 100_000 : null
}

/** Bounds are in milliseconds. `to` is by default the longest time that a timer holds. */
export function duration(bounds: { readonly from: number; readonly to?: number }): Reader<number> {
  const to = bounds.to ?? longestDurationMs
  return {
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
}

/** People write seconds below 1000 and milliseconds above. */
function likelyDuration(value: number): string | null {
  const durationMs = value < 1000 ? value * 1000 : value
  return Number.isSafeInteger(durationMs) && durationMs >= 0 ? quote(formatDuration(durationMs)) : null
}

export function size(bounds: { readonly from: number; readonly to: number }): Reader<number> {
  return {
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
}

export function oneOf<const Word extends string>(
  words: readonly Word[],
  meant: Readonly<Record<string, Word>> = {},
): Reader<Word> {
  const accepts = words.map(quote).join(', ')
  return {
    accepts,
    read(value, at, problems) {
      const word = words.find((candidate) => candidate === value)
      if (word !== undefined) return word
      const written = typeof value === 'string' || typeof value === 'boolean' ? String(value) : ''
      const likely = (Object.hasOwn(meant, written) ? meant[written] : null) ?? nearest(written, words)
      const suggestion = likely === null ? null : quote(likely)
      return typeof value === 'string'
        ? refuseValue(value, accepts, at, problems, suggestion)
        : refuseType(value, accepts, at, problems, suggestion)
    },
  }
}

/** Text that is handed to the kernel or written to a file name: bounded, without NUL, and by the pattern where there is one. */
export function text(accepts: string, options: { readonly longest: number; readonly pattern?: RegExp }): Reader<string> {
  return {
    accepts,
    read(value, at, problems) {
      if (typeof value !== 'string') return refuseType(value, accepts, at, problems)
      const isRight =
        value.length > 0 && value.length <= options.longest && !value.includes('\0') && (options.pattern?.test(value) ?? true)
      return isRight ? value : refuseValue(value, accepts, at, problems)
    },
  }
}

/** The kernel bounds one argument or variable at 128 KiB (execve(2)); a UTF-16 unit is at most 3 bytes of UTF-8. */
export const longestArgument: number = 40_000
const mostArguments = 1000

export const command: Reader<readonly string[]> = {
  accepts: "a command line such as 'node server.js' (run by sh -c), or an array of arguments such as ['node', 'server.js']",
  read(value, at, problems) {
    if (typeof value === 'string') {
      const isRight = value.trim() !== '' && value.length <= longestArgument && !value.includes('\0')
      return isRight ? ['/bin/sh', '-c', value] : refuseValue(value, this.accepts, at, problems)
    }
    if (!Array.isArray(value)) return refuseType(value, this.accepts, at, problems)
    if (value.length === 0 || value.length > mostArguments || value[0] === '')
      return refuseValue(value, this.accepts, at, problems)
    return readItems(value, at, problems, argument)
  },
}

const argument: Reader<string> = {
  accepts: 'a string (an argument of the command)',
  read(value, at, problems) {
    if (typeof value !== 'string') {
      return refuseType(value, this.accepts, at, problems, typeof value === 'number' ? quote(String(value)) : null)
    }
    const isRight = value.length <= longestArgument && !value.includes('\0')
    return isRight ? value : refuseValue(value, this.accepts, at, problems)
  },
}

/** Every item is read, so that all problems are seen; undefined when one was refused. */
export function readItems<Item>(
  values: readonly unknown[],
  at: Place,
  problems: ProblemList,
  item: Reader<Item>,
): readonly Item[] | undefined {
  const items: Item[] = []
  for (let index = 0; index < values.length; index++) {
    const read = item.read(values[index], { up: at, key: String(index) }, problems)
    if (read !== undefined) items.push(read)
  }
  return items.length === values.length ? items : undefined
}
