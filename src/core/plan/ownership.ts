/**
 * Whose is a name? A config that is to be applied, held against what the machine has: is the project of its name its own, does it come from another
 * config, and was this config applied under another name before? What to do then is a person's to say.
 */

export interface AppliedProject {
  readonly id: string
  readonly stage: string | null
  /** The config that it was last applied from; null where none was ever read for it. */
  readonly file: string | null
  /** Whether anything would be lost or doubled: something is wanted or runs, or it has volumes. */
  readonly holds: boolean
}

export interface AppliedConfig {
  /** The project's id by the name that the config says. */
  readonly id: string
  readonly stage: string | null
  readonly file: string
}

export type Ownership<Applied extends AppliedProject> =
  /** It is the project's config, or takes nothing from another. */
  | { readonly kind: 'own' }
  | { readonly kind: 'new' }
  /** There is no project of its name, and others that came from this very file. */
  | { readonly kind: 'renamed'; readonly from: readonly Applied[] }
  /** There is a project of its name, which comes from another file. */
  | { readonly kind: 'elsewhere'; readonly project: Applied }

export function findOwnership<Applied extends AppliedProject>(
  config: AppliedConfig,
  projects: readonly Applied[],
): Ownership<Applied> {
  const named = projects.find(({ id }) => id === config.id)
  if (named !== undefined) {
    const isOwn = named.file === null || named.file === config.file || !named.holds
    return isOwn ? { kind: 'own' } : { kind: 'elsewhere', project: named }
  }
  const from = projects.filter(({ file, stage, holds }) => file === config.file && stage === config.stage && holds)
  return from.length === 0 ? { kind: 'new' } : { kind: 'renamed', from }
}
