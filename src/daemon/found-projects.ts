/**
 * Projects that have files, or something in the kernel, and no record: the database was lost, or put back from before they began. What they are called
 * was in the database; `origins.json` beside it says it too, and else the place does, which a project is called by when it begins.
 */

import { projectIdOf } from '../core/model/project-id.ts'
import type { ProjectId } from '../core/model/project-id.ts'
import type { WrittenOrigin } from '../protocol/origins.ts'
import type { ProjectRecord } from '../server/records.ts'

/** One record for each place, no two of one id, and none of an id that is known. `written`: the text of `origins.json`. */
export function namedByOrigins(
  places: readonly ProjectId[],
  known: readonly ProjectRecord[],
  written: string | null,
): readonly ProjectRecord[] {
  const origins = readOrigins(written)
  const ids = new Set(known.map(projectIdOf))
  return places.map((place) => {
    const record = origins.get(place) ?? recordOfPlace(place)
    const named = withFreeName(record, ids)
    ids.add(projectIdOf(named))
    return named
  })
}

function readOrigins(text: string | null): ReadonlyMap<string, ProjectRecord> {
  try {
    const origins = JSON.parse(text ?? '[]') as readonly Partial<WrittenOrigin>[]
    return new Map(
      origins.flatMap(({ place, project, stage = null, file = null, user, at }) => {
        if (place === undefined || project === undefined) return []
        const origin = file === null ? null : { file, user: user ?? 'unknown', at: at ?? '' }
        return [[place, { place: place as ProjectId, name: project, stage, origin }]]
      }),
    )
  } catch {
    return new Map()
  }
}

function recordOfPlace(place: ProjectId): ProjectRecord {
  const [name = place, stage] = place.replace(/__\d+$/, '').split('_')
  return { place, name, stage: stage ?? null, origin: null }
}

function withFreeName(record: ProjectRecord, taken: ReadonlySet<ProjectId>): ProjectRecord {
  for (let number = 2, next = record; ; number += 1) {
    if (!taken.has(projectIdOf(next))) return next
    next = { ...record, name: `${record.name.slice(0, 36)}-${number}` }
  }
}
