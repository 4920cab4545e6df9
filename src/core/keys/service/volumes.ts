/** `volumes`: named directories that outlive instances. */

import { checkName, nameRule } from '../../values/name.ts'
import type { Place, ProblemList } from '../../values/problem-list.ts'
import { anyText, listOf, objectOf, orNull } from '../../values/shape.ts'
import { quote } from '../../values/show.ts'
import { isPlainObject, type Reader, refuseType } from '../../values/value-type.ts'
import type { Part } from '../key.ts'
import { mostEntries, readEntries } from './variable.ts'

/** A named directory that outlives instances. `target` is where it is mounted (needs root), null for "by variable only". */
export interface VolumeMount {
  readonly name: string
  readonly target: string | null
}

export const readVolumes: Reader<readonly VolumeMount[]> = {
  accepts: "an array of names such as ['data'], or an object of mount point → name such as { '/data': 'data' }",
  read(value, at, problems) {
    if (Array.isArray(value)) return readVolumeNames(value.slice(0, mostEntries), at, problems)
    if (!isPlainObject(value)) return refuseType(value, this.accepts, at, problems)
    const mounts = readEntries(value, at, problems, (target, name, place): VolumeMount | undefined => {
      if (!isMountPoint(target)) {
        const allowed = 'an absolute path below /, without . and .. and without / at its end'
        problems.add('E_CONFIG_VALUE', place, `${quote(target)} is not a mount point`, { allowed })
        return undefined
      }
      if (typeof name !== 'string') return refuseType(name, `the name of a volume: ${nameRule}`, place, problems)
      return checkName(name, 'volume', place, problems) ? { name, target } : undefined
    })
    return mounts?.map(([, mount]) => mount)
  },
}

function readVolumeNames(names: readonly unknown[], at: Place, problems: ProblemList): readonly VolumeMount[] {
  const mounts: VolumeMount[] = []
  for (const [index, name] of names.entries()) {
    const place: Place = { up: at, key: String(index) }
    if (typeof name !== 'string') refuseType(name, `the name of a volume: ${nameRule}`, place, problems)
    else if (mounts.some((mount) => mount.name === name))
      problems.add('E_CONFIG_CONFLICT', place, `the volume ${name} is named twice`)
    else if (checkName(name, 'volume', place, problems)) mounts.push({ name, target: null })
  }
  return mounts
}

function isMountPoint(target: string): boolean {
  return /^(?:\/(?!\.{1,2}(?:\/|$))[^/\0\n]+)+$/.test(target) && target.length <= 1024
}

export const volumes: Part<readonly VolumeMount[]> = {
  shape: listOf(objectOf<VolumeMount>({ name: anyText, target: orNull(anyText) })),
  fields: (mounts, prefix) =>
    mounts.map(({ name, target }) => [`${prefix}volumes.${name}`, target === null ? 'by variable' : JSON.stringify(target)]),
  complete: (recorded) => recorded,
}
