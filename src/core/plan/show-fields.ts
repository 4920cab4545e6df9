/**
 * A service as the fields that a person wrote, each as one short text: what two services are compared by when a plan gives its
 * reasons. The names are those of the config. Of a secret only its source is here; its digest is compared, never shown.
 */

import { formatDuration, formatSize } from '../model/quantity.ts'
import type { Check, Probe, Scale, SecretSource, Service } from '../model/service.ts'

/** A field's name and text; null where it is not set. */
type Field = readonly [string, string | null]

type Part = Exclude<keyof Service, 'name'>

/** One row for each part of a service: the compiler asks for a new one when a part is added. */
const rows: { readonly [Key in Part]: (part: Service[Key]) => readonly Field[] } = {
  scale: (scale) => [['replicas', showScale(scale)]],
  command: (command) => [['command', showCommand(command)]],
  directory: (directory) => [['directory', quote(directory)]],
  environment: (environment) => Object.entries(environment).map(([name, value]) => [`environment.${name}`, quote(value)]),
  secrets: (secrets) => Object.entries(secrets).map(([name, { source }]) => [`secrets.${name}`, showSource(source)]),
  port: (port) => [['port', port.kind === 'fixed' ? String(port.port) : port.kind]],
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
  user: (user) => [['user', user === null ? null : quote(user)]],
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
  update: ({ order, deadlineMs, minReadyMs }) => [
    ['update.order', order],
    ['update.deadline', formatDuration(deadlineMs)],
    ['update.minReady', formatDuration(minReadyMs)],
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
