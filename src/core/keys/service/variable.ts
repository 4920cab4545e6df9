/** The names of environment variables, and objects whose keys a person chooses. */

import type { Place, ProblemList } from '../../values/problem-list.ts'
import { quote } from '../../values/show.ts'
import type { PlainObject } from '../../values/value-type.ts'

export const variablePattern: RegExp = /^[A-Za-z_][A-Za-z0-9_]{0,254}$/
export const variableRule: string = 'letters, digits and _, not beginning with a digit'

export function checkVariable(name: string, at: Place, problems: ProblemList): boolean {
  if (name.startsWith('DARUMA_')) {
    problems.add('E_CONFIG_NAME', at, `${quote(name)} cannot be set: variables that begin with DARUMA_ are given by Daruma`)
    return false
  }
  if (variablePattern.test(name)) return true
  const tidy = name.replaceAll(/[^A-Za-z0-9_]/g, '_')
  const suggestion = variablePattern.test(tidy) && /[A-Za-z]/.test(tidy) ? tidy : null
  problems.add('E_CONFIG_NAME', at, `${quote(name)} cannot be the name of an environment variable`, {
    allowed: variableRule,
    suggestion,
  })
  return false
}

export const mostEntries: number = 1000

/** Calls `each` for every defined entry of a plain, bounded object; the others are reported. */
export function readEntries<Value>(
  value: PlainObject,
  at: Place,
  problems: ProblemList,
  each: (key: string, item: unknown, place: Place) => Value | undefined,
): readonly (readonly [string, Value])[] | undefined {
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  if (entries.length > mostEntries) {
    problems.add('E_CONFIG_VALUE', at, `${entries.length} entries are too many`, { allowed: `at most ${mostEntries}` })
    return undefined
  }
  const read: (readonly [string, Value])[] = []
  for (const [key, item] of entries) {
    const answer = each(key, item, { up: at, key })
    if (answer !== undefined) read.push([key, answer])
  }
  return read
}
