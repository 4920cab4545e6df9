/**
 * Directories that outlive instances: `<state>/volumes/NAME`. The state directory is closed to other users, so an instance that runs
 * as one of them and asked for no place of its own gets its volume mounted outside, in its private mount namespace; its
 * `DARUMA_VOLUME_NAME` then says that place.
 */

import { chownSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

import type { VolumeMount } from '../../core/model/service.ts'
import { hasCode } from '../../system/errno.ts'
import type { ProcessOrder } from '../../ports/runtime/runtime.ts'
import type { UserIdentity, VolumeDirectory } from './launch.ts'
import type { Site } from './site.ts'

export function makeVolumes(options: {
  readonly site: Site
  readonly volumes: readonly VolumeMount[]
  readonly user: UserIdentity | null
}): readonly VolumeDirectory[] {
  const { site, user } = options
  return options.volumes.map((volume) => {
    const source = join(site.stateDirectory, 'volumes', volume.name)
    makeVolume(source, user)
    if (volume.target !== null || user === null || !site.survey.namespaces) return { source, target: volume.target }
    return { source, target: join(site.openDirectory, volume.name) }
  })
}

/** A new volume belongs to the user who will write it; an existing one is never touched. */
function makeVolume(source: string, user: UserIdentity | null): void {
  if (existsSync(source)) return
  try {
    mkdirSync(join(source, '..'), { recursive: true, mode: 0o700 })
    mkdirSync(source, { mode: 0o700 })
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return
    throw error
  }
  if (user !== null) chownSync(source, user.uid, user.gid)
}

export interface PlacedTree {
  readonly runs: ProcessOrder
  readonly mounts: readonly VolumeDirectory[]
}

/**
 * Where an instance finds the files of its release. The state directory is closed to other users, and root could write into a tree whose
 * files are shared with other releases: so where there are mount namespaces the tree is mounted read-only at a place outside. Elsewhere
 * the daemon's own user runs everything, and finds it where it is.
 * `directory` of the answer is absolute.
 */
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
