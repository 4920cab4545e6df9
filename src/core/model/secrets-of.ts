/**
 * All secrets of a service under one name each: its variables', and the password of its image's registry. Whoever asks for values,
 * seals, forgets or compares them goes through here, so that none is left out.
 */

import type { SecretReference, Service } from './service.ts'

/** No variable can be called so. */
export const registryPassword: string = 'registry.password'

export function secretsOf(service: Pick<Service, 'secrets' | 'container'>): Readonly<Record<string, SecretReference>> {
  const registry = service.container?.registry ?? null
  return registry === null ? service.secrets : { ...service.secrets, [registryPassword]: registry.password }
}

/** The service with other references in the places of its own: `secrets` is as {@link secretsOf} gave them. */
export function withSecrets(service: Service, secrets: Readonly<Record<string, SecretReference>>): Service {
  const { [registryPassword]: password, ...variables } = secrets
  const { container } = service
  if (container === null || container.registry === null || password === undefined) return { ...service, secrets: variables }
  return { ...service, secrets: variables, container: { ...container, registry: { ...container.registry, password } } }
}
