/** What differs between two releases, by path: what a plan says of a change of code, and what `--diff` shows the text of. */

import type { Manifest, ManifestEntry } from './manifest.ts'

export interface FileChange {
  readonly path: string
  /** Null: was not there, or is not there any more. */
  readonly from: ManifestEntry | null
  readonly to: ManifestEntry | null
}

/** In the order of the paths. */
export function compareManifests(before: Manifest, after: Manifest): readonly FileChange[] {
  const former = new Map(before.entries.map((entry) => [entry.path, entry]))
  const latter = new Map(after.entries.map((entry) => [entry.path, entry]))
  const paths = [...new Set([...former.keys(), ...latter.keys()])].toSorted()
  return paths.flatMap((path) => {
    const from = former.get(path) ?? null
    const to = latter.get(path) ?? null
    return isSameEntry(from, to) ? [] : [{ path, from, to }]
  })
}

function isSameEntry(left: ManifestEntry | null, right: ManifestEntry | null): boolean {
  if (left === null || right === null || left.kind !== right.kind) return false
  if (left.kind === 'link') return right.kind === 'link' && left.target === right.target
  if (left.kind === 'folder') return true
  return right.kind === 'file' && left.sha256 === right.sha256 && left.isExecutable === right.isExecutable
}

/** Names that a line has room for. */
const mostNamed = 2

/** `3 files changed: server.js, lib/a.js (new), +1`. */
export function describeChanges(changes: readonly FileChange[]): string {
  const named = changes.slice(0, mostNamed).map(nameOf)
  const rest = changes.length - named.length
  const count = changes.length === 1 ? '1 file changed' : `${changes.length} files changed`
  return `${count}: ${[...named, ...(rest > 0 ? [`+${rest}`] : [])].join(', ')}`
}

function nameOf({ path, from, to }: FileChange): string {
  const name = /[\p{Cc}]/u.test(path) ? JSON.stringify(path) : path
  if (from === null) return `${name} (new)`
  return to === null ? `${name} (gone)` : name
}
