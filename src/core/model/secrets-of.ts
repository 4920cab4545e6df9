/**
 * All secrets of a service under one name each: its variables', and the password of its image's registry. Whoever asks for values,
 * seals, forgets or compares them goes through here, so that none is left out.
 */

import type { SecretReference, Service } from './service.ts'

/** No variable can be called so. */
export const registryPassword: string = 'registry.password'

export function secretsOf(service: Pick<Service, 'secrets' | 'runs'>): Readonly<Record<string, SecretReference>> {
  const registry = service.runs.kind === 'container' ? service.runs.registry : null
  return registry === null ? service.secrets : { ...service.secrets, [registryPassword]: registry.password }
}

/** The service with other references in the places of its own: `secrets` is as {@link secretsOf} gave them. */
export function withSecrets(service: Service, secrets: Readonly<Record<string, SecretReference>>): Service {
  const { [registryPassword]: password, ...variables } = secrets
  const { runs } = service
  if (runs.kind !== 'container' || runs.registry === null || password === undefined) return { ...service, secrets: variables }
  return { ...service, secrets: variables, runs: { ...runs, registry: { ...runs.registry, password } } }
}
