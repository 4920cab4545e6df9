/**
 * Compose's variables: `${X}`, `$X`, `${X:-default}`, `${X:?error}`, `${X:+instead}`, each also without the colon, nested, and `$$` for
 * a dollar sign. A text keeps how it was made, because a config that a person writes says `process.env['TAG']` and not today's value.
 */

import type { Ledger } from './ledger.ts'
import type { Scalar, Tree } from './tree.ts'
import type { Part, Variable } from '../../proposal/variable.ts'

/** The value of a variable: the shell's, else that of `.env`; undefined for none. */
export type Variables = (name: string) => string | undefined

interface Sink {
  readonly variables: Variables
  readonly problem: (code: string, message: string, allowed?: string) => void
}

/** The tree with every text filled in; keys stay as they are, as in Compose. */
export function interpolateTree(tree: Tree, variables: Variables, ledger: Ledger, path: readonly string[] = []): Tree {
  if (tree.kind === 'mapping') {
    const entries = [...tree.entries].map(
      ([key, entry]) => [key, { ...entry, value: interpolateTree(entry.value, variables, ledger, [...path, key]) }] as const,
    )
    return { ...tree, entries: new Map(entries) }
  }
  if (tree.kind === 'list') {
    return { ...tree, items: tree.items.map((item, index) => interpolateTree(item, variables, ledger, [...path, String(index)])) }
  }
  if (typeof tree.value !== 'string' || !tree.value.includes('$')) return tree
  return interpolateScalar(tree, tree.value, variables, ledger, path)
}

function interpolateScalar(scalar: Scalar, text: string, variables: Variables, ledger: Ledger, path: readonly string[]): Scalar {
  const problem = (code: string, message: string, allowed?: string): void =>
    ledger.problem(code, scalar.at, path, message, allowed === undefined ? {} : { allowed })
  const parts = readParts(text, { variables, problem })
  const hasVariable = parts.some((part) => typeof part !== 'string')
  return { ...scalar, value: valueOf(parts), parts: hasVariable ? parts : null }
}

export function valueOf(parts: readonly Part[]): string {
  return parts.map((part) => (typeof part === 'string' ? part : part.value)).join('')
}

const namePattern = /^[A-Za-z_][A-Za-z0-9_]*/
/** Defaults within defaults; nobody writes more. */
const deepestNesting = 10

export function readParts(text: string, sink: Sink, depth: number = 0): readonly Part[] {
  const parts: Part[] = []
  let written = ''
  let index = 0
  while (index < text.length) {
    const dollar = text.indexOf('$', index)
    if (dollar < 0) break
    written += text.slice(index, dollar)
    const next = text[dollar + 1]
    if (next === '$') {
      written += '$'
      index = dollar + 2
      continue
    }
    const name = namePattern.exec(text.slice(dollar + 1))?.[0]
    if (next === '{') {
      const end = closingBrace(text, dollar + 2)
      const variable = end < 0 ? null : readBraced(text.slice(dollar + 2, end), sink, depth)
      if (variable === null) {
        sink.problem(
          'E_COMPOSE_VARIABLE',
          `${text.slice(dollar, dollar + 40)} is not a variable`,
          '${NAME}, ${NAME:-default}, ${NAME:?error}, $$ for a dollar sign',
        )
        return [text]
      }
      if (written !== '') parts.push(written)
      written = ''
      parts.push(variable)
      index = end + 1
    } else if (name === undefined) {
      sink.problem('E_COMPOSE_VARIABLE', `a lone $ in ${JSON.stringify(text.slice(0, 60))}`, '$$ for a dollar sign')
      return [text]
    } else {
      if (written !== '') parts.push(written)
      written = ''
      parts.push(plainVariable(name, sink.variables))
      index = dollar + 1 + name.length
    }
  }
  written += text.slice(index)
  if (written !== '' || parts.length === 0) parts.push(written)
  return parts
}

function closingBrace(text: string, from: number): number {
  let open = 1
  for (let index = from; index < text.length; index++) {
    if (text[index] === '$' && text[index + 1] === '{') open += 1
    else if (text[index] === '}') open -= 1
    if (open === 0) return index
  }
  return -1
}

function plainVariable(name: string, variables: Variables): Variable {
  const known = variables(name) ?? null
  return { name, form: 'plain', isEmptyNone: false, operand: [], value: known ?? '', known }
}

function readBraced(inside: string, sink: Sink, depth: number): Variable | null {
  const match = /^([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?+])([\s\S]*))?$/.exec(inside)
  if (match === null || depth > deepestNesting) return null
  const [, name, operator, rest] = match as unknown as [string, string, string?, string?]
  if (operator === undefined) return plainVariable(name, sink.variables)
  const isEmptyNone = operator.startsWith(':')
  const known = sink.variables(name) ?? null
  const has = known !== null && !(isEmptyNone && known === '')
  const operand = readParts(rest ?? '', sink, depth + 1)
  const form = operator.endsWith('-') ? 'default' : operator.endsWith('?') ? 'required' : 'instead'
  if (form === 'required' && !has) {
    sink.problem(
      'E_COMPOSE_VARIABLE',
      `${name} has no value${rest === '' ? '' : `: ${valueOf(operand)}`}`,
      `${name}=… in the environment of this command, or in .env`,
    )
  }
  const value = form === 'instead' ? (has ? valueOf(operand) : '') : has ? known : form === 'default' ? valueOf(operand) : ''
  return { name, form, isEmptyNone, operand, value, known }
}
