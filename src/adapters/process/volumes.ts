/**
 * Directories that outlive instances: `<state>/volumes/NAME`. The state directory is closed to other users, so an instance that runs
 * as one of them and asked for no place of its own gets its volume mounted outside, in its private mount namespace; its
 * `DARUMA_VOLUME_NAME` then says that place.
 */

import { chownSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

import type { VolumeMount } from '../../core/model/service.ts'
import { hasCode } from '../../host/errno.ts'
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
