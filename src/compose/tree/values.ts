/**
 * Values of a Compose file, each read as what it should be; what is something else is a problem with its line. A text that holds
 * variables stays `Code`, so that it can be written as an expression.
 */

import { Code } from '../../proposal/code.ts'
import type { Ledger } from './ledger.ts'
import type { List, Mapping, Scalar, Tree } from './tree.ts'
import type { Part } from '../../proposal/variable.ts'
import { plain, textOf } from './tree.ts'
import { formatDuration } from '../../core/values/quantity.ts'
import { show } from '../../core/values/show.ts'

/** Where something stands, for messages: the tree knows its line, this its name. */
export interface Spot {
  readonly path: readonly string[]
  readonly ledger: Ledger
}

export const below = (spot: Spot, ...keys: readonly string[]): Spot => ({ ...spot, path: [...spot.path, ...keys] })

export function refuse(tree: Tree, spot: Spot, allowed: string): undefined {
  spot.ledger.problem('E_COMPOSE_TYPE', tree.at, spot.path, `${show(plain(tree))} is not accepted here`, { allowed })
  return undefined
}

export function refuseValue(tree: Tree, spot: Spot, allowed: string, suggestion: string | null = null): undefined {
  spot.ledger.problem('E_COMPOSE_VALUE', tree.at, spot.path, `${show(plain(tree))} is not accepted here`, { allowed, suggestion })
  return undefined
}

export function readText(tree: Tree, spot: Spot): string | Code | undefined {
  if (tree.kind !== 'scalar' || tree.value === null) return refuse(tree, spot, 'a text')
  return tree.parts === null ? String(tree.value) : new Code(tree.parts, 'text')
}

/** The text as it is today, where an expression would be of no use. */
export function readPlain(tree: Tree, spot: Spot): string | undefined {
  const text = readText(tree, spot)
  return text instanceof Code ? String(text.value) : text
}

export function readList(tree: Tree, spot: Spot): List | undefined {
  return tree.kind === 'list' ? tree : refuse(tree, spot, 'a list')
}

export function readMapping(tree: Tree, spot: Spot): Mapping | undefined {
  return tree.kind === 'mapping' ? tree : refuse(tree, spot, 'a mapping')
}

export function readBoolean(tree: Tree, spot: Spot): boolean | undefined {
  const text = textOf(tree)?.toLowerCase()
  if (text === 'true' || text === 'yes' || text === 'on' || text === 'y') return true
  if (text === 'false' || text === 'no' || text === 'off' || text === 'n') return false
  return refuse(tree, spot, 'true or false')
}

export function readNumber(tree: Tree, spot: Spot): number | Code | undefined {
  const text = textOf(tree)
  const number = Number(text)
  if (text === undefined || text.trim() === '' || !Number.isFinite(number)) return refuse(tree, spot, 'a number')
  return tree.kind === 'scalar' && tree.parts !== null ? new Code(tree.parts, 'number') : number
}

/** Milliseconds of `1h5m30s20ms`, Go's durations; a bare number is seconds to nobody, so it is refused, but 0 is 0. */
export function readDurationMs(tree: Tree, spot: Spot): number | undefined {
  const text = textOf(tree) ?? ''
  if (text === '0') return 0
  const match =
    /^(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?(?:(\d+(?:\.\d+)?)(?:us|µs|ns))?$/.exec(
      text,
    )
  if (match === null || text === '')
    return refuseValue(tree, spot, 'a duration such as 30s, 1m30s or 250ms', /^\d+$/.test(text) ? `${text}s` : null)
  const [, hours, minutes, seconds, milliseconds] = match
  return Math.round(
    Number(hours ?? 0) * 3_600_000 + Number(minutes ?? 0) * 60_000 + Number(seconds ?? 0) * 1000 + Number(milliseconds ?? 0),
  )
}

/** The text of a duration in a form that the config's types know: `1h5s` is none of them, `3605s` is. */
export function durationText(durationMs: number): string {
  const text = formatDuration(durationMs)
  const isTyped = /^(?:[\d.]+(?:ms|s|m|h|d)|\d+d\d+h|\d+h\d+m|\d+m[\d.]+s|\d+h\d+m[\d.]+s)$/.test(text)
  return isTyped ? text : `${durationMs / 1000}s`
}

const sizeUnits: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 }

/** Compose counts in binary units: `b`, `k` or `kb`, `m` or `mb`, `g` or `gb`; a bare number is bytes. */
export function readSizeBytes(tree: Tree, spot: Spot): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgt])?i?b?$/i.exec(textOf(tree) ?? '')
  if (match === null) return refuseValue(tree, spot, 'a size such as 512m, 1g or 1073741824')
  return Math.round(Number(match[1]) * sizeUnits[(match[2] ?? 'b').toLowerCase()]!)
}

/** A text whose variables are each one strange character, so that it can be cut like any other; `restore` puts them back. */
export function masked(scalar: Scalar): { readonly text: string; readonly restore: (piece: string) => string | Code } {
  const { parts } = scalar
  if (parts === null) return { text: String(scalar.value), restore: (piece) => piece }
  const text = parts.map((part, index) => (typeof part === 'string' ? part : mark(index))).join('')
  const restore = (piece: string): string | Code => {
    const pieces = piece.split(/([\uE000-\uF8FF])/).filter((one) => one !== '')
    const restored = pieces.map((one): Part => (one >= '\uE000' && one <= '\uF8FF' ? parts[one.charCodeAt(0) - 0xe000]! : one))
    return restored.some((one) => typeof one !== 'string') ? new Code(restored, 'text') : piece
  }
  return { text, restore }
}

const mark = (index: number): string => String.fromCharCode(0xe000 + Math.min(index, 0x18ff))

/** The words of a command line, cut as Compose does it: quotes and backslashes, no shell. Null when a quote is not closed. */
export function splitWords(text: string): readonly string[] | null {
  const words: string[] = []
  const pattern = /\s*((?:[^\s'"\\]+|\\[\s\S]|'[^']*'|"(?:[^"\\]|\\[\s\S])*")+)/gy
  while (pattern.lastIndex < text.trimEnd().length) {
    const match = pattern.exec(text)
    if (match === null) return null
    words.push(
      match[1]!.replaceAll(
        /'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|\\([\s\S])/g,
        (_, single?: string, double?: string, escaped?: string) =>
          single ?? double?.replaceAll(/\\(["\\$`])/g, '$1') ?? escaped ?? '',
      ),
    )
  }
  return words
}

/** A command: a list as it stands, a text cut into words. */
export function readWords(tree: Tree, spot: Spot): readonly (string | Code)[] | undefined {
  if (tree.kind === 'list') {
    const words = tree.items.map((item, index) => readText(item, below(spot, String(index))))
    return words.some((word) => word === undefined) ? undefined : (words as readonly (string | Code)[])
  }
  if (tree.kind === 'mapping' || tree.value === null) return refuse(tree, spot, 'a command line, or a list of words')
  const { text, restore } = masked(tree)
  const words = splitWords(text)
  if (words === null) return refuseValue(tree, spot, 'a command line whose quotes are closed')
  return words.map(restore)
}
