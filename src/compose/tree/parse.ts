/**
 * YAML → tree. Compose's rules: one document, keys are texts, `<<` merges mappings that stand behind aliases, `!reset` and
 * `!override` speak about the merging of files. Everything that a hostile file could blow up (aliases of aliases) has a bound.
 */

import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, type Document, type Node } from 'yaml'
import type { Ledger } from './ledger.ts'
import { emptyMapping, type Entry, type Mapping, nothing, type Place, type Tree } from './tree.ts'

/** A person's file has some hundreds. Aliases of aliases multiply. */
const mostNodes = 100_000
const deepest = 50
const knownTags: ReadonlySet<string> = new Set(['!reset', '!override'])

export function parseCompose(text: string, file: string, ledger: Ledger): Tree | null {
  ledger.addSource(file, text)
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true, logLevel: 'error', prettyErrors: false })
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { file, line: Math.max(1, line), column: Math.max(1, col) }
  }
  const [document, second] = Array.isArray(documents) ? documents : []
  if (document === undefined) {
    ledger.problem('E_COMPOSE_EMPTY', { file, line: 1, column: 1 }, [], 'the file is empty', { allowed: 'services: …' })
    return null
  }
  for (const error of document.errors) {
    const message = error.message.split('\n', 1)[0]!
    ledger.problem('E_COMPOSE_SYNTAX', placeAt(error.pos[0]), [], `not YAML: ${message}`)
  }
  if (second !== undefined) {
    const at = placeAt(second.range?.[0] ?? 0)
    ledger.problem('E_COMPOSE_SYNTAX', at, [], 'a second document begins here', { allowed: 'one document in a file' })
  }
  if (document.errors.length > 0 || second !== undefined) return null
  return new Converter(document, placeAt, ledger).convert()
}

class Converter {
  readonly #document: Document.Parsed
  readonly #placeAt: (offset: number) => Place
  readonly #ledger: Ledger
  /** The nodes behind the anchors so far: an alias means the last one of its name before it. The library would search for each. */
  readonly #anchored = new Map<string, Node>()
  #isInAlias = false
  #count = 0
  #isTooLarge = false

  constructor(document: Document.Parsed, placeAt: (offset: number) => Place, ledger: Ledger) {
    this.#document = document
    this.#placeAt = placeAt
    this.#ledger = ledger
  }

  convert(): Tree | null {
    const tree = this.#convert(this.#document.contents, [], 0)
    return this.#isTooLarge ? null : tree
  }

  #place(node: unknown): Place {
    const range = (node as { readonly range?: readonly number[] | null } | null)?.range
    return this.#placeAt(range?.[0] ?? 0)
  }

  #convert(node: unknown, path: readonly string[], depth: number): Tree {
    const at = this.#place(node)
    this.#count += 1
    if (this.#count > mostNodes || depth > deepest) {
      if (!this.#isTooLarge)
        this.#ledger.problem('E_COMPOSE_TOO_LARGE', at, path, 'the file says too much, or too deeply', {
          allowed: `${mostNodes} values, ${deepest} levels`,
        })
      this.#isTooLarge = true
      return nothing(at)
    }
    if (isAlias(node)) {
      const target = this.#anchored.get(node.source)
      if (target !== undefined) return this.#convertAliased(target, path, depth)
      this.#ledger.problem('E_COMPOSE_SYNTAX', at, path, `there is no anchor &${node.source}`)
      return nothing(at)
    }
    if (!this.#isInAlias && (isMap(node) || isSeq(node) || isScalar(node)) && node.anchor !== undefined)
      this.#anchored.set(node.anchor, node)
    const tag = this.#tag(node as Node | null, at, path)
    if (isMap(node)) {
      const entries = this.#entries(node.items, path, depth)
      if (node.anchor !== undefined) this.#ledger.anchors.set(node.anchor, [...entries.keys()])
      return { kind: 'mapping', entries, at, ...tag }
    }
    if (isSeq(node)) {
      return {
        kind: 'list',
        items: node.items.map((item, index) => this.#convert(item, [...path, String(index)], depth + 1)),
        at,
        ...tag,
      }
    }
    const value: unknown = isScalar(node) ? node.value : null
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      // 022 and 1e3 are texts to a person who wrote them for a program: what cannot be written back the same stays a text.
      const source = isScalar(node) && typeof value === 'number' ? node.source : undefined
      return { kind: 'scalar', value: source !== undefined && source !== String(value) ? source : value, parts: null, at, ...tag }
    }
    return { kind: 'scalar', value: typeof value === 'bigint' ? String(value) : null, parts: null, at, ...tag }
  }

  #convertAliased(target: Node, path: readonly string[], depth: number): Tree {
    const before = this.#isInAlias
    this.#isInAlias = true
    const tree = this.#convert(target, path, depth + 1)
    this.#isInAlias = before
    return tree
  }

  #tag(node: Node | null, at: Place, path: readonly string[]): { readonly tag?: string } {
    const tag = node?.tag
    if (tag === undefined || tag.startsWith('tag:yaml.org,')) return {}
    if (knownTags.has(tag)) return { tag }
    this.#ledger.problem('E_COMPOSE_SYNTAX', at, path, `${tag} is not a tag of Compose`, { allowed: [...knownTags].join(', ') })
    return {}
  }

  #entries(
    items: readonly { readonly key: unknown; readonly value: unknown }[],
    path: readonly string[],
    depth: number,
  ): ReadonlyMap<string, Entry> {
    const entries = new Map<string, Entry>()
    const merged: Mapping[] = []
    for (const { key, value } of items) {
      const at = this.#place(key)
      const name = isScalar(key) ? String(key.source ?? key.value) : null
      if (name === null) {
        this.#ledger.problem('E_COMPOSE_SYNTAX', at, path, 'a key that is not a text')
      } else if (name === '<<') {
        merged.push(...this.#merged(this.#convert(value, [...path, name], depth + 1), path))
      } else {
        entries.set(name, { value: value === null ? nothing(at) : this.#convert(value, [...path, name], depth + 1), at })
      }
    }
    // What stands here wins over what is merged in, the first merged mapping over the later ones (YAML's merge key).
    for (const mapping of merged) for (const [name, entry] of mapping.entries) if (!entries.has(name)) entries.set(name, entry)
    return entries
  }

  #merged(tree: Tree, path: readonly string[]): readonly Mapping[] {
    const sources = tree.kind === 'list' ? tree.items : [tree]
    return sources.map((source) => {
      if (source.kind === 'mapping') return source
      // An anchor that is not there has been told already.
      if (source.kind === 'scalar' && source.value === null) return emptyMapping(source.at)
      this.#ledger.problem('E_COMPOSE_TYPE', source.at, [...path, '<<'], '<< merges mappings only', {
        allowed: '*anchor of a mapping',
      })
      return emptyMapping(source.at)
    })
  }
}
