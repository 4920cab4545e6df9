/**
 * From a file on disk to a project in normal form, or every problem with its place in the file. Reading a config runs it: it is
 * the user's own program, and the only one that Daruma ever evaluates.
 */

import { totalmem } from 'node:os'
import { dirname } from 'node:path'
import { normaliseConfig } from '../../core/config/normalise.ts'
import type { LocatedProblem } from '../../core/config/render-problems.ts'
import { takeSnapshot } from '../../core/values/snapshot.ts'
import type { Problem } from '../../core/values/problem.ts'
import type { Project } from '../../core/model/service.ts'
import type { Cron } from '../../ports/cron.ts'
import type { ReadRelease, SourceAnswer, SourceRequest } from '../../ports/runtime/source.ts'
import { evaluate } from './evaluate.ts'
import { sourceLine } from './explain-failure.ts'
import { findConfig } from './find.ts'
import { locateDefault, locatePath } from './locate.ts'
import { namesFiles } from './names-files.ts'
import { parseFile } from './parse.ts'
import type { Trouble } from './trouble.ts'
import { hasSchedule, wallTimeBy } from './wall-time.ts'

export type LoadedConfig =
  | {
      readonly ok: true
      readonly file: string
      readonly project: Project
      /** What is right today and will not be for long: a certificate that ends soon. */
      readonly warnings: readonly string[]
      /** What was read of sources; empty where files were left. */
      readonly releases: readonly ReadRelease[]
    }
  | { readonly ok: false; readonly file: string | null; readonly problems: readonly LocatedProblem[] }

export interface LoadOptions {
  /** As the user gave it; null to look for one in `cwd`. */
  readonly file: string | null
  readonly stage: string | null
  readonly cwd: string
  /** Whether the files that it names are looked into, so that their digests are in the project; by default they are. */
  readonly files?: 'read' | 'leave'
  /** How long the config's own code may take; default: 30 s. A loop that never pauses is not ended by it (`guarded.ts` does). */
  readonly limitMs?: number
  /** Called when the config's own code begins, and when it is over. */
  readonly onEvaluating?: () => void
  readonly onEvaluated?: () => void
  /** Reads a source into a release; absent: projects with a source are refused. */
  readonly readSource?: (request: SourceRequest) => Promise<SourceAnswer>
  /** Loads the cron library, for a config with a schedule; null: expressions are not judged. */
  readonly loadCron: (() => Promise<Cron>) | null
}

/** Never rejects for what is wrong with the config. `file` is absolute. */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const found = await findConfig(options)
  if (!found.ok)
    return { ok: false, file: found.file, problems: [{ ...found.problem, file: null, line: null, column: null, source: null }] }
  const { file } = found
  options.onEvaluating?.()
  const evaluation = await evaluate(file, options.stage, options.limitMs)
  if (!evaluation.ok) return { ok: false, file, problems: [await placeTrouble(evaluation.trouble, file)] }
  // Taken once, so that a getter of the config runs once; what cannot be read is reported by the normaliser.
  const snapshot = takeSnapshot(evaluation.value)
  const value = snapshot.ok ? snapshot.value : evaluation.value
  const normalised = normaliseConfig(value, {
    directory: dirname(file),
    stage: options.stage,
    root: process.geteuid?.() === 0,
    hostMemoryBytes: totalmem(),
    wallTime: options.loadCron !== null && hasSchedule(value) ? wallTimeBy(await options.loadCron()) : null,
  })
  options.onEvaluated?.()
  if (!normalised.ok) return { ok: false, file, problems: await placeProblems(normalised.problems, file) }
  const { project } = normalised
  const hasFiles = typeof project.balancer.acme?.caFile === 'string' || project.services.some(namesFiles)
  if (!hasFiles || options.files === 'leave') return { ok: true, file, project, warnings: [], releases: [] }
  const { readFiles } = await import('./read-files.ts')
  const { readSource } = options
  const read = await readFiles(project, {
    written: value,
    nowMs: Date.now(),
    file,
    ...(readSource === undefined ? {} : { readSource }),
  })
  return read.ok
    ? { ok: true, file, project: read.project, warnings: read.warnings, releases: read.releases }
    : { ok: false, file, problems: await placeProblems(read.problems, file) }
}

/**
 * Whether the caret belongs under the key: the names of services and variables are keys, those of projects and volumes
 * values.
 */
function isAboutKey({ code, path }: Problem): boolean {
  if (code === 'E_CONFIG_NAME') return path.length === 2 || path[2] === 'environment' || path[2] === 'secrets'
  return code === 'E_CONFIG_UNKNOWN_KEY' || code === 'E_CONFIG_NOT_YET'
}

/** In the order of the file; what has no place stands last. */
async function placeProblems(problems: readonly Problem[], file: string): Promise<readonly LocatedProblem[]> {
  const parsed = await parseFile(file)
  if (parsed === null) return problems.map((problem) => ({ ...problem, file, line: null, column: null, source: null }))
  const lines = parsed.source.split(/\r?\n/)
  const placed = problems.map((problem) => {
    const place = problem.path.length === 0 ? null : locatePath(parsed, problem.path, isAboutKey(problem) ? 'key' : 'value')
    return { ...problem, file, line: place?.line ?? null, column: place?.column ?? null }
  })
  // Where a secret was expected, people have written its value: such a line is not shown again.
  const isDelicate = ({ code, path }: Problem): boolean => code === 'E_CONFIG_SECRET' || path.includes('registry')
  const delicate = new Set(placed.filter(isDelicate).map((problem) => problem.line))
  return placed
    .map((problem) => ({
      ...problem,
      source: problem.line === null || delicate.has(problem.line) ? null : (lines[problem.line - 1] ?? null),
    }))
    .toSorted(
      (left, right) => (left.line ?? Infinity) - (right.line ?? Infinity) || (left.column ?? 0) - (right.column ?? 0) || 0,
    )
}

async function placeTrouble(trouble: Trouble, file: string): Promise<LocatedProblem> {
  const { place, ...rest } = trouble
  const problem = { ...rest, path: [] }
  if (place === null) return { ...problem, file, line: null, column: null, source: null }
  if (!('at' in place)) return { ...problem, ...place, source: sourceLine(place.file, place.line) }
  const parsed = await parseFile(file)
  const located = parsed === null ? null : locateDefault(parsed)
  if (located === null) return { ...problem, file, line: null, column: null, source: null }
  return { ...problem, file, ...located, source: sourceLine(file, located.line) }
}
