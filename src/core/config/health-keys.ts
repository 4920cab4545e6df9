/**
 * The keys of `health`. It has a short form (one check and its numbers, used for readiness and liveness alike) and a long one
 * (Kubernetes' three probes); both are read by one table, and mixing them is refused when the forms are told apart.
 */

import type { Check } from '../model/service.ts'
import { formatDuration } from '../model/quantity.ts'
import * as defaults from './defaults.ts'
import { type KeyTable, objectBy } from './key-table.ts'
import { command, duration, isPlainObject, type Reader, refuseType, refuseValue, text, wholeNumber } from './reader.ts'
import { quote } from './show.ts'

type HttpCheck = Extract<Check, { readonly kind: 'http' }>
type TcpCheck = Extract<Check, { readonly kind: 'tcp' }>

interface WrittenHttp {
  readonly path?: string
  readonly port?: number
  readonly host?: string
}

export interface WrittenProbe {
  readonly http?: HttpCheck
  readonly tcp?: TcpCheck
  readonly exec?: readonly string[]
  readonly interval?: number
  readonly timeout?: number
  readonly retries?: number
}

export interface WrittenHealth extends WrittenProbe {
  readonly startPeriod?: number
  readonly startup?: WrittenProbe
  readonly readiness?: WrittenProbe
  readonly liveness?: WrittenProbe
}

export const portNumber: Reader<number> = wholeNumber({ from: 1, to: 65_535 })

const httpPath = text("a path such as '/healthz'", { longest: 2000, pattern: /^\/[\x21-\x7e]*$/ })

export const httpKeys: KeyTable<WrittenHttp> = {
  path: {
    reader: httpPath,
    default: 'required',
    prose: 'The path that is fetched; a status from 200 to 399 is success.',
    example: "'/healthz'",
  },
  port: { reader: portNumber, default: "the instance's own `PORT`", prose: 'The port that is asked.', example: '9090' },
  host: {
    reader: text('a host name or an address', { longest: 253, pattern: /^[A-Za-z0-9.:_-]+$/ }),
    default: "`'127.0.0.1'`",
    prose: 'The host that is asked.',
    example: "'127.0.0.1'",
  },
}

const httpObject = objectBy('http check', httpKeys)

const http: Reader<HttpCheck> = {
  accepts: "a path such as '/healthz', or { path, port, host }",
  read(value, at, problems) {
    if (typeof value === 'string') {
      if (/^\/[\x21-\x7e]*$/.test(value) && value.length <= 2000) return { kind: 'http', path: value, port: null, host: null }
      return refuseValue(value, this.accepts, at, problems, likelyPath(value))
    }
    if (!isPlainObject(value)) return refuseType(value, this.accepts, at, problems)
    const written = httpObject.read(value, at, problems)
    if (written?.path !== undefined)
      return { kind: 'http', path: written.path, port: written.port ?? null, host: written.host ?? null }
    if (value['path'] === undefined)
      problems.add('E_CONFIG_REQUIRED', at, 'the http check has no path', { allowed: httpPath.accepts })
    return undefined
  },
}

/** Of a whole URL the path is meant; of a word, the same with a slash before it. */
function likelyPath(value: string): string | null {
  const path = /^https?:\/\/[^/]*(\/[\x21-\x7e]*)?$/.exec(value)
  if (path !== null) return quote(path[1] ?? '/')
  return /^[\w./-]{1,80}$/.test(value) ? quote(`/${value}`) : null
}

const tcp: Reader<TcpCheck> = {
  accepts: "true (the instance's own PORT), or a port from 1 to 65535",
  read(value, at, problems) {
    if (value === true) return { kind: 'tcp', port: null }
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535) return { kind: 'tcp', port: value }
    return typeof value === 'number'
      ? refuseValue(value, this.accepts, at, problems)
      : refuseType(value, this.accepts, at, problems)
  },
}

export const probeKeys: KeyTable<WrittenProbe> = {
  http: {
    reader: http,
    default: 'none',
    prose: 'Succeeds when a GET is answered with a status from 200 to 399.',
    example: "'/healthz'",
  },
  tcp: { reader: tcp, default: 'none', prose: 'Succeeds when the port accepts a connection.', example: 'true' },
  exec: {
    reader: command,
    default: 'none',
    prose: 'Succeeds when the command, run inside the instance, ends with exit code 0.',
    example: "['pg_isready', '-q']",
  },
  interval: {
    reader: duration({ from: 100, to: 86_400_000 }),
    default: quoteDuration(defaults.probeIntervalMs),
    prose: 'The time between two checks.',
    example: "'5s'",
  },
  timeout: {
    reader: duration({ from: 10, to: 3_600_000 }),
    default: quoteDuration(defaults.probeTimeoutMs),
    prose: 'A check that takes longer has failed.',
    example: "'2s'",
  },
  retries: {
    reader: wholeNumber({ from: 1, to: 1000 }),
    default: `\`${defaults.probeRetries}\``,
    prose: 'Failures in a row that change the verdict.',
    example: '5',
  },
}

const probe = objectBy('probe', probeKeys)

export const healthKeys: KeyTable<WrittenHealth> = {
  ...probeKeys,
  retries: {
    ...probeKeys.retries,
    prose: `Failures in a row after which the instance is not ready; after ${defaults.livenessRetriesFactor} times as many it is ended and started anew.`,
  },
  startPeriod: {
    reader: duration({ from: 100 }),
    default: quoteDuration(defaults.startPeriodMs),
    prose: 'How long an instance may take until its first success; after that it is ended as never healthy.',
    example: "'2m'",
  },
  startup: {
    reader: probe,
    default: 'none',
    prose: 'Until this probe has succeeded once, the other two do not count.',
    example: "{ http: '/started', interval: '500ms' }",
  },
  readiness: {
    reader: probe,
    default: 'none',
    prose: 'While this probe fails, the instance is not ready.',
    example: "{ http: '/ready' }",
  },
  liveness: {
    reader: probe,
    default: 'none',
    prose: 'When this probe has failed `retries` times in a row, the instance is ended and started anew.',
    example: '{ tcp: true, retries: 10 }',
  },
}

export const health: Reader<WrittenHealth> = objectBy('health', healthKeys)

function quoteDuration(durationMs: number): string {
  return `\`'${formatDuration(durationMs)}'\``
}
