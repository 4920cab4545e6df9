/**
 * A service in normal form: every default filled in, every quantity in its base unit. The rest of the core reads only this;
 * what the user wrote (shorthands, '30s', '256MiB') ends in `core/config`. All of it is plain JSON, because it is recorded.
 */

import type { ServiceName } from './id.ts'

/** How many places a service has, and what filling one means. A job's single place is filled once and then done. */
export type Scale =
  | { readonly kind: 'replicas'; readonly count: number }
  | { readonly kind: 'singleton' }
  | { readonly kind: 'job' }

/** Where a secret's value comes from when `up` runs. */
export type SecretSource =
  | { readonly from: 'environment'; readonly name: string }
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'command'; readonly command: readonly string[] }

/**
 * A secret as it is recorded: never its value. `digest` is a keyed hash of the value (key: the state's own), so that a change can
 * be seen without the value; null until the daemon has received the value.
 */
export interface SecretReference {
  readonly source: SecretSource
  readonly digest: string | null
}

/** `auto` ports come from the daemon's range, one a slot, and stay with the slot across restarts. */
export type PortRequest =
  | { readonly kind: 'none' }
  | { readonly kind: 'auto' }
  | { readonly kind: 'fixed'; readonly port: number }

/** A named directory that outlives instances. `target` is where it is mounted (needs root), null for "by variable only". */
export interface VolumeMount {
  readonly name: string
  readonly target: string | null
}

/** Where a port is null, the instance's own `PORT` is probed. */
export type Check =
  | { readonly kind: 'http'; readonly path: string; readonly port: number | null; readonly host: string | null }
  | { readonly kind: 'tcp'; readonly port: number | null }
  | { readonly kind: 'exec'; readonly command: readonly string[] }

export interface Probe {
  readonly check: Check
  readonly intervalMs: number
  readonly timeoutMs: number
  /** Failures in a row that change the verdict. */
  readonly retries: number
}

/**
 * Kubernetes' three probes. Until the first success of `startup` (else of `readiness`, else of `liveness`) the others do not
 * count; an instance that has not come that far after `startPeriodMs` is ended as never healthy.
 */
export interface Health {
  readonly startup: Probe | null
  readonly readiness: Probe | null
  readonly liveness: Probe | null
  readonly startPeriodMs: number
}

export type DependencyCondition = 'started' | 'healthy' | 'completed'

export interface Dependency {
  readonly service: ServiceName
  readonly condition: DependencyCondition
}

/** `always`, `on-failure` and `no` are Compose's words. */
export interface RestartPolicy {
  readonly policy: 'always' | 'on-failure' | 'no'
  /** Delay before the second quick restart in a row (the first has none); doubled each time. 0 turns the back-off off. */
  readonly delayMs: number
  readonly maxDelayMs: number
  /** An instance that lived this long has proven itself: the failures before it are forgotten. */
  readonly resetAfterMs: number
  /** Quick failures in a row after which the slot is called crash-looping (services) or failed (jobs). */
  readonly budget: number
}

export interface UpdatePolicy {
  /** `start-first`: the new instance is ready, in a slot of its own, before an old one stops. `stop-first`: no overlap, a gap. */
  readonly order: 'start-first' | 'stop-first'
  /** How long a new instance may take from its start until it is ready (a job: until it has ended). */
  readonly deadlineMs: number
  /** How long an instance without probes must have lived to count as ready. */
  readonly minReadyMs: number
}

export type SignalName = 'SIGTERM' | 'SIGINT' | 'SIGQUIT' | 'SIGHUP' | 'SIGUSR1' | 'SIGUSR2' | 'SIGKILL' | 'SIGWINCH'

export interface StopPolicy {
  readonly signal: SignalName
  readonly gracePeriodMs: number
}

export interface Limits {
  readonly cpuCores: number | null
  readonly memoryBytes: number | null
  readonly pids: number | null
}

export interface Service {
  readonly name: ServiceName
  readonly scale: Scale
  /** An argument array; a string in the config has become `['/bin/sh', '-c', text]`. */
  readonly command: readonly string[]
  /** Absolute. */
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
  /** By the environment variable that will hold the value. */
  readonly secrets: Readonly<Record<string, SecretReference>>
  readonly port: PortRequest
  readonly volumes: readonly VolumeMount[]
  readonly health: Health
  readonly limits: Limits
  readonly user: string | null
  readonly after: readonly Dependency[]
  readonly stop: StopPolicy
  readonly restart: RestartPolicy
  readonly update: UpdatePolicy
  readonly guarantee: 'strict' | 'available'
  /** Refuses removal by `up` and `down`. */
  readonly protect: boolean
  readonly logs: { readonly maxBytes: number }
}

/** One accepted config in normal form: what a revision holds. Services are sorted by name. */
export interface Project {
  readonly name: string
  readonly stage: string | null
  readonly services: readonly Service[]
}

/** How many slots the service fills while nothing is being replaced. */
export function slotCount(service: Service): number {
  return service.scale.kind === 'replicas' ? service.scale.count : 1
}

/**
 * The fields whose change needs a new process; the others (probes, policies, dependencies, the number of replicas) take effect on
 * the running one. `generation` is raised by `restart`. Two services with equal text here may share a running instance.
 */
export function processIdentity(service: Service, generation: number): string {
  const secrets = Object.fromEntries(Object.entries(service.secrets).map(([name, reference]) => [name, reference.digest]))
  return canonicalJson([
    service.scale.kind === 'job' ? 'job' : 'service',
    service.command,
    service.directory,
    service.environment,
    secrets,
    service.port,
    service.volumes,
    service.limits,
    service.user,
    generation,
  ])
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
