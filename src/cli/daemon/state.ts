/**
 * Which state directory a command means: the one that `--state` or DARUMA_STATE names, else the one that is for the whole machine, with all of
 * its projects and stages. It never depends on a config. Nothing here creates anything.
 */

import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, relative, resolve } from 'node:path'

import { projectIdOf } from '../../core/model/project-id.ts'
import type { Project } from '../../core/model/service.ts'
import { DarumaError } from '../../ports/error.ts'
import { loadPatiently } from '../config/config-timeout.ts'
import type { ReadRelease } from '../../ports/runtime/source.ts'
import { originsFile } from '../../protocol/origins.ts'
import type { Origin } from '../../protocol/origins.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'

export interface StateDirectory {
  readonly directory: string
  /** Whether a daemon ever lived here. */
  readonly isUsed: boolean
}

export function resolveState(context: Context, invocation: Invocation): StateDirectory {
  const named = invocation.text('state') ?? context.environment['DARUMA_STATE'] ?? ''
  const directory = named === '' ? defaultState(context) : resolve(context.cwd, named)
  return { directory, isUsed: existsSync(join(directory, 'state.db')) }
}

/** Root's, which is the machine's. */
export const machineState: string = '/var/lib/daruma'

/** Of the machine for root, else of the user. */
export function defaultState(context: Pick<Context, 'environment' | 'userId'>): string {
  if (context.userId === 0) return machineState
  const home = context.environment['HOME'] ?? homedir()
  const base = context.environment['XDG_STATE_HOME']
  return join(base === undefined || !base.startsWith('/') ? join(home, '.local/state') : base, 'daruma')
}

export interface Config {
  readonly file: string
  readonly project: Project
  readonly releases: readonly ReadRelease[]
}

/**
 * Throws `E_CONFIG_MISSING` where there is none, and `E_CONFIG` with every problem of one that is refused. `files`: whether the
 * certificates and images that it names are looked into; who only wants to know the project leaves them.
 */
export async function evaluateConfig(
  context: Context,
  invocation: Invocation,
  files: 'read' | 'leave' = 'read',
): Promise<Config> {
  const file = await configFile(context, invocation)
  if (file === null) throw explainMissingConfig(context, invocation)
  const loaded = await loadPatiently(context, { file, stage: invocation.text('stage'), cwd: context.cwd, files })
  if (loaded.ok) {
    const { terminal } = context
    for (const warning of loaded.warnings) terminal.note(`${terminal.notePalette.yellow('note:')} ${warning}`)
    return { file: loaded.file, project: loaded.project, releases: loaded.releases ?? [] }
  }
  const { renderProblems } = await import('../../core/config/render-problems.ts')
  const displayPath = (path: string): string => {
    const near = relative(context.cwd, path)
    return near.startsWith('..') ? path : near
  }
  throw new DarumaError('E_CONFIG', renderProblems(loaded.problems, { displayPath }))
}

/** Absolute; null where none is in reach. A file that was named counts also when it is gone: what was applied from it may still be there. */
export async function configFile(context: Context, invocation: Invocation): Promise<string | null> {
  const named = invocation.text('file')
  const found = await context.tools.findConfig({ file: named, cwd: context.cwd })
  return found ?? (named === null ? null : resolve(context.cwd, named))
}

function explainMissingConfig(context: Context, invocation: Invocation): DarumaError {
  const known = readOrigins(resolveState(context, invocation).directory).flatMap((origin) =>
    origin.file === null ? [] : [`${projectIdOf({ name: origin.project, stage: origin.stage })} (${origin.file})`],
  )
  const hint =
    known.length === 0
      ? '`daruma init` writes one; -f FILE names another.'
      : `Name one with -f FILE. On this machine: ${known.slice(0, 5).join(', ')}${known.length > 5 ? ', …' : ''}.`
  return new DarumaError('E_CONFIG_MISSING', `No daruma.config.ts in ${context.cwd} or above it.`, { hint })
}

/** Of all the projects of a state; none where nothing has been applied yet. */
function readOrigins(directory: string): readonly Origin[] {
  try {
    const origins = JSON.parse(readFileSync(join(directory, originsFile), 'utf8')) as readonly Partial<Origin>[]
    return origins.flatMap(({ file = null, stage = null, project }) => (project === undefined ? [] : [{ file, stage, project }]))
  } catch {
    return []
  }
}
