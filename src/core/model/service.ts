/**
 * A service and a project in normal form, by the names that the rest of the core knows them; their keys are described in `core/keys`. And
 * what follows from a service alone: how many slots it fills, and what of it a running process is made of.
 */

import type { Container } from '../keys/service/runs.ts'
import { type Service, serviceSettings } from '../keys/service.ts'
import { containerSettings } from '../keys/service/container.ts'
import { limits } from '../keys/service/limits.ts'
import type { SourceFolder } from '../keys/source.ts'

export type { BalancerSettings } from '../keys/balancer.ts'
export type { NotifyTarget } from '../keys/notify.ts'
export type { Project } from '../keys/project.ts'
export type { Service } from '../keys/service.ts'
export type { Dependency, DependencyCondition } from '../keys/service/after.ts'
export type { ImageSource } from '../keys/service/container.ts'
export type { Check, Health, Probe } from '../keys/service/health.ts'
export type { Limits } from '../keys/service/limits.ts'
export type { PortRequest } from '../keys/service/port.ts'
export type { RestartPolicy } from '../keys/service/restart.ts'
export type { Route, Tls } from '../keys/service/route.ts'
export type { Container, Process, Runs } from '../keys/service/runs.ts'
export type { Scale } from '../keys/service/scale.ts'
export type { Schedule } from '../keys/service/schedule.ts'
export type { Build, SourceFolder } from '../keys/source.ts'
export type { SecretReference, SecretSource } from '../keys/service/secret.ts'
export type { Ulimits } from '../values/ulimits.ts'
export type { SignalName, StopPolicy } from '../keys/service/stop.ts'
export type { Canary, UpdatePolicy } from '../keys/service/update.ts'
export type { VolumeMount } from '../keys/service/volumes.ts'

/** How many slots the service fills while nothing is being replaced. The runs of a schedule are not places: the rollout gives it none. */
export function slotCount(service: Service): number {
  if (service.scale.kind === 'replicas') return service.scale.count
  return service.scale.kind === 'schedule' ? 0 : 1
}

/** A job, or a run of a schedule: it is not kept alive, its end is its purpose. */
export const comesToAnEnd = ({ scale }: Service): boolean => scale.kind === 'job' || scale.kind === 'schedule'

/**
 * The fields whose change needs a new process; the others (probes, policies, dependencies, the number of replicas) take effect on
 * the running one. `generation` is raised by `restart`. Two services with equal text here may share a running instance.
 */
export function processIdentity(service: Service, generation: number): string {
  const { runs } = service
  const secrets = Object.fromEntries(Object.entries(service.secrets).map(([name, reference]) => [name, reference.digest]))
  // The order and the empty values are those of the first versions: what has run since then keeps its identity.
  return canonicalJson([
    service.scale.kind === 'job' ? 'job' : 'service',
    runs.command ?? [],
    ...(runs.kind === 'container' ? [containerIdentity(runs)] : []),
    ...(runs.kind === 'process' && runs.source !== null ? [releaseOf(runs.source)] : []),
    runs.directory ?? '',
    service.environment,
    secrets,
    service.port,
    service.volumes,
    limits.identity(service.limits),
    runs.user,
    generation,
    ...laterSettings(service),
  ])
}

/**
 * Whether two {@link processIdentity} are of the same job: a job is never restarted by a restart, so that the generation says only which
 * try of it has completed, and an older database has forgotten that.
 */
export function isSameWork(identity: string, other: string | undefined): boolean {
  return other !== undefined && (identity === other || withoutGeneration(identity) === withoutGeneration(other))
}

/** Of its parts the generation alone is a number. */
function withoutGeneration(identity: string): string {
  const parts = JSON.parse(identity) as readonly unknown[]
  return JSON.stringify(parts.filter((part) => typeof part !== 'number'))
}

/** Without how the image is fetched: another password is no reason for another container. The first versions called the port `port`. */
function containerIdentity(container: Container): Readonly<Record<string, unknown>> {
  const { containerPort, ...settings } = containerSettings.identity(container)
  return { image: container.image, port: containerPort, ...settings }
}

/** What is delivered: where it was read from, and how, is no part of it. */
function releaseOf({ digest, build }: SourceFolder): Readonly<Record<string, unknown>> {
  return { digest, build: build?.command ?? null }
}

/** Keys that came after the first version, where they are set: nothing else has a place at the end. */
function laterSettings(service: Service): readonly unknown[] {
  const later = serviceSettings.identity(service)
  return Object.keys(later).length === 0 ? [] : [later]
}

/** JSON with sorted object keys, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) return inner
    const source = inner as Record<string, unknown>
    const sorted: Record<string, unknown> = {}
    for (const key of Object.keys(source).toSorted()) sorted[key] = source[key]
    return sorted
  })
}
