/**
 * A key of a config, described once. From its row come the reader, the default, the row of the reference (`docs/reference/config.md`),
 * what is recorded and how older records are completed, what a plan shows, and what the socket accepts. Rows stand in tables, by the
 * field of the record that they fill; the key has the field's name, or says another (`gracePeriodMs` is written `gracePeriod`).
 */

import { nearest } from '../values/nearest.ts'
import type { Place } from '../values/problem-list.ts'
import { objectOf, orNull, type Shape, type Shapes } from '../values/shape.ts'
import { isPlainObject, type Reader, refuseType, type ValueType, valueType } from '../values/value-type.ts'
import { planned, synonyms } from './synonyms.ts'

interface Described {
  /** As it is written, where that is not the name of the field. */
  readonly key?: string
  /** In the reference, where the default is not one value: `none`, `required`. */
  readonly defaultWords?: string
  readonly prose: string
  /** As it stands in a config. */
  readonly example: string
}

/** A key that is read, but whose value is recorded as something else (a route's `domain`). */
export interface WrittenKey<Written> extends Described {
  readonly type: Reader<Written>
}

/** A key whose value is recorded under the row's name. */
export interface Key<Recorded, Written = NonNullable<Recorded>> extends Described {
  readonly type: ValueType<NonNullable<Recorded>, Written>
  /** Absent: there is none, or it depends on other keys and the normaliser has it. Null is recorded for "not set". */
  readonly default?: Recorded
  /** What was true before the key existed, where that is not its default: older records are completed with it. */
  readonly before?: Recorded
  /** In a plan, where it is not the key. */
  readonly shownAs?: string
  /**
   * Whether a change needs a new process; without it, it takes effect on the running one. A key that comes to a version with users has
   * `when-set`: it counts only where it is not the default, so that what runs keeps its identity across an upgrade.
   */
  readonly restarts?: 'always' | 'when-set'
}

/** What reading makes of keys that are recorded as they are written: those that were there. */
export type WrittenOf<Recorded> = { readonly [Field in keyof Recorded]?: NonNullable<Recorded[Field]> }

/** One row for each field of the object that reading makes. */
export type WrittenKeys<Written> = { readonly [Field in keyof Written]-?: WrittenKey<Exclude<Written[Field], undefined>> }

/** One row for each field of the record. */
export type Keys<Recorded, Written = WrittenOf<Recorded>> = {
  readonly [Field in keyof Recorded]-?: Key<
    Recorded[Field],
    Field extends keyof Written ? NonNullable<Written[Field]> : NonNullable<Recorded[Field]>
  >
}

/** Any row, for those who only print it. */
export type AnyKey = Described & { readonly type: Reader<unknown>; readonly default?: unknown }
export type AnyKeys = Readonly<Record<string, AnyKey>>

/** A name and its text in a plan; null where it is not set. */
export type Field = readonly [string, string | null]

/** What a part of a record is, apart from how it is read. */
export interface Part<Recorded> {
  readonly shape: Shape<Recorded>
  readonly fields: (value: Recorded, prefix: string) => readonly Field[]
  /** A record of an earlier version in the form of this one; the same object where nothing is missing. */
  readonly complete: (recorded: Recorded) => Recorded
  /** What a record means that lacks the whole part. */
  readonly before?: Recorded
}

/** An object of keys that are recorded together: `stop`, `update`, the limits of the balancer. */
export interface Group<Recorded, Written = WrittenOf<Recorded>> extends ValueType<Recorded, Written>, Part<Recorded> {
  readonly keys: Keys<Recorded, Written>
  /** The record of what was written; `known` goes before it, and both before the defaults. */
  readonly fill: (written: Written | undefined, known?: Partial<Recorded>) => Recorded
  /** What of a record belongs to the identity of a process. */
  readonly identity: (recorded: Recorded) => Readonly<Record<string, unknown>>
}

/** `name` finds the synonyms. */
export function group<Recorded extends object, Written extends object = WrittenOf<Recorded>>(
  name: string,
  keys: Keys<Recorded, Written>,
): Group<Recorded, Written> {
  const rows = Object.entries(keys) as readonly (readonly [string, Key<unknown>])[]
  const shape = objectOf(shapesOf(keys))
  const fields: Part<Recorded>['fields'] = (value, prefix) =>
    rows.flatMap(([field, row]): readonly Field[] => {
      const item = (value as Readonly<Record<string, unknown>>)[field]
      const shown = `${prefix}${row.shownAs ?? row.key ?? field}`
      // One part is shown alone, in a plan.
      if (item === undefined) return []
      if (item === null) return [[shown, null]]
      return hasFields(row.type) ? row.type.fields(item, `${shown}.`) : [[shown, row.type.show(item)]]
    })
  const type = valueType<Recorded, Written>(objectBy(name, keys as unknown as WrittenKeys<Written>), {
    shape,
    show: (value) =>
      fields(value, '')
        .flatMap(([field, text]) => (text === null ? [] : [`${field}: ${text}`]))
        .join(', '),
  })
  return {
    ...type,
    keys,
    fields,
    fill(written, known = {}) {
      const said = { ...written, ...known } as Readonly<Record<string, unknown>>
      return Object.fromEntries(rows.map(([field, row]) => [field, said[field] ?? row.default])) as Recorded
    },
    complete(recorded) {
      const former = recorded as Readonly<Record<string, unknown>>
      const news = rows.flatMap(([field, row]) => {
        const item = former[field]
        const whole =
          item === undefined ? valueBefore(row) : item !== null && canComplete(row.type) ? row.type.complete(item) : item
        return whole === item ? [] : [[field, whole] as const]
      })
      return news.length === 0 ? recorded : { ...recorded, ...(Object.fromEntries(news) as Partial<Recorded>) }
    },
    identity(recorded) {
      const values = recorded as Readonly<Record<string, unknown>>
      const counts = rows.filter(([field, { restarts, default: usual }]) => {
        return restarts === 'always' || (restarts === 'when-set' && JSON.stringify(values[field]) !== JSON.stringify(usual))
      })
      return Object.fromEntries(counts.map(([field]) => [field, values[field]]))
    },
  }
}

/** For an object that has these keys and others. */
export function shapesOf<Recorded extends object, Written>(keys: Keys<Recorded, Written>): Shapes<Recorded> {
  const rows = Object.entries(keys) as readonly (readonly [string, Key<unknown>])[]
  const shapes = rows.map(([field, { default: usual, type }]) => [field, usual === null ? orNull(type.shape) : type.shape])
  return Object.fromEntries(shapes) as Shapes<Recorded>
}

/** What a record without the key means. */
export function valueBefore(row: { readonly before?: unknown; readonly default?: unknown }): unknown {
  return row.before === undefined ? row.default : row.before
}

const hasFields = (type: object): type is Part<unknown> => 'fields' in type
const canComplete = (type: object): type is Pick<Part<unknown>, 'complete'> => 'complete' in type

/** A group as one text in a plan, because it comes and goes as a whole. */
export function asOne<Recorded, Written>(
  { accepts, read, shape, write, complete }: ValueType<Recorded, Written> & Pick<Part<Recorded>, 'complete'>,
  show: (value: Recorded) => string | null,
): ValueType<Recorded, Written> & Pick<Part<Recorded>, 'complete'> {
  return { accepts, read, shape, write, show, complete }
}

/** The default as the reference has it. */
export function describeDefault({ type, default: usual, defaultWords }: AnyKey): string {
  if (defaultWords !== undefined) return defaultWords
  if (usual === undefined) return 'required'
  return usual === null ? 'none' : `\`${(type as ValueType<unknown>).write(usual)}\``
}

/**
 * Reads an object by its table; `name` finds the synonyms. The answer has the names of the rows; keys that were refused (and reported)
 * or are undefined are absent from it.
 */
export function objectBy<Written extends object>(name: string, table: WrittenKeys<Written>): Reader<Written> {
  const rows = new Map(Object.entries(table as unknown as AnyKeys).map(([field, row]) => [row.key ?? field, { field, row }]))
  const known = [...rows.keys()]
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
        const found = rows.get(key)
        if (found !== undefined) {
          const read = found.row.type.read(item, place, problems)
          if (read !== undefined) written[found.field] = read
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
