/**
 * A few words for saying what JSON must look like. A shape checks a value and gives it back typed, or calls `refuse` with the path, what
 * was found and what is allowed: what a refusal is, its caller says (the socket throws `E_REQUEST_INVALID`). Two hundred lines less than
 * a library, and 13 MB less in every daemon (decision 10).
 */

export type Refuse = (value: unknown, path: string, allowed: string) => never

export type Shape<Type> = (value: unknown, path: string, refuse: Refuse) => Type

export const anyText: Shape<string> = (value, path, refuse) => (typeof value === 'string' ? value : refuse(value, path, 'a text'))

export const anyTruth: Shape<boolean> = (value, path, refuse) =>
  typeof value === 'boolean' ? value : refuse(value, path, 'true or false')

export const anyNumber: Shape<number> = (value, path, refuse) =>
  typeof value === 'number' && Number.isFinite(value) ? value : refuse(value, path, 'a number')

export const anyInteger: Shape<number> = (value, path, refuse) =>
  Number.isSafeInteger(value) ? (value as number) : refuse(value, path, 'a whole number')

export function exactly<const Value extends string>(...allowed: readonly Value[]): Shape<Value> {
  return (value, path, refuse) =>
    (allowed as readonly unknown[]).includes(value) ? (value as Value) : refuse(value, path, `one of ${allowed.join(', ')}`)
}

export function orNull<Type>(shape: Shape<Type>): Shape<Type | null> {
  return (value, path, refuse) => (value === null ? null : shape(value, path, refuse))
}

export function listOf<Type>(shape: Shape<Type>): Shape<readonly Type[]> {
  return (value, path, refuse) =>
    Array.isArray(value) ? value.map((item, index) => shape(item, `${path}[${index}]`, refuse)) : refuse(value, path, 'a list')
}

export function recordOf<Type>(shape: Shape<Type>): Shape<Readonly<Record<string, Type>>> {
  return (value, path, refuse) => {
    if (!isObject(value)) return refuse(value, path, 'an object')
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shape(inner, `${path}.${key}`, refuse)]))
  }
}

/** One shape for each field; the compiler holds them against the type. */
export type Shapes<Type> = { readonly [Field in keyof Type]-?: Shape<Type[Field]> }

/** Exactly these keys: an unknown one is refused, as in the config. */
export function objectOf<Type extends object>(shapes: Shapes<Type>): Shape<Type> {
  const known = Object.entries<Shape<unknown>>(shapes)
  return (value, path, refuse) => {
    if (!isObject(value)) return refuse(value, path, 'an object')
    for (const key of Object.keys(value)) {
      if (!Object.hasOwn(shapes, key))
        refuse(value[key], `${path}.${key}`, `one of the keys ${known.map(([name]) => name).join(', ')}`)
    }
    return Object.fromEntries(known.map(([key, shape]) => [key, shape(value[key], `${path}.${key}`, refuse)])) as Type
  }
}

/** Objects told apart by the text under `key`. */
export function unionBy<Type extends object>(key: string, shapes: Readonly<Record<string, Shape<Type>>>): Shape<Type> {
  return (value, path, refuse) => {
    const tag = isObject(value) ? value[key] : undefined
    const shape = typeof tag === 'string' && Object.hasOwn(shapes, tag) ? shapes[tag] : undefined
    return shape === undefined
      ? refuse(tag, `${path}.${key}`, `one of ${Object.keys(shapes).join(', ')}`)
      : shape(value, path, refuse)
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
