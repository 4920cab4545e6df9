/**
 * Where everything is below `releases/`: `blobs/ab/cdef…` (a content; with `.x` one that may be executed, because hard links share their
 * mode), `manifests/DIGEST`, `incoming/` (what is not whole yet), `trees/KEY` and, for each that is whole, `sealed/KEY`. The mark
 * beside a tree, and not a rename, says that it is whole: so a build runs at the very path that its result will have.
 */

import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { canonicalJson } from '../../core/model/service.ts'
import type { TreeRequest } from '../../core/release/tree-request.ts'

export interface Layout {
  readonly blobs: string
  readonly manifests: string
  readonly incoming: string
  readonly trees: string
  readonly sealed: string
}

export function layoutOf(directory: string): Layout {
  const at = (name: string): string => join(directory, name)
  return { blobs: at('blobs'), manifests: at('manifests'), incoming: at('incoming'), trees: at('trees'), sealed: at('sealed') }
}

export function makeLayout(layout: Layout): void {
  for (const path of Object.values(layout) as readonly string[]) mkdirSync(path, { recursive: true, mode: 0o700 })
}

export const blobPath = (layout: Layout, sha256: string, isExecutable: boolean): string =>
  join(layout.blobs, sha256.slice(0, 2), `${sha256.slice(2)}${isExecutable ? '.x' : ''}`)

/** The name of a tree: the same release with the same build is one, in one project. */
export function treeKey({ digest, build, place }: TreeRequest): string {
  if (build === null) return digest
  return createHash('sha256')
    .update(canonicalJson([digest, build, place ?? null]))
    .digest('hex')
}

export const incomingManifest = (layout: Layout, digest: string): string => join(layout.incoming, `${digest}.manifest`)
