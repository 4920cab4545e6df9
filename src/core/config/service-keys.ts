/**
 * The keys of a config and of a service. The order here is the order of the reference.
 */

import type { PortRequest, SecretSource, Service, VolumeMount } from '../model/service.ts'
import { balancer, type WrittenBalancer } from './balancer-keys.ts'
import { containerKeys, type WrittenContainer } from './container-keys.ts'
import * as defaults from './defaults.ts'
import { health, type WrittenHealth } from './health-keys.ts'
import { type KeyTable, objectBy } from './key-table.ts'
import {
  logs,
  restart,
  stop,
  update,
  type WrittenLogs,
  type WrittenRestart,
  type WrittenStop,
  type WrittenUpdate,
} from './policy-keys.ts'
import {
  boolean,
  command,
  cores,
  isPlainObject,
  oneOf,
  onlyTrue,
  type PlainObject,
  type Reader,
  refuseType,
  size,
  text,
  wholeNumber,
} from './reader.ts'
import { type PlacedRoute, route } from './route-keys.ts'
import { schedule, timezone, type WrittenSchedule } from './schedule-keys.ts'
import { after, environment, port, projectName, secrets, volumes, type WrittenDependency } from './value-readers.ts'

export interface WrittenConfig {
  readonly name?: string
  readonly services?: PlainObject
  readonly balancer?: WrittenBalancer
}

export interface WrittenService extends WrittenContainer {
  readonly command?: readonly string[]
  readonly replicas?: number
  readonly singleton?: true
  readonly job?: true
  readonly schedule?: WrittenSchedule
  readonly timezone?: string
  readonly directory?: string
  readonly environment?: Readonly<Record<string, string | SecretSource>>
  readonly secrets?: Readonly<Record<string, SecretSource>>
  readonly port?: PortRequest
  readonly route?: readonly PlacedRoute[]
  readonly volumes?: readonly VolumeMount[]
  readonly health?: WrittenHealth
  readonly cpu?: number
  readonly memory?: number
  readonly pids?: number
  readonly user?: string
  readonly after?: readonly WrittenDependency[]
  readonly stop?: WrittenStop
  readonly restart?: WrittenRestart
  readonly update?: WrittenUpdate
  readonly guarantee?: Service['guarantee']
  readonly protect?: boolean
  readonly logs?: WrittenLogs
}

export const mostReplicas: number = 1000

/** The services are read one by one afterwards. */
const services: Reader<PlainObject> = {
  accepts: "an object of name → service, such as { web: { command: 'node server.js' } }",
  read(value, at, problems) {
    return isPlainObject(value) ? value : refuseType(value, this.accepts, at, problems)
  },
}

export const configKeys: KeyTable<WrittenConfig> = {
  name: {
    reader: projectName,
    default: 'required',
    prose: 'The name of the project. Another name is another project, with a state of its own.',
    example: "'shop'",
  },
  services: {
    reader: services,
    default: 'required',
    prose: 'What runs, by name; at most 10,000.',
    example: "{ web: { command: 'node server.js' } }",
  },
  balancer: {
    reader: balancer,
    default: 'see [balancer](#balancer)',
    prose: 'What spreads the requests of all routes, and how.',
    example: "{ acme: { email: 'ops@example.com' } }",
  },
}

export const serviceKeys: KeyTable<WrittenService> = {
  command: {
    reader: command,
    default: "required without an image; else the image's own",
    prose:
      "What is run: a string by `/bin/sh -c`, an array directly, without a shell. The stop signal reaches what a string runs, too. With an image it takes the place of the arguments of the image's entry point.",
    example: "['node', 'server.js']",
  },
  ...containerKeys,
  replicas: {
    reader: wholeNumber({ from: 0, to: mostReplicas }),
    default: '`1`, when none of `singleton`, `job`, `schedule` is said',
    prose: 'How many equal instances run.',
    example: '3',
  },
  singleton: {
    reader: onlyTrue,
    default: 'not a singleton',
    prose: 'Exactly one instance, and never two at the same moment.',
    example: 'true',
  },
  job: {
    reader: onlyTrue,
    default: 'not a job',
    prose: 'Runs to its end once for each revision that changes it, and never on a rollback; exit code 0 is success.',
    example: 'true',
  },
  schedule: {
    reader: schedule,
    default: 'not on a schedule',
    prose:
      'Runs at the ticks of a cron expression, each tick at most once; exit code 0 is success. A run under way is not cut by a new revision. The object has the finer points.',
    example: "'0 3 * * *'",
  },
  timezone: {
    reader: timezone,
    default: `\`'${defaults.schedule.timezone}'\``,
    prose: 'The time zone of `schedule`, where that is an expression alone.',
    example: "'Asia/Tokyo'",
  },
  directory: {
    reader: text('a path, absolute or from the folder of the config', { longest: 4096, pattern: /^[^~]/ }),
    default: "the folder of the config; with an image, the image's own",
    prose: 'The working directory of the command. With an image, an absolute path inside it.',
    example: "'./web'",
  },
  environment: {
    reader: environment,
    default: '`{}`',
    prose: "The environment variables of the command; a value may be `secret('NAME')`.",
    example: "{ LOG_LEVEL: 'info', DB_PASSWORD: secret('DB_PASSWORD') }",
  },
  secrets: {
    reader: secrets,
    default: '`{}`',
    prose:
      'Environment variables whose values are never recorded or printed: names (taken from the environment of `daruma up`), or variable → secret.',
    example: "{ DB_PASSWORD: secret.file('./db-password') }",
  },
  port: {
    reader: port,
    default: `\`'${String(defaults.port('replicas'))}'\`; \`${String(defaults.port('job'))}\` for a job and a schedule`,
    prose:
      "The port that the command finds in `PORT`: `'auto'` for one of Daruma's own that stays with the slot, a number for exactly that one, `false` for none.",
    example: '8080',
  },
  route: {
    reader: route,
    default: 'none: only this host reaches the ports of the instances',
    prose:
      'How requests from outside reach the instances, through the balancer: a domain, a port, an object, or an array of them. Requests go to the instances that are ready; without probes, that is not much of a promise.',
    example: "{ domain: 'shop.example.com' }",
  },
  volumes: {
    reader: volumes,
    default: '`[]`',
    prose:
      'Directories that outlive the instances, by name. Their paths are in `DARUMA_VOLUME_<NAME>`; with a mount point (needs root or an image) they are also mounted there. With an image each has a mount point.',
    example: "{ '/var/lib/postgresql': 'pgdata' }",
  },
  health: {
    reader: health,
    default: 'none: an instance is ready when it has lived for `update.minReady`',
    prose: 'How to tell that an instance is ready and alive.',
    example: "{ http: '/healthz', interval: '1s' }",
  },
  cpu: { reader: cores, default: 'no limit', prose: 'The most CPU that one instance gets, in cores.', example: '0.5' },
  memory: {
    reader: size({ from: 1024 * 1024, to: 1024 ** 5 }),
    default: 'no limit',
    prose: 'The most memory that one instance gets; beyond it the kernel ends the instance.',
    example: "'256MiB'",
  },
  pids: {
    reader: wholeNumber({ from: 1, to: 4_194_304 }),
    default: 'no limit',
    prose: 'The most processes and threads that one instance gets.',
    example: '100',
  },
  user: {
    reader: text("the name or the number of a user; with an image also of its group, '1000:1000'", {
      longest: 65,
      pattern: /^(?:[a-z_][a-z0-9_-]{0,30}\$?|\d{1,10})(?::(?:[a-z_][a-z0-9_-]{0,31}|\d{1,10}))?$/i,
    }),
    default: "the user that runs Daruma; with an image, the image's own",
    prose: 'The user that the command runs as (needs root or an image).',
    example: "'postgres'",
  },
  after: {
    reader: after,
    default: '`[]`',
    prose:
      'What must have come first. Of a name alone, a job must be completed, a service with probes healthy, any other started.',
    example: "{ migrate: 'completed', cache: 'healthy' }",
  },
  stop: {
    reader: stop,
    default: 'see [stop](#stop)',
    prose: 'How an instance is ended.',
    example: "{ signal: 'SIGINT', gracePeriod: '30s' }",
  },
  restart: {
    reader: restart,
    default: 'see [restart](#restart)',
    prose: 'When an instance that has ended is started again: a policy alone, or an object.',
    example: "'on-failure'",
  },
  update: {
    reader: update,
    default: 'see [update](#update)',
    prose: 'How a new revision replaces the old.',
    example: "{ deadline: '5m' }",
  },
  guarantee: {
    reader: oneOf(['strict', 'available']),
    default: "`'strict'` for a singleton, a job and a schedule, `'available'` for replicas",
    prose: 'When a host is cut off: `strict` ends the instance so that there are never two, `available` lets it run on.',
    example: "'strict'",
  },
  protect: { reader: boolean, default: '`false`', prose: 'Refuses to be removed, by `up` and by `down`.', example: 'true' },
  logs: { reader: logs, default: 'see [logs](#logs)', prose: 'How much output is kept.', example: "{ maxSize: '100MiB' }" },
}

export const readConfig: Reader<WrittenConfig> = objectBy('config', configKeys)
export const readService: Reader<WrittenService> = objectBy('service', serviceKeys)
