/**
 * A value as a person would have written it, shortened for a message. It never fails and never recurses deeply, whatever the
 * config holds. Not for secrets: those are never shown.
 */
import { OpaqueObject } from './snapshot.ts'

const longest = 60

export function show(value: unknown): string {
  const text = write(value, 0)
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`
}

/** The kind of a value, with its article: "a string", "an array". */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (value === undefined) return 'undefined'
  if (value instanceof OpaqueObject) return `a ${value.className}`
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

function write(value: unknown, depth: number): string {
  if (typeof value === 'string') return quote(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'symbol') return value.toString()
  if (typeof value === 'function') return '[function]'
  if (value instanceof OpaqueObject) return `[${value.className}]`
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return `[${some(value, depth, (item) => write(item, depth + 1))}]`
  const fields = some(Object.entries(value), depth, ([key, item]) => `${key}: ${write(item, depth + 1)}`)
  return fields === '' ? '{}' : `{ ${fields} }`
}

function some<Item>(items: readonly Item[], depth: number, each: (item: Item) => string): string {
  if (depth >= 3 && items.length > 0) return '…'
  const shown = items.slice(0, 8).map(each)
  return (items.length > 8 ? [...shown, '…'] : shown).join(', ')
}

/** Single quotes, with whatever would break the line or the terminal escaped. */
export function quote(text: string): string {
  const short = text.length > longest ? `${text.slice(0, longest)}…` : text
  return `'${JSON.stringify(short).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'").replaceAll('\u007f', '\\u007f')}'`
}
