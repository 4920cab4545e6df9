/**
 * A key table is what an object in the config may hold, written down once: how each key is read, its default, what it is for, and
 * an example. It is the validator and the reference (`docs/reference/config.md`) at the same time.
 */

import { nearest } from './nearest.ts'
import type { Place } from './problem-list.ts'
import { isPlainObject, type Reader, refuseType } from './reader.ts'
import { planned, synonyms } from './synonyms.ts'

export interface Key<Value> {
  readonly reader: Reader<Value>
  /** In words or as it would be written: `'10s'`, `none`, `required`. */
  readonly default: string
  readonly prose: string
  /** As it stands in a config. */
  readonly example: string
}

/** One entry for each field of `Written`, the object after reading. */
export type KeyTable<Written> = { readonly [Name in keyof Written]-?: Key<Exclude<Written[Name], undefined>> }

/** Any table, for those who only print it. */
export type AnyKeyTable = Readonly<Record<string, Key<unknown>>>

/**
 * Reads an object by its table; `name` finds the synonyms. Keys that were refused (and reported) or are undefined are absent
 * from the answer.
 */
export function objectBy<Written extends object>(name: string, table: KeyTable<Written>): Reader<Written> {
  const keys = table as unknown as AnyKeyTable
  const known = Object.keys(keys)
  const accepts = `an object with ${known.join(', ')}`
  return {
    accepts,
    read(value, at, problems) {
      if (!isPlainObject(value)) return refuseType(value, accepts, at, problems)
      const written: Record<string, unknown> = {}
      for (const key of Object.keys(value)) {
        const item = value[key]
        if (item === undefined) continue
        const place: Place = { up: at, key }
        if (Object.hasOwn(keys, key)) {
          const read = keys[key]!.reader.read(item, place, problems)
          if (read !== undefined) written[key] = read
        } else if (planned[name]?.includes(key) === true) {
          problems.add('E_CONFIG_NOT_YET', place, `${key} is not supported by this version yet`)
        } else {
          const suggestion = meantKey(name, key, known)
          const allowed = suggestion === null ? { allowed: known.join(', ') } : {}
          problems.add('E_CONFIG_UNKNOWN_KEY', place, `${key.slice(0, 60)} is not a known key`, { ...allowed, suggestion })
        }
      }
      return written as Written
    },
  }
}

function meantKey(name: string, key: string, known: readonly string[]): string | null {
  const words = synonyms[name] ?? {}
  if (Object.hasOwn(words, key)) return words[key]!
  if (key.length > 40) return null
  const near = nearest(key, known)
  if (near !== null) return near
  const nearSynonym = nearest(
    key,
    Object.keys(words).filter((word) => word.length > 4),
  )
  return nearSynonym === null ? null : words[nearSynonym]!
}
