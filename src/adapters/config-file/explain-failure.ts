/**
 * What Node threw while the config was loaded → what is wrong, and where. Node tells the place in a different way each time:
 * before the stack, in the stack, or not at all; then the parser is asked.
 */

import { existsSync, readFileSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nearest } from '../../core/values/nearest.ts'
import { quote, show } from '../../core/values/show.ts'
import { type EvaluationTrace, type FailedImport, sdkUrl } from './module-hooks.ts'
import { findImport, findSyntaxError } from './parse.ts'
import type { Position, Trouble } from './trouble.ts'

interface Circumstances {
  readonly file: string
  /** `file` without symbolic links, as it stands in stacks. */
  readonly realFile: string
  readonly trace: EvaluationTrace
}

export async function explainFailure(error: unknown, circumstances: Circumstances): Promise<Trouble> {
  const failed = circumstances.trace.failedImport(error)
  if (failed !== null) return explainImport(failed, error)
  if (error instanceof SyntaxError) return explainSyntax(error, circumstances)
  return explainThrown(error, circumstances)
}

async function explainImport(failed: FailedImport, error: unknown): Promise<Trouble> {
  const from = fileURLToPath(failed.from)
  const place = await findImport(from, { module: failed.specifier, name: null })
  const isPath = /^\.{0,2}\//.test(failed.specifier)
  const isMissing = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND'
  const message = isMissing
    ? `${quote(failed.specifier)} is imported but cannot be found`
    : `${quote(failed.specifier)} cannot be imported: ${firstLine(error)}`
  const allowed =
    isPath || !isMissing ? null : `a package that is installed: npm install ${packageOf(failed.specifier)} in ${dirname(from)}`
  return {
    code: 'E_CONFIG_IMPORT',
    message,
    allowed,
    suggestion: isPath ? likelyFile(failed.specifier, dirname(from)) : null,
    place,
  }
}

const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

/** ES modules are imported with their extension, and TypeScript ones with `.ts`. */
function likelyFile(specifier: string, directory: string): string | null {
  const stem = specifier.replace(/\.[mc]?js$/, '')
  const endings = ['.ts', '.mts', '.js', '.mjs', '/index.ts', '/index.js', '.json']
  const ending = endings.find((candidate) => existsSync(resolve(directory, stem + candidate)))
  return ending === undefined ? null : quote(stem + ending)
}

const strippable = 'TypeScript whose types can be erased: no enum, no namespace with code, no parameter properties'

async function explainSyntax(error: SyntaxError, { file, realFile, trace }: Circumstances): Promise<Trouble> {
  if (isJson(realFile)) {
    return {
      code: 'E_CONFIG_SYNTAX',
      message: 'syntax error: this is JSON, and a config is TypeScript',
      allowed: 'the same with `export default` in front of it: TypeScript contains JSON',
      suggestion: null,
      place: { file, line: 1, column: 1 },
    }
  }
  const shown = placeBeforeStack(error)
  const missing = /^The requested module '(.+)' does not provide an export named '(.+)'$/.exec(error.message)
  if (missing !== null) {
    const [, module, name] = missing as unknown as [string, string, string]
    const place = (await findImport(shown?.file ?? realFile, { module, name })) ?? shown
    const sdkNames = module === 'daruma' ? Object.keys((await import(sdkUrl)) as object) : []
    const allowed = sdkNames.length === 0 ? null : sdkNames.join(', ')
    return {
      code: 'E_CONFIG_IMPORT',
      message: `${quote(module)} has no export ${name}`,
      allowed,
      suggestion: nearest(name, sdkNames),
      place,
    }
  }
  const parsed = await findSyntaxError([...(shown === null ? [] : [shown.file]), ...trace.loaded.toReversed()])
  if (parsed !== null) {
    const { message, ...place } = parsed
    return { code: 'E_CONFIG_SYNTAX', message: `syntax error: ${message}`, allowed: null, suggestion: null, place }
  }
  const isTypeScript = (error as NodeJS.ErrnoException).code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'
  return {
    code: 'E_CONFIG_SYNTAX',
    message: `syntax error: ${error.message}`,
    allowed: isTypeScript ? strippable : null,
    suggestion: null,
    place: shown,
  }
}

function isJson(file: string): boolean {
  try {
    return typeof JSON.parse(readFileSync(file, 'utf8')) === 'object'
  } catch {
    return false
  }
}

/** Node puts `file:line`, the source and a row of carets before the stack of a syntax error. */
function placeBeforeStack(error: SyntaxError): Position | null {
  const lines = (error.stack ?? '').split('\n')
  const head = /^((?:file:\/\/)?\/.+?)(?:\?evaluation=\d+)?:(\d+)$/.exec(lines[0] ?? '')
  if (head === null) return null
  const caret = lines.slice(1, 20).find((line) => /^\s*\^+\s*$/.test(line))
  return { file: asPath(head[1]!), line: Number(head[2]), column: caret === undefined ? null : caret.indexOf('^') + 1 }
}

function explainThrown(error: unknown, { realFile }: Circumstances): Trouble {
  if (!(error instanceof Error)) {
    return { code: 'E_CONFIG_THREW', message: `the config threw ${show(error)}`, allowed: null, suggestion: null, place: null }
  }
  const frames = framesOf(error)
  const place = frames.find((frame) => frame.file === realFile) ?? frames[0] ?? null
  const deeper = frames[0]
  const where =
    place !== null && deeper !== undefined && deeper.file !== place.file
      ? ` (in ${relative(dirname(realFile), deeper.file)}:${deeper.line})`
      : ''
  return {
    code: 'E_CONFIG_THREW',
    message: `the config threw ${error.name}: ${firstLine(error)}${where}`,
    allowed: null,
    suggestion: null,
    place,
  }
}

/** Frames in files of the user: neither Node's nor ours. */
function framesOf(error: Error): readonly Position[] {
  const ours = fileURLToPath(new URL('../../', import.meta.url))
  const frames: Position[] = []
  for (const line of (error.stack ?? '').split('\n').slice(0, 60)) {
    const match = /^\s+at .*?((?:file:\/\/)?\/[^():]+?)(?:\?evaluation=\d+)?:(\d+):(\d+)\)?$/.exec(line)
    if (match === null) continue
    const file = asPath(match[1]!)
    if (!file.startsWith(ours)) frames.push({ file, line: Number(match[2]), column: Number(match[3]) })
  }
  return frames
}

const asPath = (text: string): string => (text.startsWith('file:') ? fileURLToPath(text) : text)

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const line = message.split('\n', 1)[0] ?? ''
  return line.length <= 300 ? line : `${line.slice(0, 299)}…`
}

/** Line `line` of a file that is read again only because something is wrong with it; null when it is gone. */
export function sourceLine(file: string, line: number): string | null {
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/)[line - 1] ?? null
  } catch {
    return null
  }
}
