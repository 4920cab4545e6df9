/** Booleans, words and texts: the kinds of value that have no unit. */

import { nearest } from './nearest.ts'
import { anyText, anyTruth, exactly } from './shape.ts'
import { quote } from './show.ts'
import { type Reader, refuseType, refuseValue, type ValueType, valueType } from './value-type.ts'

const booleanReader: Reader<boolean> = {
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

export const boolean: ValueType<boolean> = valueType(booleanReader, { shape: anyTruth })

/** A mark that is either there or not: `singleton: true`. */
export const onlyTrue: Reader<true> = {
  accepts: 'true (leave the key out otherwise)',
  read(value, at, problems) {
    if (value === true) return true
    return value === false ? refuseValue(value, this.accepts, at, problems) : refuseType(value, this.accepts, at, problems)
  },
}

export function oneOf<const Word extends string>(
  words: readonly Word[],
  meant: Readonly<Record<string, Word>> = {},
): ValueType<Word> {
  const accepts = words.map(quote).join(', ')
  const reader: Reader<Word> = {
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
  return valueType(reader, { shape: exactly(...words), write: quote })
}

/** Text that is handed to the kernel or written to a file name: bounded, without NUL, and by the pattern where there is one. */
export function text(accepts: string, options: { readonly longest: number; readonly pattern?: RegExp }): ValueType<string> {
  const reader: Reader<string> = {
    accepts,
    read(value, at, problems) {
      if (typeof value !== 'string') return refuseType(value, accepts, at, problems)
      const isRight =
        value.length > 0 && value.length <= options.longest && !value.includes('\0') && (options.pattern?.test(value) ?? true)
      return isRight ? value : refuseValue(value, accepts, at, problems)
    },
  }
  return valueType(reader, { shape: anyText, show: showText, write: quote })
}

/** How a text shows in a plan. */
export const showText = (value: string): string => JSON.stringify(value)
