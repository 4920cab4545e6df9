/**
 * A plan in a file: what was shown, so that exactly that can be applied later, or nothing. It holds the project with digests in the
 * place of secrets; the values are read again when it is applied, and a changed one makes the plan stale.
 */

import { readFileSync, renameSync, writeFileSync } from 'node:fs'

import { completeProject } from '../../core/model/complete.ts'
import { secretsOfProject } from '../../core/model/secrets-of.ts'
import { canonicalJson, type Project } from '../../core/model/service.ts'
import type { Plan } from '../../core/plan/plan.ts'
import { DarumaError } from '../../ports/error.ts'

export interface SavedPlan {
  readonly format: 'daruma-plan-1'
  /** The config it was made from, and the state directory it was made for. */
  readonly file: string
  readonly state: string
  readonly project: Project
  /** What `--only` named; null for all. */
  readonly only: readonly string[] | null
  readonly plan: Plan
  /** The project that gets the config, and its name, before it is applied; null where it is the config's already. */
  readonly handOver: string | null
}

export function writePlan(path: string, plan: Omit<SavedPlan, 'format'>): void {
  const content: SavedPlan = { format: 'daruma-plan-1', ...plan }
  const temporary = `${path}.${process.pid}.tmp`
  try {
    writeFileSync(temporary, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
    renameSync(temporary, path)
  } catch (error) {
    throw new DarumaError('E_PLAN_FILE', `The plan cannot be written to ${path}: ${(error as Error).message}`, { cause: error })
  }
}

export function readPlan(path: string): SavedPlan {
  let value: Partial<SavedPlan>
  try {
    value = JSON.parse(readFileSync(path, 'utf8')) as Partial<SavedPlan>
  } catch (error) {
    throw new DarumaError('E_PLAN_FILE', `The plan in ${path} cannot be read: ${(error as Error).message}`, {
      hint: '`daruma plan --out FILE` writes one.',
      cause: error,
    })
  }
  if (
    value.format !== 'daruma-plan-1' ||
    !Array.isArray(value.project?.services) ||
    value.plan === undefined ||
    value.state === undefined ||
    value.file === undefined
  ) {
    throw new DarumaError('E_PLAN_FILE', `${path} holds no plan that this version reads.`, {
      hint: '`daruma plan --out FILE` writes one.',
    })
  }
  return {
    ...(value as SavedPlan),
    only: value.only ?? null,
    handOver: value.handOver ?? null,
    project: completeProject(value.project),
  }
}

/** Throws `E_PLAN_STALE` when the world, or a secret, is not what it was. */
export function assertFresh(saved: SavedPlan, now: { readonly plan: Plan; readonly project: Project }): void {
  const hint = 'Make a new one with `daruma plan --out FILE`.'
  if (saved.plan.base !== now.plan.base) {
    throw new DarumaError(
      'E_PLAN_STALE',
      `The plan was made on revision ${saved.plan.base}, and revision ${now.plan.base} is active now.`,
      { hint },
    )
  }
  const changed = changedSecret(saved.project, now.project)
  if (changed !== null)
    throw new DarumaError('E_PLAN_STALE', `The secret ${changed} has changed since the plan was made.`, { hint })
  if (saved.plan.fingerprint !== now.plan.fingerprint) {
    throw new DarumaError('E_PLAN_STALE', 'The state has changed since the plan was made: something was started or stopped.', {
      hint,
    })
  }
}

/** A plan that was made without a daemon has no digests: what it does not know cannot have changed. */
function changedSecret(saved: Project, now: Project): string | null {
  const present = new Map(secretsOfProject(now))
  for (const [owner, references] of secretsOfProject(saved)) {
    for (const [name, reference] of Object.entries(references)) {
      if (reference.digest === null) continue
      if (canonicalJson(present.get(owner)?.[name]?.digest ?? null) !== canonicalJson(reference.digest)) return `${owner}.${name}`
    }
  }
  return null
}
