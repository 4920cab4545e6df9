/**
 * All keys of a service, and a service in normal form: every default filled in, every quantity in its base unit. Where a new key begins:
 * one that is recorded as it is written is a field of {@link ServiceSettings} and a row of `serviceSettings`, or the same in the group
 * that it belongs to (`service/stop.ts`); nothing else has to know of it but the place where it is used. All of a service is plain JSON,
 * because it is recorded.
 */

import type { ServiceName } from '../values/name.ts'
import { boolean, oneOf } from '../values/scalars.ts'
import { anyText, objectOf, type Shape } from '../values/shape.ts'
import type { Reader } from '../values/value-type.ts'
import { type Field, type Group, group, objectBy, type Part, shapesOf, type WrittenKeys, type WrittenOf } from './key.ts'
import { after, type Dependency, readAfter, type WrittenDependency } from './service/after.ts'
import { containerKeys, type WrittenContainer } from './service/container.ts'
import { environment, envFiles, readEnvironment, readSecrets, secrets } from './service/environment.ts'
import { type Health, health, readHealth, type WrittenHealth } from './service/health.ts'
import { type Limits, limits, type Logs, logs } from './service/limits.ts'
import { type PortRequest, port, readPort, usualPort } from './service/port.ts'
import { type RestartPolicy, restart } from './service/restart.ts'
import { type PlacedRoute, readRoutes, type Route, routes } from './service/route.ts'
import { type Runs, runs, runsKeys, type WrittenRuns } from './service/runs.ts'
import { type Scale, type ScaleKind, scale, scaleKeys, type WrittenScale } from './service/scale.ts'
import type { SecretReference, SecretSource } from './service/secret.ts'
import { type StopPolicy, stop } from './service/stop.ts'
import { type Ulimits, ulimits } from '../values/ulimits.ts'
import { type UpdatePolicy, update, type WrittenUpdate } from './service/update.ts'
import { readVolumes, type VolumeMount, volumes } from './service/volumes.ts'

/** What is recorded as it is written: a row of {@link serviceSettings} each. */
export interface ServiceSettings {
  readonly guarantee: 'strict' | 'available'
  /** Refuses removal by `up` and `down`. */
  readonly protect: boolean
  /** As written, from the config's folder; what they say is in `environment` already. */
  readonly envFile: readonly string[]
  /** Those that differ from what every service has. */
  readonly ulimits: Ulimits
}

export interface Service extends ServiceSettings {
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
  readonly logs: Logs
}

/** What reading makes of a service. */
export interface WrittenService
  extends WrittenScale, WrittenRuns, WrittenContainer, WrittenOf<Limits>, WrittenOf<ServiceSettings> {
  readonly environment?: Readonly<Record<string, string | SecretSource>>
  readonly secrets?: Readonly<Record<string, SecretSource>>
  readonly port?: PortRequest
  readonly route?: readonly PlacedRoute[]
  readonly volumes?: readonly VolumeMount[]
  readonly health?: WrittenHealth
  readonly after?: readonly WrittenDependency[]
  readonly stop?: WrittenOf<StopPolicy>
  readonly restart?: WrittenOf<RestartPolicy>
  readonly update?: WrittenUpdate
  readonly logs?: WrittenOf<Logs>
}

export const usualGuarantee = (kind: ScaleKind): Service['guarantee'] => (kind === 'replicas' ? 'available' : 'strict')

export const serviceSettings: Group<ServiceSettings> = group<ServiceSettings>('service', {
  guarantee: {
    type: { ...oneOf(['strict', 'available']), show: String },
    defaultWords: "`'strict'` for a singleton, a job and a schedule, `'available'` for replicas",
    prose: 'When a host is cut off: `strict` ends the instance so that there are never two, `available` keeps it running.',
    example: "'strict'",
  },
  protect: { type: boolean, default: false, prose: 'Whether `up` and `down` refuse to remove it.', example: 'true' },
  envFile: {
    type: envFiles,
    default: [],
    defaultWords: 'none',
    prose:
      'Files of `NAME=value` lines (as dotenv reads them), from the folder of the config; they are read by `plan` and `up`. A later file wins over an earlier one, and `environment` over both. The values are recorded and shown in plans: what is secret belongs into `secrets`.',
    example: "'./.env'",
  },
  ulimits: {
    type: ulimits,
    default: {},
    defaultWords:
      "for a process, whatever the shell that ran `up` had: `nofile` 65536 soft and 524288 hard, `core` 0 soft, `stack` 8388608 soft, `memlock` 8388608, `msgqueue` 819200, `nice` and `rtprio` 0, `sigpending` the kernel's own, the others unlimited; for an image, its engine's",
    restarts: 'when-set',
    prose:
      "What the kernel allows each process of an instance (setrlimit(2)), in its units and by Docker's names: a number for both limits, or `{ soft, hard }`; `-1` is none. A process may raise its own soft limit up to the hard one.",
    example: '{ nofile: 100_000 }',
  },
})

const { command, ...furtherRuns } = runsKeys

/** The order is that of the reference. */
export const serviceKeys: WrittenKeys<WrittenService> = {
  command,
  ...containerKeys,
  ...scaleKeys,
  ...furtherRuns,
  environment: {
    type: readEnvironment,
    defaultWords: '`{}`',
    prose: "The environment variables of the command; a value may be `secret('NAME')`.",
    example: "{ LOG_LEVEL: 'info', DB_PASSWORD: secret('DB_PASSWORD') }",
  },
  secrets: {
    type: readSecrets,
    defaultWords: '`{}`',
    prose:
      'Environment variables whose values are never recorded or printed: names (taken from the environment of `daruma up`), or variable → secret.',
    example: "{ DB_PASSWORD: secret.file('./db-password') }",
  },
  port: {
    type: readPort,
    defaultWords: `\`'${String(usualPort('replicas'))}'\`; \`${String(usualPort('job'))}\` for a job and a schedule`,
    prose:
      "The port that the command finds in `PORT`: `'auto'` for one of Daruma's own that stays with the slot, a number for exactly that one, `false` for none.",
    example: '8080',
  },
  route: {
    type: readRoutes,
    defaultWords: 'none: only this host reaches the ports of the instances',
    prose:
      'How requests from outside reach the instances, through the balancer: a domain, a port, an object, or an array of them. Requests go to the instances that are ready; without probes, ready only means that the process runs.',
    example: "{ domain: 'shop.example.com' }",
  },
  volumes: {
    type: readVolumes,
    defaultWords: '`[]`',
    prose:
      'Directories that outlive the instances, by name. Their paths are in `DARUMA_VOLUME_<NAME>`; with a mount point (needs root or an image) they are also mounted there. With an image each has a mount point.',
    example: "{ '/var/lib/postgresql': 'pgdata' }",
  },
  health: {
    type: readHealth,
    defaultWords: 'none: an instance is ready when it has lived for `update.minReady`',
    prose: 'How to check that an instance is ready and alive.',
    example: "{ http: '/healthz', interval: '1s' }",
  },
  ...limits.keys,
  after: {
    type: readAfter,
    defaultWords: '`[]`',
    prose:
      'What the service waits for. With a name alone, a job must be completed, a service with probes healthy, any other started.',
    example: "{ migrate: 'completed', cache: 'healthy' }",
  },
  stop: {
    type: stop,
    defaultWords: 'see [stop](#stop)',
    prose: 'How an instance is ended.',
    example: "{ signal: 'SIGINT', gracePeriod: '30s' }",
  },
  restart: {
    type: restart,
    defaultWords: 'see [restart](#restart)',
    prose: 'When an instance that has ended is started again: a policy alone, or an object.',
    example: "'on-failure'",
  },
  update: {
    type: update,
    defaultWords: 'see [update](#update)',
    prose: 'How a new revision replaces the old.',
    example: "{ deadline: '5m' }",
  },
  logs: { type: logs, defaultWords: 'see [logs](#logs)', prose: 'How much output is kept.', example: "{ maxSize: '100MiB' }" },
  ...serviceSettings.keys,
}

export const readService: Reader<WrittenService> = objectBy('service', serviceKeys)

type Composed = Exclude<keyof Service, 'name' | keyof ServiceSettings>

const under = <Recorded>(name: string, { shape, fields, complete }: Part<Recorded>): Part<Recorded> => ({
  shape,
  fields: (value, prefix) => fields(value, `${prefix}${name}.`),
  complete,
})

/** The parts that a service is recorded in, in the order of a plan's reasons. */
const composed: { readonly [Name in Composed]: Part<Service[Name]> } = {
  scale,
  runs,
  environment,
  secrets,
  port,
  routes,
  volumes,
  health,
  limits,
  after,
  stop: under('stop', stop),
  restart: under('restart', restart),
  update: under('update', update),
  logs: under('logs', logs),
}

export const serviceShape: Shape<Service> = objectOf<Service>({
  name: anyText as Shape<ServiceName>,
  ...(Object.fromEntries(Object.entries(composed).map(([name, { shape }]) => [name, shape])) as {
    readonly [Name in Composed]: Shape<Service[Name]>
  }),
  ...shapesOf(serviceSettings.keys),
})

export type ServicePart = Exclude<keyof Service, 'name'>

export const serviceParts: readonly ServicePart[] = [
  ...Object.keys(composed),
  ...Object.keys(serviceSettings.keys),
] as ServicePart[]

/** One part as a plan compares and shows it, by the names of a config; a field that is not set is absent. */
export function showPart(service: Service, part: ServicePart): ReadonlyMap<string, string> {
  return new Map(fieldsOf(service, part).filter((field): field is readonly [string, string] => field[1] !== null))
}

function fieldsOf(service: Service, part: ServicePart): readonly Field[] {
  if (part in composed) return (composed[part as Composed] as Part<unknown>).fields(service[part], '')
  return serviceSettings.fields({ [part]: service[part] } as unknown as ServiceSettings, '')
}

/** A record of an earlier version with what did not exist then; the same object where nothing is missing. */
export function completeParts(recorded: Service): Service {
  const news = Object.entries(composed as Readonly<Record<string, Part<unknown>>>).flatMap(([name, part]) => {
    const former = recorded[name as Composed]
    const whole = former === undefined ? part.before : part.complete(former)
    return whole === former ? [] : [[name, whole] as const]
  })
  const whole = news.length === 0 ? recorded : { ...recorded, ...(Object.fromEntries(news) as Partial<Service>) }
  return serviceSettings.complete(whole) as Service
}
