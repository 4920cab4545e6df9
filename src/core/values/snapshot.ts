/**
 * A copy of what the config exported, taken once. Getters and proxies are the user's code: they run here and nowhere else, and
 * when one throws, the answer says so. Only arrays and plain objects are copied; anything else stays what it is, to be refused.
 */

/** The deepest right value lies 8 levels down; what lies deeper (or is cyclic) is cut and refused by its reader. */
const deepest = 12
/** Longer than any list that a config may hold. */
const longestArray = 100_000

export type Snapshot = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string }

export function takeSnapshot(value: unknown): Snapshot {
  try {
    return { ok: true, value: copy(value, 0) }
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : 'a getter threw something that is not an Error' }
  }
}

function copy(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth > deepest) return '…'
  if (Array.isArray(value))
    return value.length > longestArray ? new OpaqueObject('huge array') : value.map((item) => copy(item, depth + 1))
  if (value instanceof OpaqueObject) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  // A config evaluated in another realm has another Object.prototype: an object whose prototype has none above it is plain.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return new OpaqueObject(constructorName(value))
  const result: Record<string, unknown> = {}
  for (const key of Object.keys(value)) {
    const item = copy((value as Record<string, unknown>)[key], depth + 1)
    if (key === '__proto__') Object.defineProperty(result, key, { value: item, enumerable: true })
    else result[key] = item
  }
  return result
}

/** Stands for an object that is not plain data: a Date, a Map, a class instance, a promise. */
export class OpaqueObject {
  readonly className: string
  constructor(className: string) {
    this.className = className
  }
}

function constructorName(value: object): string {
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && /^\w{1,40}$/.test(name) ? name : 'class instance'
}
