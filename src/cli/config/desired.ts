/**
 * The project that a command wants: the evaluated config, or with `--only` the revision that applies now with just these services
 * taken from the config. A service that `--only` names and the config does not have is removed.
 */

import { nearest } from '../../core/values/nearest.ts'
import { secretsOfProject } from '../../core/model/secrets-of.ts'
import type { Project, Service } from '../../core/model/service.ts'
import type { SecretValues } from '../../protocol/api.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Client } from '../daemon/client.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'
import type { Config } from '../daemon/state.ts'

export interface Desired {
  readonly project: Project
  /** Of the services that come from the config; the daemon has the values of the others. */
  readonly secrets: SecretValues
}

/** `client` is null where nothing was ever applied. */
export async function desiredProject(
  context: Context,
  invocation: Invocation,
  config: Config,
  client: Client | null,
): Promise<Desired> {
  const only = invocation.list('only')
  if (only.length === 0) return { project: config.project, secrets: await readSecrets(context, config.project) }
  const recorded = client === null ? [] : await recordedServices(client)
  const project = { ...config.project, services: mergeServices(only, config.project.services, recorded) }
  const named = new Set(only)
  const own = { ...project, services: project.services.filter((service) => named.has(service.name)) }
  return { project, secrets: await readSecrets(context, own) }
}

/** Throws `E_SECRET` naming every secret that cannot be read. */
export async function readSecrets(context: Context, project: Project): Promise<SecretValues> {
  if (secretsOfProject(project).every(([, references]) => Object.keys(references).length === 0)) return {}
  const resolved = await context.tools.resolveSecrets(project, context.environment)
  if (!resolved.ok) {
    const { renderProblems } = await import('../../core/config/render-problems.ts')
    throw new DarumaError('E_SECRET', renderProblems(resolved.problems.map((problem) => ({ ...problem, ...nowhere }))))
  }
  for (const warning of resolved.warnings) context.terminal.note(`${context.terminal.notePalette.yellow('note:')} ${warning}`)
  return resolved.values
}

const nowhere = { file: null, line: null, column: null, source: null }

export function mergeServices(
  only: readonly string[],
  wanted: readonly Service[],
  recorded: readonly Service[],
): readonly Service[] {
  const known = new Set([...wanted, ...recorded].map((service) => service.name as string))
  const stranger = only.find((name) => !known.has(name))
  if (stranger !== undefined) throw unknownService(stranger, known)
  const named = new Set(only)
  const merged = [
    ...recorded.filter((service) => !named.has(service.name)),
    ...wanted.filter((service) => named.has(service.name)),
  ]
  const names = new Set(merged.map((service) => service.name))
  for (const service of merged) {
    const missing = service.after.find((dependency) => !names.has(dependency.service))
    if (missing === undefined) continue
    throw new DarumaError('E_ONLY_DEPENDENCY', `${service.name} waits for ${missing.service}, which would not be there.`, {
      hint: `Add --only ${missing.service}, or leave --only away.`,
    })
  }
  return merged.toSorted((left, right) => (left.name < right.name ? -1 : 1))
}

export function unknownService(name: string, known: Iterable<string>): DarumaError {
  const names = [...known].toSorted()
  const near = nearest(name, names)
  const list = names.length <= 20 ? names.join(', ') : `${names.slice(0, 20).join(', ')}, …`
  const hint = near === null ? (names.length === 0 ? 'There are no services.' : `There are: ${list}.`) : `Did you mean ${near}?`
  return new DarumaError('E_SERVICE_UNKNOWN', `There is no service "${name}".`, { hint })
}

async function recordedServices(client: Client): Promise<readonly Service[]> {
  const { revision } = await client.status()
  return revision === 0 ? [] : (await client.revision(revision)).project.services
}
