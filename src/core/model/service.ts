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
  | { readonly kind: 'schedule'; readonly schedule: Schedule }

/** When a scheduled service runs. Each run has a slot of its own, named by its tick. */
export interface Schedule {
  /** A cron expression of five or six fields (the sixth, in front, is seconds), or `@daily` and its like. */
  readonly cron: string
  /** An IANA name: `Asia/Tokyo`. */
  readonly timezone: string
  /** Ticks that passed while nobody could run them: one run for the last of them, or none. */
  readonly missed: 'run-once' | 'skip'
  /** What a tick does while an earlier run is under way. */
  readonly overlap: 'forbid' | 'queue' | 'replace'
  /** The longest that one attempt may take; null: as long as it likes. */
  readonly timeoutMs: number | null
  /** Further attempts after a failed one. */
  readonly retries: number
  /** Whether a run whose end nobody saw, and nothing tells of, is attempted again. */
  readonly retryLost: boolean
  /** How many ended runs are kept, with their logs. */
  readonly keep: number
}

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

/** Where an image comes from. `digest` is of the content, so that a change is seen: null until the file or folder has been read. */
export type ImageSource =
  | { readonly from: 'registry'; readonly reference: string }
  | { readonly from: 'archive'; readonly path: string; readonly digest: string | null }
  | { readonly from: 'build'; readonly context: string; readonly file: string; readonly digest: string | null }

/** A program of this host. */
export interface Process {
  readonly kind: 'process'
  /** An argument array; a string in the config has become `['/bin/sh', '-c', text]`. */
  readonly command: readonly string[]
  /** Absolute. */
  readonly directory: string
  /** Null: the user that runs Daruma. */
  readonly user: string | null
}

/** A program in a container. Where `command`, `directory` or `user` is null, the image's own is taken. */
export interface Container {
  readonly kind: 'container'
  readonly image: ImageSource
  readonly pull: 'missing' | 'always' | 'never'
  /** Who we are to a private registry. */
  readonly registry: { readonly username: string; readonly password: SecretReference } | null
  /** The port that the program listens on inside; null: the one in `PORT`. It is published at the slot's own port, on loopback. */
  readonly port: number | null
  readonly readOnly: boolean
  /** What is given back of the capabilities, all of which are dropped: `CHOWN`, `NET_BIND_SERVICE`. */
  readonly capabilities: readonly string[]
  readonly network: 'bridge' | 'host' | 'none'
  readonly command: readonly string[] | null
  /** Absolute, inside the container. */
  readonly directory: string | null
  readonly user: string | null
}

/** What fills a service's slots. A switch over `kind` is checked by the compiler when another kind comes. */
export type Runs = Process | Container

export type Tls =
  | { readonly kind: 'none' }
  /** PEM files. `digest` is of both files' content; null until they have been read. */
  | { readonly kind: 'files'; readonly certificate: string; readonly key: string; readonly digest: string | null }
  /** By ACME. */
  | { readonly kind: 'automatic' }

/** How requests reach a service. Several routes may share a domain (with other paths) but never the same domain and path. */
export interface Route {
  readonly to:
    | { readonly kind: 'domain'; readonly domain: string }
    | { readonly kind: 'port'; readonly port: number; readonly protocol: 'http' | 'tcp' }
  /** The beginning of the path, by whole segments; `/` is every path (and the only one for `tcp`). */
  readonly path: string
  readonly tls: Tls
  /** Whether clients speak the PROXY protocol to us, and whether we speak it (version 2) to the instances. */
  readonly proxyProtocol: { readonly accept: boolean; readonly send: boolean }
  /** Whether any request may be sent again when an instance dies with it, a POST too. */
  readonly idempotent: boolean
}

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
  /** Start-first: how many instances beyond the wanted number may run for a moment; at least 1. */
  readonly surge: number
  /** Stop-first: how many may be replaced at a time; at least 1. */
  readonly parallel: number
  /** The rest between one batch that is ready and the next. */
  readonly pauseMs: number
  /** Stop-first: how many must stay ready; null: as `parallel` leaves. */
  readonly minHealthy: number | null
  /** How long requests in flight may take when their instance leaves, before it is asked to stop. Only where there is a route. */
  readonly drainMs: number
  readonly canary: Canary | null
}

/** A first share of the requests goes to the new revision; it is promoted by time or by hand, taken back by its errors. */
export interface Canary {
  /** Of the requests: above 0, at most 0.5. */
  readonly share: number
  readonly forMs: number
  /** The largest share of failed requests (5xx and broken connections) that the canary may have beyond the old revision's. */
  readonly errorRate: number
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
  readonly runs: Runs
  readonly environment: Readonly<Record<string, string>>
  /** By the environment variable that will hold the value. */
  readonly secrets: Readonly<Record<string, SecretReference>>
  readonly port: PortRequest
  readonly routes: readonly Route[]
  readonly volumes: readonly VolumeMount[]
  readonly health: Health
  readonly limits: Limits
  readonly after: readonly Dependency[]
  readonly stop: StopPolicy
  readonly restart: RestartPolicy
  readonly update: UpdatePolicy
  readonly guarantee: 'strict' | 'available'
  /** Refuses removal by `up` and `down`. */
  readonly protect: boolean
  readonly logs: { readonly maxBytes: number }
}

/** What all routes share: the program that spreads the requests, and its limits. */
export interface BalancerSettings {
  /** `auto`: HAProxy where it is installed, else the embedded one. */
  readonly program: 'auto' | 'haproxy' | 'embedded'
  /** The address that every listener is bound to; `*` for all. */
  readonly address: string
  /** The ports of routes by domain. */
  readonly httpPort: number
  readonly httpsPort: number
  readonly accessLog: boolean
  readonly limits: {
    readonly connections: number
    /** Of the request line and all header lines together. */
    readonly headerBytes: number
    /** Null: a body may be as large as it likes. */
    readonly bodyBytes: number | null
    /** Until the whole header has come. */
    readonly headerTimeoutMs: number
    /** Silence on a connection with a request under way, in either direction. WebSockets and raw TCP have `tunnelTimeoutMs`. */
    readonly idleTimeoutMs: number
    readonly tunnelTimeoutMs: number
  }
  /** Null: no route has automatic TLS. `directory` is the ACME server's URL. */
  readonly acme: { readonly directory: string; readonly email: string | null; readonly caFile: string | null } | null
}

/** One accepted config in normal form: what a revision holds. Services are sorted by name. */
export interface Project {
  readonly name: string
  readonly stage: string | null
  readonly balancer: BalancerSettings
  readonly services: readonly Service[]
}

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
    runs.directory ?? '',
    service.environment,
    secrets,
    service.port,
    service.volumes,
    service.limits,
    runs.user,
    generation,
  ])
}

/** Without how the image is fetched: another password is no reason for another container. */
function containerIdentity({ image, port, readOnly, capabilities, network }: Container): Partial<Container> {
  return { image, port, readOnly, capabilities, network }
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
