/**
 * Where an instance finds the files of its release. The state directory is closed to other users, and root could write into a tree whose
 * files are shared with other releases: so where there are mount namespaces the tree is mounted read-only at a place outside. Elsewhere
 * the daemon's own user runs everything, and finds it where it is.
 */

import { join } from 'node:path'
import type { ProcessOrder } from '../../ports/runtime.ts'
import type { VolumeDirectory } from './launch.ts'
import type { Site } from './site.ts'

export interface PlacedTree {
  readonly runs: ProcessOrder
  readonly mounts: readonly VolumeDirectory[]
}

/** `directory` of the answer is absolute. */
export function placeTree(site: Pick<Site, 'survey' | 'releaseDirectory'>, runs: ProcessOrder): PlacedTree {
  const { tree } = runs
  if (tree === undefined) return { runs, mounts: [] }
  if (!site.survey.namespaces) return { runs: { ...runs, directory: join(tree.path, runs.directory) }, mounts: [] }
  const target = site.releaseDirectory
  return {
    runs: { ...runs, directory: join(target, runs.directory) },
    mounts: [{ source: tree.path, target, isReadOnly: !tree.isWritable }],
  }
}
