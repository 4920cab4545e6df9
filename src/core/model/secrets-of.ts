/**
 * All secrets of a project, by who has them and under one name each: of a service its variables' and the password of its image's registry, of
 * `notify` what each target says. Anyone who asks for values, seals, forgets or compares them goes through here, so that none is left out.
 */

import type { Project, SecretReference, Service } from './service.ts'

export type SecretReferences = Readonly<Record<string, SecretReference>>

/** No variable can be called so. */
export const registryPassword: string = 'registry.password'

/** Who has the secrets of `notify`: no service can be called so. */
export const notifyOwner: string = '@notify'

export function secretsOf(service: Pick<Service, 'secrets' | 'runs'>): SecretReferences {
  const registry = service.runs.kind === 'container' ? service.runs.registry : null
  return registry === null ? service.secrets : { ...service.secrets, [registryPassword]: registry.password }
}

/** Of every service by its name, and of {@link notifyOwner} by the target's place: `0.webhook`. */
export function secretsOfProject({ services, notify }: SecretHolders): readonly (readonly [owner: string, SecretReferences])[] {
  const ofNotify = notify.flatMap(({ secrets }, index) =>
    Object.entries(secrets).map(([name, reference]) => [`${index}.${name}`, reference] as const),
  )
  return [...services.map((service) => [service.name, secretsOf(service)] as const), [notifyOwner, Object.fromEntries(ofNotify)]]
}

export type SecretHolders = Pick<Project, 'services' | 'notify'>

/** The project with other references in the places of its own: `change` is asked for each of {@link secretsOfProject}. */
export function withSecretsOfProject(
  project: Project,
  change: (owner: string, name: string, reference: SecretReference) => SecretReference,
): Project {
  const changed = (owner: string, prefix: string, references: SecretReferences): SecretReferences =>
    Object.fromEntries(
      Object.entries(references).map(([name, reference]) => [name, change(owner, `${prefix}${name}`, reference)]),
    )
  return {
    ...project,
    notify: project.notify.map((target, index) => ({
      ...target,
      secrets: changed(notifyOwner, `${index}.`, target.secrets),
    })),
    services: project.services.map((service) => {
      const references = secretsOf(service)
      return Object.keys(references).length === 0 ? service : withSecrets(service, changed(service.name, '', references))
    }),
  }
}

/** The service with other references in the places of its own: `secrets` is as {@link secretsOf} gave them. */
function withSecrets(service: Service, secrets: SecretReferences): Service {
  const { [registryPassword]: password, ...variables } = secrets
  const { runs } = service
  if (runs.kind !== 'container' || runs.registry === null || password === undefined) return { ...service, secrets: variables }
  return { ...service, secrets: variables, runs: { ...runs, registry: { ...runs.registry, password } } }
}
