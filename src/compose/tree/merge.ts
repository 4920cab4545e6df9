/**
 * One Compose file laid over another, and a service over the one that it extends: by the same rules (Compose specification, "Merge").
 * Mappings are joined, single values replaced, lists joined; what belongs together by a name (variables, ports, mount points) is
 * replaced by that name; a command is never joined.
 */

import { type Entry, isNothing, type Mapping, plain, textOf, type Tree } from './tree.ts'

const replacedWhole: ReadonlySet<string> = new Set(['command', 'entrypoint', 'test'])
/** Lists of `NAME=value` that are mappings to Compose. */
const assignments: ReadonlySet<string> = new Set(['environment', 'labels', 'args', 'sysctls', 'annotations', 'extra_hosts'])
/** Lists of names that are mappings to Compose. */
const nameLists: ReadonlySet<string> = new Set(['depends_on', 'networks'])

export function mergeTrees(base: Tree, over: Tree, key: string = ''): Tree {
  if (over.tag === '!reset') return { ...over, ...(over.kind === 'scalar' ? { value: null } : {}) }
  if (over.tag === '!override' || replacedWhole.has(key)) return over
  const left = asMapping(base, key)
  const right = asMapping(over, key)
  if (left.kind === 'mapping' && right.kind === 'mapping') return mergeMappings(left, right)
  if (left.kind === 'list' && right.kind === 'list') return { ...right, items: joinLists(left.items, right.items, key) }
  return isNothing(over) ? base : over
}

export function mergeMappings(base: Mapping, over: Mapping): Mapping {
  const entries = new Map<string, Entry>(base.entries)
  for (const [key, entry] of over.entries) {
    const under = base.entries.get(key)
    if (entry.value.tag === '!reset') entries.delete(key)
    else entries.set(key, under === undefined ? entry : { ...entry, value: mergeTrees(under.value, entry.value, key) })
  }
  return { ...over, entries }
}

/** `[A=1, B]` as `{ A: 1, B: null }`, and `[db]` as `{ db: null }`: so that the two forms can be joined. */
export function asMapping(tree: Tree, key: string): Tree {
  if (tree.kind !== 'list' || !(assignments.has(key) || nameLists.has(key))) return tree
  const entries = new Map<string, Entry>()
  for (const item of tree.items) {
    const text = textOf(item)
    if (item.kind !== 'scalar' || text === undefined) return tree
    const cut = nameLists.has(key) ? -1 : text.search(key === 'extra_hosts' ? /[=:]/ : /=/)
    const name = cut < 0 ? text : text.slice(0, cut)
    entries.set(name, { at: item.at, value: cut < 0 ? { ...item, value: null, parts: null } : cutScalar(item, text, cut) })
  }
  return { kind: 'mapping', entries, at: tree.at, ...(tree.tag === undefined ? {} : { tag: tree.tag }) }
}

/** What stands behind the first `cut + 1` characters, which hold no variable in any file that a person wrote. */
function cutScalar(item: Extract<Tree, { kind: 'scalar' }>, text: string, cut: number): Tree {
  const [first, ...rest] = item.parts ?? []
  if (typeof first !== 'string' || first.length < cut + 1) return { ...item, value: text.slice(cut + 1), parts: null }
  const head = first.slice(cut + 1)
  return { ...item, value: text.slice(cut + 1), parts: head === '' ? rest : [head, ...rest] }
}

/** The later entry for the same thing takes the earlier one's place. */
function joinLists(base: readonly Tree[], over: readonly Tree[], key: string): readonly Tree[] {
  const joined = new Map<string, Tree>()
  for (const item of [...base, ...over]) joined.set(identityOf(item, key), item)
  return [...joined.values()]
}

function identityOf(item: Tree, key: string): string {
  const value = plain(item)
  const fields = typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
  if (['volumes', 'secrets', 'configs', 'devices'].includes(key)) {
    const target = fields['target'] ?? (typeof value === 'string' ? (value.split(':')[1] ?? value) : undefined)
    if (typeof target === 'string') return target
  }
  return JSON.stringify(value)
}
