/**
 * A service as the fields that a person wrote, each as one short text: what two services are compared by when a plan gives its
 * reasons. The names are those of the config. Of a secret only its source is here; its digest is compared, never shown.
 */

import { formatDuration, formatSize } from '../model/quantity.ts'
import type { Check, Probe, Scale, SecretSource, Service } from '../model/service.ts'

/** Field → text; a field that is not set is absent. Every part of a service that can differ is in some field, digests apart. */
export function showFields(service: Service): ReadonlyMap<string, string> {
  const fields: (readonly [string, string | null])[] = [
    ['replicas', showScale(service.scale)],
    ['command', showCommand(service.command)],
    ['directory', quote(service.directory)],
    ...Object.entries(service.environment).map(([name, value]) => [`environment.${name}`, quote(value)] as const),
    ...Object.entries(service.secrets).map(([name, { source }]) => [`secrets.${name}`, showSource(source)] as const),
    ['port', service.port.kind === 'fixed' ? String(service.port.port) : service.port.kind],
    ...service.volumes.map(({ name, target }) => [`volumes.${name}`, target === null ? 'by variable' : quote(target)] as const),
    ...showProbe('startup', service.health.startup),
    ...showProbe('readiness', service.health.readiness),
    ...showProbe('liveness', service.health.liveness),
    ['health.startPeriod', formatDuration(service.health.startPeriodMs)],
    ['cpu', showNumber(service.limits.cpuCores)],
    ['memory', service.limits.memoryBytes === null ? null : formatSize(service.limits.memoryBytes)],
    ['pids', showNumber(service.limits.pids)],
    ['user', service.user === null ? null : quote(service.user)],
    ...service.after.map((dependency) => [`after.${dependency.service}`, dependency.condition] as const),
    ['stop.signal', service.stop.signal],
    ['stop.gracePeriod', formatDuration(service.stop.gracePeriodMs)],
    ['restart.policy', service.restart.policy],
    ['restart.delay', formatDuration(service.restart.delayMs)],
    ['restart.maxDelay', formatDuration(service.restart.maxDelayMs)],
    ['restart.resetAfter', formatDuration(service.restart.resetAfterMs)],
    ['restart.budget', String(service.restart.budget)],
    ['update.order', service.update.order],
    ['update.deadline', formatDuration(service.update.deadlineMs)],
    ['update.minReady', formatDuration(service.update.minReadyMs)],
    ['guarantee', service.guarantee],
    ['protect', String(service.protect)],
    ['logs.maxBytes', formatSize(service.logs.maxBytes)],
  ]
  return new Map(fields.filter((field): field is readonly [string, string] => field[1] !== null))
}

/** In one field, so that a change of kind is one reason: `replicas: 3 → singleton`. */
function showScale(scale: Scale): string {
  return scale.kind === 'replicas' ? String(scale.count) : scale.kind
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

function showProbe(name: string, probe: Probe | null): (readonly [string, string])[] {
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

const showNumber = (value: number | null): string | null => (value === null ? null : String(value))
const quote = (text: string): string => JSON.stringify(text)

const longestText = 72

/** At most some 70 characters of a text. */
export function shorten(text: string): string {
  return text.length <= longestText ? text : `${text.slice(0, longestText - 1).toWellFormed()}…`
}
