/**
 * What several services have in common becomes a constant, as a person would write it: a variable of the shell that is used twice, an
 * environment that two services begin with, an object that stands in two places. What stands in one place stays there.
 */

import { Code } from './code.ts'
import { literal, onOneLine, Reference, Spread, variableSource } from './literal.ts'
import type { Proposed } from './settle.ts'

export interface Constant {
  readonly name: string
  readonly source: string
  readonly remark: string | null
}

export interface Shared {
  readonly constants: readonly Constant[]
  /** The services, with the constants' names in them. */
  readonly services: readonly Proposed[]
  /** The names of constants that hold a variable, by its source. */
  readonly variables: ReadonlyMap<string, string>
}

/** Names that a constant must not take. */
const reserved = [
  'define',
  'secret',
  'process',
  'Number',
  'URL',
  'import',
  'export',
  'default',
  'const',
  'let',
  'var',
  'function',
  'class',
  'new',
  'delete',
  'return',
  'if',
  'else',
  'for',
  'while',
  'do',
  'in',
  'of',
  'switch',
  'case',
  'break',
  'continue',
  'this',
  'null',
  'true',
  'false',
  'void',
  'typeof',
  'with',
  'try',
  'catch',
  'throw',
  'enum',
  'await',
  'yield',
  'static',
  'package',
  'private',
  'public',
  'protected',
  'interface',
  'implements',
  'super',
  'instanceof',
  'finally',
  'debugger',
  'extends',
  'eval',
  'arguments',
  'undefined',
  'NaN',
  'Infinity',
]

/** Keys whose equal values are worth a name. A mere string is not. */
const shareable: Readonly<Record<string, string>> = {
  image: 'image',
  health: 'health',
  capabilities: 'capabilities',
  restart: 'restart',
  stop: 'stop',
  update: 'update',
  logs: 'logs',
  secrets: 'secrets',
  environment: 'environment',
}

export function shareValues(services: readonly Proposed[], anchors: ReadonlyMap<string, readonly string[]>): Shared {
  const taken = new Set(reserved)
  const free = (wanted: string): string => {
    let name = wanted
    for (let number = 2; taken.has(name); number++) name = `${wanted}${number}`
    taken.add(name)
    return name
  }
  const variables = shareVariables(services, free)
  const constants: Constant[] = [...variables].map(([source, name]) => ({ name, source, remark: null }))
  let shared = shareEnvironments(services, { anchors, free, constants, variables })
  for (const [key, name] of Object.entries(shareable)) shared = shareWhole(shared, key, { name, free, constants, variables })
  return { constants, services: shared, variables }
}

type Free = (wanted: string) => string

/** Variables that are used more than once, by their source. */
function shareVariables(services: readonly Proposed[], free: Free): ReadonlyMap<string, string> {
  const uses = new Map<string, { readonly wanted: string; count: number }>()
  const visit = (value: unknown): void => {
    if (value instanceof Code) {
      for (const variable of value.variables) {
        const source = variableSource(variable)
        const use = uses.get(source) ?? { wanted: camelCase(variable.name), count: 0 }
        use.count += 1
        uses.set(source, use)
      }
    } else if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) visit(item)
  }
  for (const { written } of services) visit(written)
  return new Map([...uses].filter(([, { count }]) => count > 1).map(([source, { wanted }]) => [source, free(wanted)]))
}

interface Workbench {
  readonly free: Free
  readonly constants: Constant[]
  readonly variables: ReadonlyMap<string, string>
}

/** Variables with the same value in the same two or more services, if they are at least two. */
function shareEnvironments(
  services: readonly Proposed[],
  bench: Workbench & { readonly anchors: ReadonlyMap<string, readonly string[]> },
): readonly Proposed[] {
  const holders = new Map<string, { readonly name: string; readonly value: unknown; readonly in: string[] }>()
  for (const { name: service, written } of services) {
    for (const [name, value] of Object.entries((written['environment'] as object | undefined) ?? {})) {
      const key = `${name}=${literal(value, onOneLine)}`
      const holder = holders.get(key) ?? { name, value, in: [] as string[] }
      holder.in.push(service)
      holders.set(key, holder)
    }
  }
  const groups = new Map<string, [string, unknown][]>()
  for (const holder of holders.values()) {
    if (holder.in.length < 2) continue
    const key = JSON.stringify(holder.in)
    groups.set(key, [...(groups.get(key) ?? []), [holder.name, holder.value]])
  }
  const spreads = new Map<string, { readonly name: string; readonly keys: ReadonlySet<string> }[]>()
  for (const [key, entries] of groups) {
    if (entries.length < 2) continue
    const keys = new Set(entries.map(([name]) => name))
    const name = bench.free(groupName([...keys], bench.anchors))
    const sharers = JSON.parse(key) as readonly string[]
    const remarks = services.find((service) => service.name === sharers[0])?.remarks ?? {}
    const remark = [...keys].map((held) => remarks[`environment.${held}`]).find((text) => text !== undefined) ?? null
    bench.constants.push({ name, source: literal(Object.fromEntries(entries), 0, bench.variables), remark })
    for (const service of sharers) spreads.set(service, [...(spreads.get(service) ?? []), { name, keys }])
  }
  return services.map((service) => {
    const own = spreads.get(service.name)
    if (own === undefined) return service
    const entries = Object.entries(service.written['environment'] as object)
    const rest = Object.fromEntries(entries.filter(([name]) => !own.some(({ keys }) => keys.has(name))))
    const isWhole = own.length === 1 && Object.keys(rest).length === 0
    const environment = isWhole
      ? new Reference(own[0]!.name)
      : new Spread(
          own.map(({ name }) => name),
          rest,
        )
    const isTold = (where: string): boolean => own.some(({ keys }) => keys.has(where.replace(/^environment\./, '')))
    const remarks = Object.fromEntries(Object.entries(service.remarks).filter(([where]) => !isTold(where)))
    return { ...service, written: { ...service.written, environment }, remarks }
  })
}

/** As the file's own anchor calls it, else by what the names begin with. */
function groupName(keys: readonly string[], anchors: ReadonlyMap<string, readonly string[]>): string {
  for (const [anchor, held] of anchors) if (keys.every((key) => held.includes(key))) return camelCase(anchor)
  const [first = ''] = keys
  const prefix = /^([A-Z][A-Z0-9]*)_/.exec(first)?.[1]
  return prefix !== undefined && keys.every((key) => key.startsWith(`${prefix}_`)) ? camelCase(prefix) : 'environment'
}

function shareWhole(
  services: readonly Proposed[],
  key: string,
  { name, free, constants, variables }: Workbench & { readonly name: string },
): readonly Proposed[] {
  const uses = new Map<string, { readonly value: unknown; count: number; remark: string | null }>()
  for (const { written, remarks } of services) {
    const value = written[key]
    if (!isWorthSharing(value)) continue
    const source = literal(value, 0, variables)
    const [remark = null] = Object.entries(remarks).flatMap(([where, text]) => (isAbout(where, key) ? [text] : []))
    const use = uses.get(source) ?? { value, count: 0, remark }
    use.count += 1
    uses.set(source, use)
  }
  const names = new Map<string, string>()
  for (const [source, { count, value, remark }] of uses) {
    if (count < 2) continue
    const own = free(name)
    names.set(source, own)
    // Durations and their like are types of their own: a string of a mere object would be wider.
    const isNarrow =
      typeof value === 'object' &&
      !(value instanceof Code) &&
      !(value instanceof Spread) &&
      !['environment', 'secrets', 'image'].includes(key)
    constants.push({ name: own, source: `${source}${isNarrow ? ' as const' : ''}`, remark })
  }
  return services.map((service) => {
    const value = service.written[key]
    const own = isWorthSharing(value) ? names.get(literal(value, 0, variables)) : undefined
    if (own === undefined) return service
    const remarks = Object.fromEntries(Object.entries(service.remarks).filter(([where]) => !isAbout(where, key)))
    return { ...service, written: { ...service.written, [key]: new Reference(own) }, remarks }
  })
}

/** A remark is about a key, or about something in it. */
export const isAbout = (where: string, key: string): boolean => where === key || where.startsWith(`${key}.`)

function isWorthSharing(value: unknown): boolean {
  if (value instanceof Reference || value === undefined) return false
  if (value instanceof Code) return true
  return typeof value === 'object' && value !== null
    ? Object.keys(value).length > 0
    : typeof value === 'string' && value.length > 24
}

function camelCase(name: string): string {
  const words = name.split(/[^A-Za-z0-9]+/).filter((word) => word !== '' && word !== 'x')
  const isShouted = name === name.toUpperCase()
  const [first = 'value', ...rest] = words.map((word) => (isShouted ? word.toLowerCase() : word))
  const text = [
    first.charAt(0).toLowerCase() + first.slice(1),
    ...rest.map((word) => word.charAt(0).toUpperCase() + word.slice(1)),
  ].join('')
  return /^\d/.test(text) ? `value${text}` : text
}
