/**
 * A value as TypeScript source, in the house's own style: plain data, a secret as the call that makes it, a text with variables as an
 * expression, a shared value as its name.
 */

import type { Part, Variable } from './variable.ts'
import { Code } from './code.ts'

/** The name of a constant that stands above. */
export class Reference {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

/** An object that begins with what constants hold. */
export class Spread {
  readonly names: readonly string[]
  readonly rest: Readonly<Record<string, unknown>>

  constructor(names: readonly string[], rest: Readonly<Record<string, unknown>>) {
    this.names = names
    this.rest = rest
  }
}

const widest = 110
/** A depth for what must stay on one line: a comment, a message. */
export const onOneLine: number = -1000

/** `constants`: the names of variables that stand above, by their own source. */
export function literal(value: unknown, depth: number, constants: ReadonlyMap<string, string> = new Map()): string {
  if (value instanceof Reference) return value.name
  if (value instanceof Code) return expression(value, constants)
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'number' && Number.isInteger(value) && value > 65_535) return grouped(value)
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value))
    return wrapped(
      '[',
      value.map((item) => literal(item, depth + 1, constants)),
      ']',
      depth,
    )
  if (value instanceof Spread)
    return fieldsOf(
      value.rest,
      depth,
      constants,
      value.names.map((name) => `...${name}`),
    )
  const fields = value as Readonly<Record<string, unknown>>
  if (fields['from'] === 'environment' && typeof fields['name'] === 'string') return `secret(${quoted(fields['name'])})`
  if (fields['from'] === 'file' && typeof fields['path'] === 'string') return `secret.file(${quoted(fields['path'])})`
  if (fields['from'] === 'command' && Array.isArray(fields['command']))
    return `secret.command(${literal(fields['command'], depth, constants)})`
  return fieldsOf(fields, depth, constants, [])
}

function fieldsOf(
  fields: Readonly<Record<string, unknown>>,
  depth: number,
  constants: ReadonlyMap<string, string>,
  before: readonly string[],
): string {
  const entries = Object.entries(fields).filter(([, item]) => item !== undefined)
  const written = [...before, ...entries.map(([key, item]) => field(key, literal(item, depth + 1, constants)))]
  return written.length === 0 ? '{}' : wrapped('{ ', written, ' }', depth)
}

/** On one line where there is room. */
function wrapped(open: string, items: readonly string[], close: string, depth: number): string {
  const line = `${open}${items.join(', ')}${close}`
  if (depth < 0 || items.length === 0 || (line.length + depth * 2 <= widest && !line.includes('\n'))) return line
  const indent = '  '.repeat(depth)
  return `${open.trim()}\n${items.map((item) => `${indent}  ${item},\n`).join('')}${indent}${close.trim()}`
}

export function field(key: string, source: string): string {
  return key === source ? key : `${propertyName(key)}: ${source}`
}

export function propertyName(key: string): string {
  // Written plainly it would be the object's prototype, and no key of it.
  if (key === '__proto__') return "['__proto__']"
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : quoted(key)
}

const grouped = (value: number): string => String(value).replaceAll(/\B(?=(?:\d{3})+$)/g, '_')

export function quoted(value: string): string {
  const isDouble = value.includes("'") && !value.includes('"')
  const plain = JSON.stringify(value).slice(1, -1)
  const inside = isDouble ? plain : plain.replaceAll('\\"', '"').replaceAll("'", "\\'")
  const quote = isDouble ? '"' : "'"
  return `${quote}${inside.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')}${quote}`
}

function expression({ parts, as }: Code, constants: ReadonlyMap<string, string>): string {
  const [only] = parts
  const isAlone = parts.length === 1 && typeof only === 'object'
  const text = isAlone ? variableSource(only, constants) : template(parts, constants)
  return as === 'number' ? `Number(${text})` : text
}

/** The expression that gives what Compose would put in the variable's place. */
export function variableSource(variable: Variable, constants: ReadonlyMap<string, string> = new Map()): string {
  const { name, form, isEmptyNone, operand } = variable
  const source = `process.env[${quoted(name)}]`
  const otherwise = operandSource(operand, constants)
  const whole =
    form === 'instead'
      ? `${isEmptyNone ? source : `${source} !== undefined`} ? ${otherwise} : ''`
      : `${source} ${form === 'default' && isEmptyNone ? '||' : '??'} ${form === 'default' ? otherwise : "''"}`
  return constants.get(whole) ?? whole
}

/** `??` and `||` may not stand side by side. */
function operandSource(operand: readonly Part[], constants: ReadonlyMap<string, string>): string {
  const source = expression(new Code(operand, 'text'), constants)
  return operand.length === 1 && typeof operand[0] === 'object' && source.startsWith('process.') ? `(${source})` : source
}

function template(parts: readonly Part[], constants: ReadonlyMap<string, string>): string {
  if (parts.every((part) => typeof part === 'string')) return quoted(parts.join(''))
  const inside = parts.map((part) => (typeof part === 'string' ? templateText(part) : `\${${variableSource(part, constants)}}`))
  return `\`${inside.join('')}\``
}

function templateText(text: string): string {
  const inside = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll('`', '\\`').replaceAll('${', '\\${')
  return inside.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
}
