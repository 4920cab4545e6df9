/** What the daemon accepts, said once: the compiler holds each schema against the type in `api.ts` that it stands for. */

import type { ServiceName } from '../core/model/id.ts'
import type {
  BalancerSettings,
  Canary,
  Check,
  Container,
  Process,
  Runs,
  ImageSource,
  Probe,
  Project,
  Route,
  Scale,
  Schedule,
  SecretReference,
  SecretSource,
  Service,
  SignalName,
  PortRequest,
  Tls,
} from '../core/model/service.ts'
import type { ExecRequest, OperationRequest, PageRequest, PlanRequest, PromoteRequest, Requester, SecretValues } from './api.ts'
import { exactly, integer, list, number, object, oneOf, orNull, record, text, truth } from './shape.ts'
import type { Shape } from './shape.ts'

const name = text as Shape<ServiceName>

const schedule: Shape<Schedule> = object<Schedule>({
  cron: text,
  timezone: text,
  missed: exactly('run-once', 'skip'),
  overlap: exactly('forbid', 'queue', 'replace'),
  timeoutMs: orNull(number),
  retries: integer,
  retryLost: truth,
  keep: integer,
})

const scale: Shape<Scale> = oneOf<Scale>('kind', {
  replicas: object<Extract<Scale, { kind: 'replicas' }>>({ kind: exactly('replicas'), count: integer }),
  singleton: object<Extract<Scale, { kind: 'singleton' }>>({ kind: exactly('singleton') }),
  job: object<Extract<Scale, { kind: 'job' }>>({ kind: exactly('job') }),
  schedule: object<Extract<Scale, { kind: 'schedule' }>>({ kind: exactly('schedule'), schedule }),
})

const secretSource: Shape<SecretSource> = oneOf<SecretSource>('from', {
  environment: object<Extract<SecretSource, { from: 'environment' }>>({ from: exactly('environment'), name: text }),
  file: object<Extract<SecretSource, { from: 'file' }>>({ from: exactly('file'), path: text }),
  command: object<Extract<SecretSource, { from: 'command' }>>({ from: exactly('command'), command: list(text) }),
})

const secret: Shape<SecretReference> = object<SecretReference>({ source: secretSource, digest: orNull(text) })

const image: Shape<ImageSource> = oneOf<ImageSource>('from', {
  registry: object<Extract<ImageSource, { from: 'registry' }>>({ from: exactly('registry'), reference: text }),
  archive: object<Extract<ImageSource, { from: 'archive' }>>({ from: exactly('archive'), path: text, digest: orNull(text) }),
  build: object<Extract<ImageSource, { from: 'build' }>>({
    from: exactly('build'),
    context: text,
    file: text,
    digest: orNull(text),
  }),
})

const container: Shape<Container> = object<Container>({
  kind: exactly('container'),
  image,
  pull: exactly('missing', 'always', 'never'),
  registry: orNull(object<NonNullable<Container['registry']>>({ username: text, password: secret })),
  port: orNull(integer),
  readOnly: truth,
  capabilities: list(text),
  network: exactly('bridge', 'host', 'none'),
  command: orNull(list(text)),
  directory: orNull(text),
  user: orNull(text),
})

const process: Shape<Process> = object<Process>({
  kind: exactly('process'),
  command: list(text),
  directory: text,
  user: orNull(text),
})

const tls: Shape<Tls> = oneOf<Tls>('kind', {
  none: object<Extract<Tls, { kind: 'none' }>>({ kind: exactly('none') }),
  files: object<Extract<Tls, { kind: 'files' }>>({ kind: exactly('files'), certificate: text, key: text, digest: orNull(text) }),
  automatic: object<Extract<Tls, { kind: 'automatic' }>>({ kind: exactly('automatic') }),
})

const route: Shape<Route> = object<Route>({
  to: oneOf<Route['to']>('kind', {
    domain: object<Extract<Route['to'], { kind: 'domain' }>>({ kind: exactly('domain'), domain: text }),
    port: object<Extract<Route['to'], { kind: 'port' }>>({
      kind: exactly('port'),
      port: integer,
      protocol: exactly('http', 'tcp'),
    }),
  }),
  path: text,
  tls,
  proxyProtocol: object<Route['proxyProtocol']>({ accept: truth, send: truth }),
  idempotent: truth,
})

const port: Shape<PortRequest> = oneOf<PortRequest>('kind', {
  none: object<Extract<PortRequest, { kind: 'none' }>>({ kind: exactly('none') }),
  auto: object<Extract<PortRequest, { kind: 'auto' }>>({ kind: exactly('auto') }),
  fixed: object<Extract<PortRequest, { kind: 'fixed' }>>({ kind: exactly('fixed'), port: integer }),
})

const check: Shape<Check> = oneOf<Check>('kind', {
  http: object<Extract<Check, { kind: 'http' }>>({
    kind: exactly('http'),
    path: text,
    port: orNull(integer),
    host: orNull(text),
  }),
  tcp: object<Extract<Check, { kind: 'tcp' }>>({ kind: exactly('tcp'), port: orNull(integer) }),
  exec: object<Extract<Check, { kind: 'exec' }>>({ kind: exactly('exec'), command: list(text) }),
})

const probe: Shape<Probe> = object<Probe>({ check, intervalMs: number, timeoutMs: number, retries: integer })

const signal: Shape<SignalName> = exactly('SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGKILL', 'SIGWINCH')

const service: Shape<Service> = object<Service>({
  name,
  scale,
  runs: oneOf<Runs>('kind', { process, container }),
  environment: record(text),
  secrets: record(secret),
  port,
  routes: list(route),
  volumes: list(object<Service['volumes'][number]>({ name: text, target: orNull(text) })),
  health: object<Service['health']>({
    startup: orNull(probe),
    readiness: orNull(probe),
    liveness: orNull(probe),
    startPeriodMs: number,
  }),
  limits: object<Service['limits']>({ cpuCores: orNull(number), memoryBytes: orNull(integer), pids: orNull(integer) }),
  after: list(object<Service['after'][number]>({ service: name, condition: exactly('started', 'healthy', 'completed') })),
  stop: object<Service['stop']>({ signal, gracePeriodMs: number }),
  restart: object<Service['restart']>({
    policy: exactly('always', 'on-failure', 'no'),
    delayMs: number,
    maxDelayMs: number,
    resetAfterMs: number,
    budget: integer,
  }),
  update: object<Service['update']>({
    order: exactly('start-first', 'stop-first'),
    deadlineMs: number,
    minReadyMs: number,
    surge: integer,
    parallel: integer,
    pauseMs: number,
    minHealthy: orNull(integer),
    drainMs: number,
    canary: orNull(object<Canary>({ share: number, forMs: number, errorRate: number })),
  }),
  guarantee: exactly('strict', 'available'),
  protect: truth,
  logs: object<Service['logs']>({ maxBytes: integer }),
})

const balancer: Shape<BalancerSettings> = object<BalancerSettings>({
  program: exactly('auto', 'haproxy', 'embedded'),
  address: text,
  httpPort: integer,
  httpsPort: integer,
  accessLog: truth,
  limits: object<BalancerSettings['limits']>({
    connections: integer,
    headerBytes: integer,
    bodyBytes: orNull(integer),
    headerTimeoutMs: number,
    idleTimeoutMs: number,
    tunnelTimeoutMs: number,
  }),
  acme: orNull(object<NonNullable<BalancerSettings['acme']>>({ directory: text, email: orNull(text), caFile: orNull(text) })),
})

const project: Shape<Project> = object<Project>({ name: text, stage: orNull(text), balancer, services: list(service) })

const secrets: Shape<SecretValues> = record(record(text))

const only: Shape<readonly string[] | null> = orNull(list(text))

const by: Shape<Requester> = object<Requester>({ pid: integer, user: text, command: text, file: orNull(text) })

type Kind<Name extends OperationRequest['kind']> = Extract<OperationRequest, { readonly kind: Name }>

/** One schema for three kinds that differ in nothing else. */
const override: Shape<Kind<'restart' | 'stop' | 'start'>> = object<Kind<'restart' | 'stop' | 'start'>>({
  by,
  kind: exactly('restart', 'stop', 'start'),
  services: list(text),
})

export const operationRequest: Shape<OperationRequest> = oneOf<OperationRequest>('kind', {
  apply: object<Kind<'apply'>>({ by, kind: exactly('apply'), project, secrets, base: integer, fingerprint: orNull(text), only }),
  rollback: object<Kind<'rollback'>>({ by, kind: exactly('rollback'), revision: integer }),
  scale: object<Kind<'scale'>>({ by, kind: exactly('scale'), service: text, replicas: integer }),
  restart: override,
  stop: override,
  start: override,
  down: object<Kind<'down'>>({ by, kind: exactly('down') }),
})

export const planRequest: Shape<PlanRequest> = object<PlanRequest>({ project, secrets, isRollback: truth, only })

export const promoteRequest: Shape<PromoteRequest> = object<PromoteRequest>({ services: list(text) })

export const execRequest: Shape<ExecRequest> = object<ExecRequest>({ target: text, command: list(text) })

export const pageRequest: Shape<PageRequest> = object<PageRequest>({ port: orNull(integer) })
