/**
 * A service as the fields that a person wrote, each as one short text: what two services are compared by when a plan gives its
 * reasons. The names are those of the config. Of a secret only its source is here; its digest is compared, never shown.
 */

import { formatDuration, formatSize } from '../model/quantity.ts'
import type { Check, Container, ImageSource, Probe, Route, Scale, SecretSource, Service, Tls } from '../model/service.ts'
import { nameOfRoute } from './transition.ts'

/** A field's name and text; null where it is not set. */
type Field = readonly [string, string | null]

type Part = Exclude<keyof Service, 'name'>

/** One row for each part of a service: the compiler asks for a new one when a part is added. */
const rows: { readonly [Key in Part]: (part: Service[Key]) => readonly Field[] } = {
  scale: (scale) => [['replicas', showScale(scale)], ...showSchedule(scale)],
  runs: (runs) => [
    ['command', runs.command === null ? null : showCommand(runs.command)],
    ...(runs.kind === 'container' ? showContainer(runs) : []),
    ['directory', runs.directory === null ? null : quote(runs.directory)],
    ['user', runs.user === null ? null : quote(runs.user)],
  ],
  environment: (environment) => Object.entries(environment).map(([name, value]) => [`environment.${name}`, quote(value)]),
  secrets: (secrets) => Object.entries(secrets).map(([name, { source }]) => [`secrets.${name}`, showSource(source)]),
  port: (port) => [['port', port.kind === 'fixed' ? String(port.port) : port.kind]],
  routes: (routes) => routes.flatMap(showRoute),
  volumes: (volumes) => volumes.map(({ name, target }) => [`volumes.${name}`, target === null ? 'by variable' : quote(target)]),
  health: ({ startup, readiness, liveness, startPeriodMs }) => [
    ...showProbe('startup', startup),
    ...showProbe('readiness', readiness),
    ...showProbe('liveness', liveness),
    ['health.startPeriod', formatDuration(startPeriodMs)],
  ],
  limits: ({ cpuCores, memoryBytes, pids }) => [
    ['cpu', cpuCores === null ? null : String(cpuCores)],
    ['memory', memoryBytes === null ? null : formatSize(memoryBytes)],
    ['pids', pids === null ? null : String(pids)],
  ],
  after: (after) => after.map((dependency) => [`after.${dependency.service}`, dependency.condition]),
  stop: ({ signal, gracePeriodMs }) => [
    ['stop.signal', signal],
    ['stop.gracePeriod', formatDuration(gracePeriodMs)],
  ],
  restart: ({ policy, delayMs, maxDelayMs, resetAfterMs, budget }) => [
    ['restart.policy', policy],
    ['restart.delay', formatDuration(delayMs)],
    ['restart.maxDelay', formatDuration(maxDelayMs)],
    ['restart.resetAfter', formatDuration(resetAfterMs)],
    ['restart.budget', String(budget)],
  ],
  update: ({ order, deadlineMs, minReadyMs, surge, parallel, pauseMs, minHealthy, drainMs, canary }) => [
    ['update.order', order],
    ['update.deadline', formatDuration(deadlineMs)],
    ['update.minReady', formatDuration(minReadyMs)],
    ['update.surge', String(surge)],
    ['update.parallel', String(parallel)],
    ['update.pause', formatDuration(pauseMs)],
    ['update.minHealthy', minHealthy === null ? null : String(minHealthy)],
    ['update.drain', formatDuration(drainMs)],
    [
      'update.canary',
      canary === null ? null : `${canary.share} for ${formatDuration(canary.forMs)}, error rate ${canary.errorRate}`,
    ],
  ],
  guarantee: (guarantee) => [['guarantee', guarantee]],
  protect: (protect) => [['protect', String(protect)]],
  logs: ({ maxBytes }) => [['logs.maxBytes', formatSize(maxBytes)]],
}

export const parts: readonly Part[] = Object.keys(rows) as Part[]

/** Field → text of one part; a field that is not set is absent. */
export function showPart<Key extends Part>(service: Service, part: Key): ReadonlyMap<string, string> {
  return new Map(rows[part](service[part]).filter((field): field is readonly [string, string] => field[1] !== null))
}

/** In one field, so that a change of kind is one reason: `replicas: 3 → singleton`. */
function showScale(scale: Scale): string {
  return scale.kind === 'replicas' ? String(scale.count) : scale.kind
}

function showSchedule(scale: Scale): readonly Field[] {
  if (scale.kind !== 'schedule') return []
  const { cron, timezone, missed, overlap, timeoutMs, retries, retryLost, keep } = scale.schedule
  return [
    ['schedule', quote(cron)],
    ['schedule.timezone', timezone],
    ['schedule.missed', missed],
    ['schedule.overlap', overlap],
    ['schedule.timeout', timeoutMs === null ? null : formatDuration(timeoutMs)],
    ['schedule.retries', String(retries)],
    ['schedule.retryLost', String(retryLost)],
    ['schedule.keep', String(keep)],
  ]
}

function showContainer({ image, pull, registry, port, readOnly, capabilities, network }: Container): readonly Field[] {
  return [
    ['image', showImage(image)],
    ['pull', pull],
    ['registry.username', registry === null ? null : quote(registry.username)],
    ['registry.password', registry === null ? null : showSource(registry.password.source)],
    ['containerPort', port === null ? null : String(port)],
    ['readOnly', String(readOnly)],
    ['capabilities', capabilities.length === 0 ? null : capabilities.join(', ')],
    ['network', network],
  ]
}

/** The digest comes before the paths, which are long and the same: what differs must be seen. */
function showImage(image: ImageSource): string {
  if (image.from === 'registry') return image.reference
  const digest = showDigest(image.digest)
  if (image.from === 'archive') return `archive${digest} ${quote(image.path)}`
  return `build${digest} of ${quote(image.context)} by ${quote(image.file)}`
}

const showDigest = (digest: string | null): string => (digest === null ? '' : ` ${digest.slice(0, 12)}`)

function showRoute({ to, path, tls, proxyProtocol, idempotent }: Route): readonly Field[] {
  const name = `route ${nameOfRoute({ to, path })}`
  const flags = [
    proxyProtocol.accept ? 'accepts PROXY' : '',
    proxyProtocol.send ? 'sends PROXY' : '',
    idempotent ? 'idempotent' : '',
  ]
  const protocol = to.kind === 'port' ? to.protocol : 'http'
  return [[name, [protocol, showTls(tls), ...flags].filter((word) => word !== '').join(', ')]]
}

function showTls(tls: Tls): string {
  if (tls.kind === 'none') return ''
  if (tls.kind === 'automatic') return 'automatic TLS'
  return `TLS${showDigest(tls.digest)} by ${quote(tls.certificate)} and ${quote(tls.key)}`
}

/** A command that was written as a string is shown as one. */
function showCommand(command: readonly string[]): string {
  const [shell, flag, text, ...rest] = command
  return shell === '/bin/sh' && flag === '-c' && text !== undefined && rest.length === 0 ? quote(text) : JSON.stringify(command)
}

function showSource(source: SecretSource): string {
  switch (source.from) {
    case 'environment':
      return `from environment ${source.name}`
    case 'file':
      return `from file ${quote(source.path)}`
    case 'command':
      return `from command ${JSON.stringify(source.command)}`
  }
}

function showProbe(name: string, probe: Probe | null): readonly Field[] {
  if (probe === null) return []
  return [
    [`health.${name}`, showCheck(probe.check)],
    [`health.${name}.interval`, formatDuration(probe.intervalMs)],
    [`health.${name}.timeout`, formatDuration(probe.timeoutMs)],
    [`health.${name}.retries`, String(probe.retries)],
  ]
}

function showCheck(check: Check): string {
  if (check.kind === 'exec') return `exec ${JSON.stringify(check.command)}`
  const port = check.port === null ? '' : ` port ${check.port}`
  if (check.kind === 'tcp') return `tcp${port}`
  return `http ${quote(check.path)}${port}${check.host === null ? '' : ` host ${quote(check.host)}`}`
}

const quote = (text: string): string => JSON.stringify(text)

const longestText = 72

/** At most some 70 characters of a text. */
export function shorten(text: string): string {
  return text.length <= longestText ? text : `${text.slice(0, longestText - 1).toWellFormed()}…`
}
