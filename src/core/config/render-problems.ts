/**
 * Problems as a person reads them: `file:line:column  path  message`, the line of the source with a caret, what is allowed, and
 * the nearest right spelling. Without colour, unless the caller brings a paint.
 */

import type { Problem } from '../values/problem.ts'

/** Where a problem stands in the user's file. `line` and `column` count from 1; null where they cannot be known. */
export interface LocatedProblem extends Problem {
  readonly file: string | null
  readonly line: number | null
  readonly column: number | null
  /** The line itself, without its end. */
  readonly source: string | null
}

export type Paint = (text: string, as: 'place' | 'path' | 'message' | 'source' | 'caret' | 'hint') => string

const plain: Paint = (text) => text

/** Ends without a line feed. `displayPath` shortens a file's name, from the folder that the person stands in, say. */
export function renderProblems(
  problems: readonly LocatedProblem[],
  options: { readonly paint?: Paint; readonly displayPath?: (file: string) => string } = {},
): string {
  const paint = options.paint ?? plain
  const display = options.displayPath ?? ((file: string) => file)
  return problems.map((problem) => renderProblem(problem, paint, display)).join('\n\n')
}

function renderProblem(problem: LocatedProblem, paint: Paint, display: (file: string) => string): string {
  const head: string[] = []
  if (problem.file !== null) head.push(paint(placeOf(display(problem.file), problem), 'place'))
  if (problem.path.length > 0) head.push(paint(pathText(problem.path), 'path'))
  head.push(`${paint(problem.message, 'message')} ${paint(`[${problem.code}]`, 'hint')}`)
  const lines = [head.join('  ')]
  if (problem.source !== null && problem.line !== null) {
    const gutter = `  ${problem.line} | `
    const { line, pad } = excerpt(problem.source, problem.column ?? 1)
    lines.push(paint(`${gutter}${line}`, 'source'))
    if (problem.column !== null) lines.push(`${' '.repeat(gutter.length - 2)}| ${pad}${paint('^', 'caret')}`)
  }
  if (problem.allowed !== null) lines.push(paint(`  allowed: ${problem.allowed}`, 'hint'))
  if (problem.suggestion !== null) lines.push(paint(`  did you mean ${problem.suggestion}?`, 'hint'))
  return lines.join('\n')
}

function placeOf(file: string, problem: LocatedProblem): string {
  if (problem.line === null) return file
  return problem.column === null ? `${file}:${problem.line}` : `${file}:${problem.line}:${problem.column}`
}

/** `services.web.volumes["/data"]`: what could be typed in TypeScript. */
function pathText(path: readonly string[]): string {
  return path.reduce((text, key) => {
    if (/^\d+$/.test(key)) return `${text}[${key}]`
    if (!/^[A-Za-z_$][\w$-]*$/.test(key)) return `${text}[${JSON.stringify(key.slice(0, 80))}]`
    return text === '' ? key : `${text}.${key}`
  }, '')
}

const widest = 120

/** The part of a long line around the column, and the white space that brings a caret under it. */
function excerpt(source: string, column: number): { readonly line: string; readonly pad: string } {
  const from = column > widest - 20 ? column - widest / 2 : 0
  const cutBefore = from === 0 ? '' : '… '
  const line = `${cutBefore}${source.slice(from, from + widest)}${source.length > from + widest ? ' …' : ''}`
  const before = `${cutBefore}${source.slice(from, column - 1)}`
  return {
    line: line.replaceAll('\t', '  '),
    pad: before.replaceAll('\t', '  ').replace(/[^ ]/gu, (character) => (isWide(character) ? '　' : ' ')),
  }
}

/** Characters that a terminal draws two cells wide (Unicode's East Asian Width, the blocks in common use). */
function isWide(character: string): boolean {
  return /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u.test(
    character,
  )
}
