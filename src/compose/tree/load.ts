/**
 * The Compose files of a project, with what they include, laid over each other into one tree. Variables are filled in file by file,
 * because an included file may bring its own `.env`.
 */

import { readFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { parseDotenv } from './dotenv.ts'
import { interpolateTree, type Variables } from './interpolate.ts'
import type { Ledger } from './ledger.ts'
import { mergeMappings } from './merge.ts'
import { parseCompose } from './parse.ts'
import { get, type Mapping, textOf, type Tree } from './tree.ts'

/** Larger ones were not written by a person. */
export const largestFileBytes: number = 1024 * 1024
const deepestInclude = 10

export interface LoadOptions {
  /** As given; they are laid over each other in this order. */
  readonly files: readonly string[]
  readonly cwd: string
  /** The shell's variables. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

export interface LoadedCompose {
  readonly tree: Mapping
  /** Of the first file: what relative paths begin at. */
  readonly directory: string
  /** The variables as the main files saw them. */
  readonly variables: Variables
  /** Whether somebody got a value from `.env`. */
  readonly usesDotenv: () => boolean
}

export async function loadCompose(options: LoadOptions, ledger: Ledger): Promise<LoadedCompose | null> {
  const files = options.files.map((file) => resolve(options.cwd, file))
  const directory = dirname(files[0]!)
  const shell: Variables = (name) => options.environment[name]
  const dotenv = await readText(join(directory, '.env'), null, ledger)
  const own = new Map<string, string>()
  if (dotenv !== null) {
    for (const { name, value } of parseDotenv(dotenv, join(directory, '.env'), shell, ledger))
      if (value !== null) own.set(name, value)
  }
  let usesDotenv = false
  const variables: Variables = (name) => {
    usesDotenv ||= own.has(name)
    return shell(name) ?? own.get(name)
  }
  const tree = await loadFiles(files, variables, ledger, [])
  return tree === null ? null : { tree, directory, variables, usesDotenv: () => usesDotenv }
}

async function loadFiles(
  files: readonly string[],
  variables: Variables,
  ledger: Ledger,
  above: readonly string[],
): Promise<Mapping | null> {
  let whole: Mapping | null = null
  for (const file of files) {
    const tree = await loadFile(file, variables, ledger, above)
    if (tree !== null) whole = whole === null ? tree : mergeMappings(whole, tree)
  }
  return whole
}

async function loadFile(file: string, variables: Variables, ledger: Ledger, above: readonly string[]): Promise<Mapping | null> {
  const text = await readText(file, 'E_COMPOSE_MISSING', ledger)
  if (text === null) return null
  const parsed = parseCompose(text, file, ledger)
  if (parsed === null) return null
  if (parsed.kind !== 'mapping') {
    ledger.problem('E_COMPOSE_TYPE', parsed.at, [], 'the file holds no mapping', { allowed: 'services: …' })
    return null
  }
  const filled = interpolateTree(parsed, variables, ledger) as Mapping
  const include = get(filled, 'include')
  if (include === undefined) return filled
  const included = await loadIncluded(include, { file, variables, above: [...above, file] }, ledger)
  const own = new Map(filled.entries)
  own.delete('include')
  return included.reduceRight((whole, tree) => mergeMappings(tree, whole), { ...filled, entries: own } as Mapping)
}

interface Includer {
  readonly file: string
  readonly variables: Variables
  readonly above: readonly string[]
}

/** `include: [file]` or `include: [{ path, env_file, project_directory }]`. Paths inside stay those of the included file's folder. */
async function loadIncluded(include: Tree, from: Includer, ledger: Ledger): Promise<readonly Mapping[]> {
  const trees: Mapping[] = []
  if (include.kind !== 'list') {
    ledger.problem('E_COMPOSE_TYPE', include.at, ['include'], 'include is not a list', { allowed: 'a list of files' })
    return trees
  }
  for (const item of include.items) {
    const paths = item.kind === 'mapping' ? get(item, 'path') : item
    const names = paths?.kind === 'list' ? paths.items.map(textOf) : [textOf(paths)]
    const files = names.flatMap((name) => (name === undefined ? [] : [resolve(dirname(from.file), name)]))
    const again = files.find((file) => from.above.includes(file))
    if (again !== undefined || from.above.length > deepestInclude) {
      ledger.problem('E_COMPOSE_CYCLE', item.at, ['include'], `${again ?? files.join(', ')} includes itself`)
      continue
    }
    if (files.length === 0) {
      ledger.problem('E_COMPOSE_TYPE', item.at, ['include'], 'an include without a path', {
        allowed: 'a file, or { path: file }',
      })
      continue
    }
    if (get(item, 'project_directory') !== undefined)
      ledger.note(
        item.at,
        'include.project_directory',
        'paths of an included file are taken from its own folder',
        'look through the paths of its services',
      )
    const variables = await withEnvFiles(get(item, 'env_file'), from, ledger)
    const tree = await loadFiles(files, variables, ledger, from.above)
    if (tree !== null) trees.push(rebased(tree, dirname(from.file), dirname(files[0]!)))
  }
  return trees
}

async function withEnvFiles(tree: Tree | undefined, from: Includer, ledger: Ledger): Promise<Variables> {
  const names = tree?.kind === 'list' ? tree.items : tree === undefined ? [] : [tree]
  const own = new Map<string, string>()
  for (const item of names) {
    const file = resolve(dirname(from.file), textOf(item) ?? '')
    const text = await readText(file, 'E_COMPOSE_ENV_FILE', ledger, item)
    if (text !== null)
      for (const { name, value } of parseDotenv(text, file, from.variables, ledger)) if (value !== null) own.set(name, value)
  }
  return (name) => from.variables(name) ?? own.get(name)
}

/** Under these keys a text that begins with a dot is a path. */
const pathKeys: ReadonlySet<string> = new Set(['build', 'context', 'env_file', 'path', 'volumes', 'source', 'file'])

/** Relative paths of an included file, written from the folder of the file that includes it. */
export function rebased(tree: Mapping, from: string, to: string): Mapping {
  const step = relative(from, to)
  if (step === '') return tree
  const move = (text: string): string => (/^\.{1,2}(?:\/|$)/.test(text) ? dotted(join(step, text)) : text)
  const walk = (node: Tree, key: string): Tree => {
    if (node.kind === 'list') return { ...node, items: node.items.map((item) => walk(item, key)) }
    if (node.kind === 'mapping') {
      const entries = [...node.entries].map(([name, entry]) => [name, { ...entry, value: walk(entry.value, name) }] as const)
      return { ...node, entries: new Map(entries) }
    }
    return typeof node.value === 'string' && node.parts === null && pathKeys.has(key)
      ? { ...node, value: move(node.value) }
      : node
  }
  return walk(tree, '') as Mapping
}

const dotted = (path: string): string => (path.startsWith('.') ? path : `./${path}`)

/** Null when it is not there; with a code that is a problem, else not. What else can be wrong always is one. */
export async function readText(
  file: string,
  code: string | null,
  ledger: Ledger,
  asked: Tree | null = null,
): Promise<string | null> {
  const at = asked?.at ?? { file, line: 1, column: 1 }
  try {
    const text = await readFile(file, 'utf8')
    if (text.length <= largestFileBytes) return text
    ledger.problem('E_COMPOSE_TOO_LARGE', asked?.at ?? null, [], `${file} is too large`, { allowed: 'at most 1 MiB' })
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error)
    if (reason !== 'ENOENT')
      ledger.problem('E_COMPOSE_UNREADABLE', asked === null ? null : at, [], `${file} cannot be read: ${reason}`)
    else if (code !== null) ledger.problem(code, asked === null ? null : at, [], `there is no file ${file}`)
  }
  return null
}
