/**
 * The parser is asked only when something is wrong: it is a native module that a sound config never waits for.
 */

import { readFileSync } from 'node:fs'
import type { ParseResult } from 'oxc-parser'
import type { Position } from './trouble.ts'

export interface Parsed {
  readonly result: ParseResult
  readonly source: string
}

/** Null when the file cannot be read, or the parser is not there for this platform. */
export async function parseFile(file: string): Promise<Parsed | null> {
  try {
    const { parseSync } = await import('oxc-parser')
    const source = readFileSync(file, 'utf8')
    return { result: parseSync(file, source, { sourceType: 'module' }), source }
  } catch {
    return null
  }
}

/** The first error in the first of the files that has one. */
export async function findSyntaxError(files: readonly string[]): Promise<(Position & { readonly message: string }) | null> {
  for (const file of new Set(files)) {
    const parsed = await parseFile(file)
    const error = parsed?.result.errors[0]
    if (parsed === null || error === undefined) continue
    const offset = error.labels[0]?.start ?? 0
    return { file, ...positionAt(parsed.source, offset), message: error.message }
  }
  return null
}

/** Where a file imports `module`, or from it `name`. */
export async function findImport(
  file: string,
  wanted: { readonly module: string; readonly name: string | null },
): Promise<Position | null> {
  const parsed = await parseFile(file)
  if (parsed === null) return null
  const { staticImports, staticExports, dynamicImports } = parsed.result.module
  for (const one of staticImports) {
    if (one.moduleRequest.value !== wanted.module) continue
    if (wanted.name === null) return { file, ...positionAt(parsed.source, one.moduleRequest.start) }
    const entry = one.entries.find(({ importName }) => importName.name === wanted.name)
    if (entry !== undefined) return { file, ...positionAt(parsed.source, entry.importName.start ?? one.start) }
  }
  for (const entry of staticExports.flatMap((one) => one.entries)) {
    if (entry.moduleRequest?.value === wanted.module) return { file, ...positionAt(parsed.source, entry.moduleRequest.start) }
  }
  for (const one of dynamicImports) {
    const text = parsed.source.slice(one.moduleRequest.start, one.moduleRequest.end)
    if (text.slice(1, -1) === wanted.module) return { file, ...positionAt(parsed.source, one.moduleRequest.start) }
  }
  return null
}

/** Offsets are in UTF-16 units, as JavaScript's own. */
export function positionAt(source: string, offset: number): { readonly line: number; readonly column: number } {
  const before = source.slice(0, offset)
  const line = before.split('\n').length
  return { line, column: offset - (before.lastIndexOf('\n') + 1) + 1 }
}
