/**
 * Which state directory a command means. In order: `--state` or DARUMA_STATE; else the directory below the default root whose
 * `origins.json` names this config file and stage, so that `status` never evaluates a config; else the config is evaluated for its
 * name. Nothing here creates anything.
 */

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, relative, resolve } from 'node:path'

import type { Project } from '../../core/model/service.ts'
import { DarumaError } from '../../ports/error.ts'
import { loadPatiently } from '../config/config-timeout.ts'
import type { ReadRelease } from '../../ports/source.ts'
import { originsFile } from '../../protocol/origins.ts'
import type { Origin } from '../../protocol/origins.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'

export interface StateDirectory {
  readonly directory: string
  /** Whether a daemon ever lived here. */
  readonly isUsed: boolean
}

export async function resolveState(context: Context, invocation: Invocation): Promise<StateDirectory> {
  const known = await findKnownState(context, invocation)
  if (known !== null) return known
  const { project } = await evaluateConfig(context, invocation, 'leave')
  return stateOfProject(context, invocation, project)
}

/** What can be told without evaluating anything; null where only the config knows. */
export async function findKnownState(context: Context, invocation: Invocation): Promise<StateDirectory | null> {
  const named = namedState(context, invocation)
  if (named !== null) return asState(named)
  const file = await configFile(context, invocation)
  const known = file === null ? null : findByOrigin(context, file, invocation.text('stage'))
  return known === null ? null : asState(known)
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
  if (file === null) throw explainMissingConfig(context)
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

/** A file that was named counts also when it is gone: the state that it made may still be there. */
async function configFile(context: Context, invocation: Invocation): Promise<string | null> {
  const named = invocation.text('file')
  const found = await context.tools.findConfig({ file: named, cwd: context.cwd })
  return found ?? (named === null ? null : resolve(context.cwd, named))
}

/** For commands that have evaluated the config anyway. */
export function stateOfProject(
  context: Context,
  invocation: Invocation,
  project: { readonly name: string; readonly stage: string | null },
): StateDirectory {
  const named = namedState(context, invocation)
  return asState(named ?? join(defaultRoot(context), directoryName(project)))
}

export function defaultRoot(context: Pick<Context, 'environment' | 'userId'>): string {
  if (context.userId === 0) return '/var/lib/daruma'
  const home = context.environment['HOME'] ?? homedir()
  const base = context.environment['XDG_STATE_HOME']
  return join(base === undefined || !base.startsWith('/') ? join(home, '.local/state') : base, 'daruma')
}

export function directoryName(project: { readonly name: string; readonly stage: string | null }): string {
  return project.stage === null ? project.name : `${project.name}@${project.stage}`
}

function namedState(context: Context, invocation: Invocation): string | null {
  const text = invocation.text('state') ?? context.environment['DARUMA_STATE'] ?? ''
  return text === '' ? null : resolve(context.cwd, text)
}

function asState(directory: string): StateDirectory {
  return { directory, isUsed: existsSync(join(directory, 'state.db')) }
}

function findByOrigin(context: Context, file: string, stage: string | null): string | null {
  const found = listOrigins(context).find(({ origin }) => origin.file === file && origin.stage === stage)
  return found?.directory ?? null
}

function listOrigins(context: Context): readonly { readonly directory: string; readonly origin: Origin }[] {
  const root = defaultRoot(context)
  let names: string[]
  try {
    names = readdirSync(root)
  } catch {
    return []
  }
  return names.toSorted().flatMap((name) => {
    const directory = join(root, name)
    return readOrigins(directory).map((origin) => ({ directory, origin }))
  })
}

/** Of all the projects of a state; none where nothing was applied yet. */
export function readOrigins(directory: string): readonly Origin[] {
  try {
    const origins = JSON.parse(readFileSync(join(directory, originsFile), 'utf8')) as readonly Partial<Origin>[]
    return origins.flatMap(({ file = null, stage = null, project }) => (project === undefined ? [] : [{ file, stage, project }]))
  } catch {
    return []
  }
}

/** Null where there is none, or which of several would be a guess. */
export function readOrigin(directory: string): Origin | null {
  const [origin = null, ...others] = readOrigins(directory)
  return others.length === 0 ? origin : null
}

function explainMissingConfig(context: Context): DarumaError {
  const origins = listOrigins(context)
  const known = origins.map(
    ({ directory, origin }) => `${directoryName({ name: origin.project, stage: origin.stage })} (${directory})`,
  )
  const hint =
    known.length === 0
      ? '`daruma init` writes one; -f FILE names another.'
      : `Name one with -f FILE, or the state with --state DIR. On this machine: ${known.slice(0, 5).join(', ')}${known.length > 5 ? ', …' : ''}.`
  return new DarumaError('E_CONFIG_MISSING', `No daruma.config.ts in ${context.cwd} or above it.`, { hint })
}
