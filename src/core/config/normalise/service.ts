/**
 * One service into normal form: defaults filled in, pairs that contradict each other refused. What concerns several services
 * (dependencies, ports) is looked at afterwards, by `check-together.ts`.
 */

import { formatSize } from '../../values/quantity.ts'
import type { ServiceName } from '../../model/id.ts'
import type {
  BalancerSettings,
  PortRequest,
  Runs,
  Scale,
  SecretReference,
  SecretSource,
  Service,
  VolumeMount,
} from '../../model/service.ts'
import type { ConfigContext } from '../config-context.ts'
import { checkNetwork, normaliseRuns } from './container.ts'
import { normaliseHealth } from './health.ts'
import { normaliseRoutes } from './routes.ts'
import { normaliseScale } from './schedule.ts'
import { normaliseRestart, normaliseUpdate } from './update.ts'
import type { Place, ProblemList } from '../../values/problem-list.ts'
import { resolveSource } from './resolve-path.ts'
import { readService, serviceSettings, usualGuarantee, type WrittenService } from '../../keys/service.ts'
import { limits, logs } from '../../keys/service/limits.ts'
import { usualPort } from '../../keys/service/port.ts'
import { stop } from '../../keys/service/stop.ts'
import { quote } from '../../values/show.ts'
import type { WrittenDependency } from '../../keys/service/after.ts'

/** A service without its dependencies, whose conditions depend on the others. `isSound` is false when a problem was reported. */
export interface Draft {
  readonly service: Omit<Service, 'after'>
  readonly after: readonly WrittenDependency[]
  /** Of a sound service: where each of its routes stands. */
  readonly routePlaces: readonly Place[]
  readonly at: Place
  readonly isSound: boolean
}

export function normaliseService(
  name: ServiceName,
  raw: unknown,
  context: ConfigContext & Pick<BalancerSettings, 'acme'>,
  at: Place,
  problems: ProblemList,
): Draft | null {
  const before = problems.count
  const written = readService.read(raw, at, problems)
  if (written === undefined) return null
  // A misspelt key explains a missing one: only a service that was read without a problem is said to lack a command.
  const isWhole = problems.count === before
  if (isWhole && written.command === undefined && written.image === undefined) {
    problems.add('E_CONFIG_REQUIRED', at, `the service ${name} has neither a command nor an image`, {
      allowed: "command: 'node server.js', or image: 'docker.io/library/redis:7'",
    })
  }
  const scale = normaliseScale(written, { wallTime: context.wallTime, isWhole }, at, problems)
  const runs = normaliseRuns(written, { ...context, isWhole }, at, problems)
  const port = written.port ?? defaultPort(scale, runs)
  if (runs.kind === 'container') checkNetwork(runs, port, at, problems)
  const volumes = normaliseVolumes(written.volumes ?? [], context.root || runs.kind === 'container', at, problems)
  checkPort(port, scale, at, problems)
  const routes = normaliseRoutes(
    written.route ?? [],
    { directory: context.directory, scale, port, acme: context.acme, isWhole },
    at,
    problems,
  )
  const environment = written.environment ?? {}
  if (Object.hasOwn(environment, 'PORT') && port.kind !== 'none') {
    const value = environment['PORT']
    const suggestion = typeof value === 'string' && /^\d{1,5}$/.test(value) ? `port: ${value}` : null
    const allowed = 'port on the service, which sets PORT; or port: false'
    problems.add('E_CONFIG_CONFLICT', { up: { up: at, key: 'environment' }, key: 'PORT' }, 'PORT is given by Daruma', {
      allowed,
      suggestion,
    })
  }
  const ends = scale.kind === 'job' || scale.kind === 'schedule'
  if (written.health !== undefined && ends) {
    const message = `a ${scale.kind} has no health: ${scale.kind === 'job' ? 'it' : 'a run'} is done when it ends with exit code 0`
    problems.add('E_CONFIG_CONFLICT', { up: at, key: 'health' }, message)
  }
  const service: Draft['service'] = {
    name,
    scale,
    runs,
    environment: plainVariables(environment),
    secrets: normaliseSecrets(environment, written.secrets ?? {}, context, at, problems),
    port,
    routes,
    volumes,
    health: normaliseHealth(ends ? undefined : written.health, { port, runs, isWhole }, { up: at, key: 'health' }, problems),
    limits: limits.fill(written),
    stop: stop.fill(written.stop),
    restart: normaliseRestart(written, scale, at, problems),
    update: normaliseUpdate(written.update, { scale, port, volumes, routes, isWhole }, at, problems),
    ...serviceSettings.fill(written, { guarantee: written.guarantee ?? usualGuarantee(scale.kind) }),
    logs: logs.fill(written.logs),
  }
  checkMemory(written.memoryBytes, context, at, problems)
  if (runs.kind === 'process') checkRights(written, context, at, problems)
  const routePlaces = (written.route ?? []).map((route) => route.at)
  return { service, after: written.after ?? [], routePlaces, at, isSound: problems.count === before }
}

/** The engine gives to a container what of a process only root can. */
function checkRights({ user, ...written }: WrittenService, context: ConfigContext, at: Place, problems: ProblemList): void {
  const cut = user?.indexOf(':') ?? -1
  if (user !== undefined && cut >= 0) {
    problems.add('E_CONFIG_CONFLICT', { up: at, key: 'user' }, 'a group beside the user is for services with an image', {
      allowed: 'a user; its own group goes with it',
      suggestion: quote(user.slice(0, cut)),
    })
  }
  if (context.root) return
  if (user !== undefined) {
    problems.add('E_CONFIG_NEEDS_ROOT', { up: at, key: 'user' }, `only root can run a command as ${user}`, {
      allowed: 'no user, or Daruma run as root',
    })
  }
  for (const [field, { key = field }] of Object.entries(limits.keys)) {
    if (!Object.hasOwn(written, field)) continue
    problems.add('E_CONFIG_NEEDS_ROOT', { up: at, key }, `only root can limit ${key}`, {
      allowed: `no ${key}, or Daruma run as root`,
    })
  }
}

function defaultPort(scale: Scale, runs: Runs): PortRequest {
  const isOffline = runs.kind === 'container' && runs.network === 'none'
  return usualPort(scale.kind) === 'auto' && !isOffline ? { kind: 'auto' } : { kind: 'none' }
}

function checkPort(port: PortRequest, scale: Scale, at: Place, problems: ProblemList): void {
  if (port.kind !== 'fixed' || scale.kind !== 'replicas' || scale.count <= 1) return
  const message = `${scale.count} replicas cannot all listen on port ${port.port}`
  problems.add('E_CONFIG_CONFLICT', { up: at, key: 'port' }, message, {
    allowed: "port: 'auto', or one replica",
    suggestion: "'auto'",
  })
}

function normaliseVolumes(
  volumes: readonly VolumeMount[],
  canMount: boolean,
  at: Place,
  problems: ProblemList,
): readonly VolumeMount[] {
  for (const { name, target } of volumes) {
    if (target === null || canMount) continue
    const allowed = `volumes: ['${name}'], whose path is in DARUMA_VOLUME_${name.toUpperCase().replaceAll('-', '_')}; or Daruma run as root`
    problems.add(
      'E_CONFIG_NEEDS_ROOT',
      { up: { up: at, key: 'volumes' }, key: target },
      `only root can mount a volume at ${target}`,
      { allowed },
    )
  }
  return volumes
}

function plainVariables(environment: Readonly<Record<string, string | SecretSource>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

function normaliseSecrets(
  environment: Readonly<Record<string, string | SecretSource>>,
  secrets: Readonly<Record<string, SecretSource>>,
  context: ConfigContext,
  at: Place,
  problems: ProblemList,
): Readonly<Record<string, SecretReference>> {
  const references: [string, SecretReference][] = []
  for (const [variable, value] of Object.entries(environment)) {
    if (Object.hasOwn(secrets, variable)) {
      problems.add('E_CONFIG_CONFLICT', { up: { up: at, key: 'environment' }, key: variable }, `${variable} is also in secrets`, {
        allowed: 'one of the two',
      })
    } else if (typeof value !== 'string') {
      references.push([variable, { source: resolveSource(value, context), digest: null }])
    }
  }
  for (const [variable, source] of Object.entries(secrets))
    references.push([variable, { source: resolveSource(source, context), digest: null }])
  return Object.fromEntries(references)
}

function checkMemory(memoryBytes: number | undefined, context: ConfigContext, at: Place, problems: ProblemList): void {
  if (memoryBytes === undefined || memoryBytes <= context.hostMemoryBytes) return
  const has = formatSize(Math.floor(context.hostMemoryBytes / 1024 ** 2) * 1024 ** 2)
  problems.add('E_CONFIG_MEMORY', { up: at, key: 'memory' }, `${formatSize(memoryBytes)} is more than this machine has`, {
    allowed: `at most ${has}`,
  })
}
