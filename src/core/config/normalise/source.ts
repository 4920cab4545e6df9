/** A service's `source` and, with one, its `directory`: which is then a folder of the release. */

import { build as buildKeys, source, type SourceFolder, type WrittenSource } from '../../keys/source.ts'
import type { Place, ProblemList } from '../../values/problem-list.ts'
import { quote } from '../../values/show.ts'

export function normaliseSource(
  written: WrittenSource | undefined,
  isWhole: boolean,
  at: Place,
  problems: ProblemList,
): SourceFolder | null {
  if (written === undefined) return null
  const place: Place = { up: at, key: 'source' }
  const { path, build } = written
  if (isWhole && path === undefined)
    problems.add('E_CONFIG_REQUIRED', place, 'the source has no path', { allowed: "path: './web'" })
  if (isWhole && build !== undefined && build.command === undefined)
    problems.add('E_CONFIG_REQUIRED', { up: place, key: 'build' }, 'the build has no command', { allowed: "command: 'npm ci'" })
  const known = {
    path: tidyPath(path ?? '.'),
    ...(build === undefined ? {} : { build: buildKeys.fill({ command: [], ...build }) }),
  }
  return { ...source.fill(written, known), digest: null }
}

/** `./web/` → `web`; `.` is the folder of the config. It stays relative, so that a copy of all of it elsewhere is the same project. */
function tidyPath(path: string): string {
  const kept: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue
    const canGoUp = kept.length > 0 && kept.at(-1) !== '..'
    if (segment === '..' && (canGoUp || path.startsWith('/'))) kept.pop()
    else kept.push(segment)
  }
  return path.startsWith('/') ? `/${kept.join('/')}` : kept.join('/') || '.'
}

/** The working directory inside the release: empty for its root. */
export function directoryInside(written: string | undefined, at: Place, problems: ProblemList): string {
  if (written === undefined) return ''
  const inside = tidyPath(written)
  if (!inside.startsWith('/') && inside !== '..' && !inside.startsWith('../')) return inside === '.' ? '' : inside
  problems.add('E_CONFIG_VALUE', { up: at, key: 'directory' }, `${quote(written)} is no folder inside of the source`, {
    allowed: "a path from the source's own folder, such as 'server'",
  })
  return ''
}
