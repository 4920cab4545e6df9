/**
 * One service into normal form: defaults filled in, pairs that contradict each other refused. What concerns several services
 * (dependencies, ports) is looked at afterwards, by `check-together.ts`.
 */

import { formatSize } from '../model/quantity.ts'
import type { ServiceName } from '../model/id.ts'
import type {
  PortRequest,
  RestartPolicy,
  Scale,
  SecretReference,
  SecretSource,
  Service,
  UpdatePolicy,
  VolumeMount,
} from '../model/service.ts'
import * as defaults from './defaults.ts'
import { normaliseHealth } from './normalise-health.ts'
import type { Place, ProblemList } from './problem-list.ts'
import { resolvePath } from './resolve-path.ts'
import { readService, type WrittenService } from './service-keys.ts'
import type { WrittenDependency } from './value-readers.ts'

export interface ConfigContext {
  /** Absolute folder of the config file. */
  readonly directory: string
  readonly stage: string | null
  /** Whether Daruma runs as root. */
  readonly root: boolean
  readonly hostMemoryBytes: number
}

/** A service without its dependencies, whose conditions depend on the others. `isSound` is false when a problem was reported. */
export interface Draft {
  readonly service: Omit<Service, 'after'>
  readonly after: readonly WrittenDependency[]
  readonly at: Place
  readonly isSound: boolean
}

export function normaliseService(
  name: ServiceName,
  raw: unknown,
  context: ConfigContext,
  at: Place,
  problems: ProblemList,
): Draft | null {
  const before = problems.count
  const written = readService.read(raw, at, problems)
  if (written === undefined) return null
  // A misspelt key explains a missing one: only a service that was read without a problem is said to lack a command.
  const isWhole = problems.count === before
  if (isWhole && written.command === undefined) {
    problems.add('E_CONFIG_REQUIRED', at, `the service ${name} has no command`, { allowed: "command: 'node server.js'" })
  }
  const scale = normaliseScale(written, at, problems)
  const port = written.port ?? defaultPort(scale)
  const volumes = normaliseVolumes(written.volumes ?? [], context, at, problems)
  checkPort(port, scale, at, problems)
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
  if (written.health !== undefined && scale.kind === 'job') {
    problems.add('E_CONFIG_CONFLICT', { up: at, key: 'health' }, 'a job has no health: it is done when it ends with exit code 0')
  }
  const service: Draft['service'] = {
    name,
    scale,
    command: written.command ?? [],
    container: null,
    directory: written.directory === undefined ? context.directory : resolvePath(context.directory, written.directory),
    environment: plainVariables(environment),
    secrets: normaliseSecrets(environment, written.secrets ?? {}, context, at, problems),
    port,
    routes: [],
    volumes,
    health: normaliseHealth(written.health, { port, isWhole }, { up: at, key: 'health' }, problems),
    limits: {
      cpuCores: written.cpu ?? null,
      memoryBytes: normaliseMemory(written.memory, context, at, problems),
      pids: written.pids ?? null,
    },
    user: written.user ?? null,
    stop: {
      signal: written.stop?.signal ?? defaults.stopSignal,
      gracePeriodMs: written.stop?.gracePeriod ?? defaults.gracePeriodMs,
    },
    restart: normaliseRestart(written, scale, at, problems),
    update: normaliseUpdate(written, { scale, port, volumes }, at, problems),
    guarantee: written.guarantee ?? defaults.guarantee(scale.kind),
    protect: written.protect ?? false,
    logs: { maxBytes: written.logs?.maxSize ?? defaults.logBytes },
  }
  if (written.user !== undefined && !context.root) {
    problems.add('E_CONFIG_NEEDS_ROOT', { up: at, key: 'user' }, `only root can run a command as ${written.user}`, {
      allowed: 'no user, or Daruma run as root',
    })
  }
  for (const key of ['cpu', 'memory', 'pids'] as const) {
    if (written[key] === undefined || context.root) continue
    problems.add('E_CONFIG_NEEDS_ROOT', { up: at, key }, `only root can limit ${key}`, {
      allowed: `no ${key}, or Daruma run as root`,
    })
  }
  return { service, after: written.after ?? [], at, isSound: problems.count === before }
}

const kinds = ['replicas', 'singleton', 'job'] as const

function normaliseScale(written: WrittenService, at: Place, problems: ProblemList): Scale {
  const said = kinds.filter((kind) => written[kind] !== undefined)
  if (said.length > 1) {
    const last = said.at(-1)!
    const message = `${said.join(' and ')} stand side by side`
    problems.add('E_CONFIG_CONFLICT', { up: at, key: last }, message, { allowed: 'at most one of replicas, singleton, job' })
  }
  if (written.singleton === true) return { kind: 'singleton' }
  if (written.job === true) return { kind: 'job' }
  return { kind: 'replicas', count: written.replicas ?? 1 }
}

function defaultPort(scale: Scale): PortRequest {
  return defaults.port(scale.kind) === 'auto' ? { kind: 'auto' } : { kind: 'none' }
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
  context: ConfigContext,
  at: Place,
  problems: ProblemList,
): readonly VolumeMount[] {
  for (const { name, target } of volumes) {
    if (target === null || context.root) continue
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

/** A program given by a relative path (`./get-secret`) stands beside the config, like a file. */
function resolveSource(source: SecretSource, { directory }: ConfigContext): SecretSource {
  if (source.from === 'file') return { from: 'file', path: resolvePath(directory, source.path) }
  const program = source.from === 'command' ? source.command[0] : undefined
  if (source.from !== 'command' || program === undefined || !program.startsWith('.')) return source
  return { from: 'command', command: [resolvePath(directory, program), ...source.command.slice(1)] }
}

function normaliseMemory(
  memoryBytes: number | undefined,
  context: ConfigContext,
  at: Place,
  problems: ProblemList,
): number | null {
  if (memoryBytes === undefined || memoryBytes <= context.hostMemoryBytes) return memoryBytes ?? null
  const has = formatSize(Math.floor(context.hostMemoryBytes / 1024 ** 2) * 1024 ** 2)
  problems.add('E_CONFIG_MEMORY', { up: at, key: 'memory' }, `${formatSize(memoryBytes)} is more than this machine has`, {
    allowed: `at most ${has}`,
  })
  return memoryBytes
}

function normaliseRestart(written: WrittenService, scale: Scale, at: Place, problems: ProblemList): RestartPolicy {
  const restart = written.restart ?? {}
  const policy = restart.policy ?? defaults.restartPolicy(scale.kind)
  const delayMs = restart.delay ?? defaults.restartDelayMs
  const maxDelayMs = restart.maxDelay ?? Math.max(delayMs, defaults.restartMaxDelayMs)
  const place: Place = { up: at, key: 'restart' }
  if (scale.kind === 'job' && policy === 'always') {
    const message = 'a job that is always started again never ends'
    problems.add('E_CONFIG_CONFLICT', place, message, { allowed: "'on-failure' or 'no'", suggestion: "'on-failure'" })
  }
  if (maxDelayMs < delayMs) {
    problems.add('E_CONFIG_CONFLICT', { up: place, key: 'maxDelay' }, 'maxDelay is shorter than delay', {
      allowed: 'maxDelay of at least delay',
    })
  }
  return {
    policy,
    delayMs,
    maxDelayMs,
    resetAfterMs: restart.resetAfter ?? defaults.restartResetAfterMs,
    budget: restart.budget ?? defaults.restartBudget,
  }
}

function normaliseUpdate(
  written: WrittenService,
  service: { readonly scale: Scale; readonly port: PortRequest; readonly volumes: readonly VolumeMount[] },
  at: Place,
  problems: ProblemList,
): UpdatePolicy {
  const { scale, port, volumes } = service
  const order = defaults.updateOrder({ kind: scale.kind, hasVolumes: volumes.length > 0, hasFixedPort: port.kind === 'fixed' })
  if (written.update?.order === 'start-first' && order === 'stop-first') {
    const why =
      scale.kind === 'replicas'
        ? volumes.length > 0
          ? 'the old and the new instance would share a volume'
          : 'the old and the new instance would share a port'
        : `there would be two of a ${scale.kind}`
    problems.add('E_CONFIG_CONFLICT', { up: { up: at, key: 'update' }, key: 'order' }, `'start-first' is not possible: ${why}`, {
      allowed: "'stop-first'",
      suggestion: "'stop-first'",
    })
  }
  return {
    order: written.update?.order ?? order,
    deadlineMs: written.update?.deadline ?? defaults.updateDeadlineMs(scale.kind),
    minReadyMs: written.update?.minReady ?? defaults.minReadyMs,
    ...defaults.updatePace,
  }
}
