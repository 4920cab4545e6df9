/**
 * A kind of value, described once: how what was written is read, what a record of it must look like, and how it is shown. Readers never
 * throw: one returns undefined only after it has reported a problem.
 */

import type { Place, ProblemList } from './problem-list.ts'
import type { Shape } from './shape.ts'
import { kindOf, show } from './show.ts'
import { OpaqueObject } from './snapshot.ts'

export interface Reader<Value> {
  /** What is allowed, as a noun phrase: it stands in messages and in the reference. */
  readonly accepts: string
  readonly read: (value: unknown, at: Place, problems: ProblemList) => Value | undefined
}

/** `Written` is what the reader makes of what stands in a config, `Recorded` what is kept of it: for most kinds the same. */
export interface ValueType<Recorded, Written = Recorded> extends Reader<Written> {
  readonly shape: Shape<Recorded>
  /** In a plan: `10s`. Null: it does not show. */
  readonly show: (value: Recorded) => string | null
  /** As it would stand in a config: `'10s'`. */
  readonly write: (value: Recorded) => string
}

/** A reader with the faces that a recorded value has. */
export function valueType<Recorded, Written = Recorded>(
  reader: Reader<Written>,
  faces: Pick<ValueType<Recorded>, 'shape'> & Partial<Pick<ValueType<Recorded>, 'show' | 'write'>>,
): ValueType<Recorded, Written> {
  const showOf = faces.show ?? String
  return {
    accepts: reader.accepts,
    read: (value, at, problems) => reader.read(value, at, problems),
    shape: faces.shape,
    show: showOf,
    write: faces.write ?? String,
  }
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
