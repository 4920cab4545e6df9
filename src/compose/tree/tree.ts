/**
 * A Compose file as a tree in which every value knows its line. Aliases and merge keys are resolved here, so that anything that reads the
 * tree never meets them; a text with variables in it knows both what it is today and how it came about.
 */

import type { Part } from '../../proposal/variable.ts'

export interface Place {
  readonly file: string
  /** Both count from 1. */
  readonly line: number
  readonly column: number
}

export interface Scalar {
  readonly kind: 'scalar'
  readonly value: string | number | boolean | null
  /** Null where the text holds no variable. */
  readonly parts: readonly Part[] | null
  readonly at: Place
  readonly tag?: string
}

export interface List {
  readonly kind: 'list'
  readonly items: readonly Tree[]
  readonly at: Place
  readonly tag?: string
}

export interface Mapping {
  readonly kind: 'mapping'
  readonly entries: ReadonlyMap<string, Entry>
  readonly at: Place
  readonly tag?: string
}

export interface Entry {
  readonly value: Tree
  /** Of the key. */
  readonly at: Place
}

export type Tree = Scalar | List | Mapping

export const nothing = (at: Place): Scalar => ({ kind: 'scalar', value: null, parts: null, at })
export const emptyMapping = (at: Place): Mapping => ({ kind: 'mapping', entries: new Map(), at })

/** The value under a key; undefined when the key is not there or holds nothing. */
export function get(tree: Tree | undefined, key: string): Tree | undefined {
  if (tree?.kind !== 'mapping') return undefined
  const value = tree.entries.get(key)?.value
  return value === undefined || isNothing(value) ? undefined : value
}

export function isNothing(tree: Tree): boolean {
  return tree.kind === 'scalar' && tree.value === null
}

/** The text of a scalar as Compose takes it: `8080` and `'8080'` are the same; undefined for anything else. */
export function textOf(tree: Tree | undefined): string | undefined {
  return tree?.kind === 'scalar' && tree.value !== null ? String(tree.value) : undefined
}

/** The tree as plain data, for messages. */
export function plain(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value
  if (tree.kind === 'list') return tree.items.map(plain)
  return Object.fromEntries([...tree.entries].map(([key, { value }]) => [key, plain(value)]))
}
