/**
 * `.env` and `env_file`, as Compose reads them: `NAME=value`, `export` in front, single quotes as they stand, double quotes with escapes
 * and variables (both may go over several lines), a comment behind a space. A name alone is taken from the shell.
 */

import { readParts, valueOf, type Variables } from './interpolate.ts'
import type { Ledger } from './ledger.ts'
import type { Place } from './tree.ts'
import type { Part } from '../../proposal/variable.ts'

export interface Assignment {
  readonly name: string
  /** Null for a name alone. */
  readonly value: string | null
  readonly parts: readonly Part[] | null
  readonly at: Place
}

/** `isRaw`: every value as it stands, without quotes and variables (`format: raw`). */
export function parseDotenv(
  text: string,
  file: string,
  variables: Variables,
  ledger: Ledger,
  isRaw: boolean = false,
): readonly Assignment[] {
  ledger.addSource(file, text)
  const assignments: Assignment[] = []
  const own = new Map<string, string>()
  const lookUp: Variables = (name) => variables(name) ?? own.get(name)
  const source = text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n')
  let [offset, number, counted] = [0, 1, 0]
  while (offset < source.length) {
    const end = endOfLine(source, offset)
    const line = source.slice(offset, end)
    number += source.slice(counted, offset).split('\n').length - 1
    counted = offset
    const at = { file, line: number, column: 1 }
    offset = end + 1
    if (/^\s*(?:#|$)/.test(line)) continue
    const head = /^\s*(?:export\s+)?([^\s=:#'"]+)\s*(?:([=:])[ \t]*|$)/.exec(line)
    if (head === null) {
      ledger.problem(
        'E_COMPOSE_ENV_FILE',
        at,
        [],
        `${JSON.stringify(line.trim().slice(0, 40).replace(/=.*/s, '=…'))} is no assignment`,
        { allowed: 'NAME=value' },
      )
      continue
    }
    const name = head[1]!
    if (head[2] === undefined) {
      assignments.push({ name, value: null, parts: null, at })
      continue
    }
    const start = at.line === 0 ? 0 : end - line.length + head[0].length
    const read = isRaw ? { text: source.slice(start, end), isLiteral: true, end } : readValue(source, start, end)
    if (read === null) {
      ledger.problem('E_COMPOSE_ENV_FILE', at, [], `the quotes of ${name} are not closed`)
      return assignments
    }
    offset = Math.max(offset, read.end + 1)
    const problem = (code: string, message: string, allowed?: string): void =>
      ledger.problem(code, at, [], `${name}: ${message}`, allowed === undefined ? {} : { allowed })
    const filled = read.isLiteral || !read.text.includes('$') ? null : readParts(read.text, { variables: lookUp, problem })
    // What this file says itself is no variable to anybody else.
    const parts =
      filled?.map((part) =>
        typeof part === 'string' || variables(part.name) !== undefined || !own.has(part.name) ? part : part.value,
      ) ?? null
    const value = parts === null ? read.text : valueOf(parts)
    own.set(name, value)
    assignments.push({ name, value, parts: parts?.some((part) => typeof part !== 'string') === true ? parts : null, at })
  }
  return assignments
}

function endOfLine(source: string, offset: number): number {
  const end = source.indexOf('\n', offset)
  return end < 0 ? source.length : end
}

function readValue(
  source: string,
  start: number,
  end: number,
): { readonly text: string; readonly isLiteral: boolean; readonly end: number } | null {
  const quote = source[start]
  if (quote !== "'" && quote !== '"') {
    const text = source
      .slice(start, end)
      .replace(/(?:^|\s)#.*$/, '')
      .trim()
    return { text, isLiteral: false, end }
  }
  let close = start + 1
  while (close < source.length && source[close] !== quote) close += quote === '"' && source[close] === '\\' ? 2 : 1
  if (close >= source.length) return null
  const inside = source.slice(start + 1, close)
  const text =
    quote === "'"
      ? inside
      : inside.replaceAll(
          /\\(.)/gs,
          (_, character: string) => escapes[character] ?? (character === '$' ? '$$' : `\\${character}`),
        )
  return { text, isLiteral: quote === "'", end: endOfLine(source, close) }
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\' }
