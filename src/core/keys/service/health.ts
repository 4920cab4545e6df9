/**
 * `health`: how to tell that an instance is ready and alive. It has a short form (one check and its numbers, used for readiness and
 * liveness alike) and a long one (Kubernetes' three probes); both are read by one table, and the normaliser tells them apart.
 */

import { duration, wholeNumber } from '../../values/amounts.ts'
import { command } from '../../values/command.ts'
import { text } from '../../values/scalars.ts'
import { anyInteger, anyText, exactly, listOf, objectOf, orNull, type Shape, unionBy } from '../../values/shape.ts'
import { quote } from '../../values/show.ts'
import { isPlainObject, type Reader, refuseType, refuseValue } from '../../values/value-type.ts'
import {
  type Field,
  type Group,
  group,
  type Keys,
  objectBy,
  type Part,
  shapesOf,
  type WrittenKeys,
  type WrittenOf,
} from '../key.ts'

/** Where a port is null, the instance's own `PORT` is probed. */
export type Check =
  | { readonly kind: 'http'; readonly path: string; readonly port: number | null; readonly host: string | null }
  | { readonly kind: 'tcp'; readonly port: number | null }
  | { readonly kind: 'exec'; readonly command: readonly string[] }

export interface ProbeNumbers {
  readonly intervalMs: number
  readonly timeoutMs: number
  /** Failures in a row that change the verdict. */
  readonly retries: number
}

export interface Probe extends ProbeNumbers {
  readonly check: Check
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

type HttpCheck = Extract<Check, { readonly kind: 'http' }>
type TcpCheck = Extract<Check, { readonly kind: 'tcp' }>
type ExecCheck = Extract<Check, { readonly kind: 'exec' }>

interface WrittenHttp {
  readonly path?: string
  readonly port?: number
  readonly host?: string
}

export interface WrittenProbe extends WrittenOf<ProbeNumbers> {
  readonly http?: HttpCheck
  readonly tcp?: TcpCheck
  readonly exec?: readonly string[]
}

export interface WrittenHealth extends WrittenProbe {
  readonly startPeriodMs?: number
  readonly startup?: WrittenProbe
  readonly readiness?: WrittenProbe
  readonly liveness?: WrittenProbe
}

/** Readiness takes an instance out of use, liveness ends it: the shorthand asks for more proof before it kills. */
export const livenessRetriesFactor: number = 3

const httpPath = text("a path such as '/healthz'", { longest: 2000, pattern: /^\/[\x21-\x7e]*$/ })

export const httpKeys: WrittenKeys<WrittenHttp> = {
  path: {
    type: httpPath,
    prose: 'The path that is fetched; a status from 200 to 399 is success.',
    example: "'/healthz'",
  },
  port: {
    type: wholeNumber({ from: 1, to: 65_535 }),
    defaultWords: "the instance's own `PORT`",
    prose: 'The port that is asked.',
    example: '9090',
  },
  host: {
    type: text('a host name or an address', { longest: 253, pattern: /^[A-Za-z0-9.:_-]+$/ }),
    defaultWords: "`'127.0.0.1'`",
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

export const probeNumbers: Group<ProbeNumbers> = group<ProbeNumbers>('probe', {
  intervalMs: {
    key: 'interval',
    type: duration({ from: 100, to: 86_400_000 }),
    default: 1000,
    prose: 'The time between two checks.',
    example: "'5s'",
  },
  timeoutMs: {
    key: 'timeout',
    type: duration({ from: 10, to: 3_600_000 }),
    // One that answers more slowly than this is not fit for a request.
    default: 1000,
    prose: 'A check that takes longer has failed.',
    example: "'2s'",
  },
  retries: {
    type: wholeNumber({ from: 1, to: 1000 }),
    default: 3,
    prose: 'Failures in a row that change the verdict.',
    example: '5',
  },
})

export const probeKeys: WrittenKeys<WrittenProbe> = {
  http: {
    type: http,
    defaultWords: 'none',
    prose: 'Succeeds when a GET is answered with a status from 200 to 399.',
    example: "'/healthz'",
  },
  tcp: { type: tcp, defaultWords: 'none', prose: 'Succeeds when the port accepts a connection.', example: 'true' },
  exec: {
    type: command,
    defaultWords: 'none',
    prose: 'Succeeds when the command, run inside the instance, ends with exit code 0.',
    example: "['pg_isready', '-q']",
  },
  ...probeNumbers.keys,
}

const probe = objectBy('probe', probeKeys)

const startPeriod: Keys<Pick<Health, 'startPeriodMs'>> = {
  startPeriodMs: {
    key: 'startPeriod',
    type: duration({ from: 100 }),
    default: 60_000,
    prose: 'How long an instance may take until its first success; after that it is ended as never healthy.',
    example: "'2m'",
  },
}

export const healthKeys: WrittenKeys<WrittenHealth> = {
  ...probeKeys,
  retries: {
    ...probeKeys.retries,
    prose: `Failures in a row after which the instance is not ready; after ${livenessRetriesFactor} times as many it is ended and restarted.`,
  },
  ...startPeriod,
  startup: {
    type: probe,
    defaultWords: 'none',
    prose: 'Until this probe has succeeded once, the other two do not count.',
    example: "{ http: '/started', interval: '500ms' }",
  },
  readiness: {
    type: probe,
    defaultWords: 'none',
    prose: 'While this probe fails, the instance is not ready.',
    example: "{ http: '/ready' }",
  },
  liveness: {
    type: probe,
    defaultWords: 'none',
    prose: 'When this probe has failed `retries` times in a row, the instance is ended and restarted.',
    example: '{ tcp: true, retries: 10 }',
  },
}

export const readHealth: Reader<WrittenHealth> = objectBy('health', healthKeys)

export const noHealth: Health = {
  startup: null,
  readiness: null,
  liveness: null,
  startPeriodMs: startPeriod.startPeriodMs.default ?? 0,
}

const check: Shape<Check> = unionBy<Check>('kind', {
  http: objectOf<HttpCheck>({ kind: exactly('http'), path: anyText, port: orNull(anyInteger), host: orNull(anyText) }),
  tcp: objectOf<TcpCheck>({ kind: exactly('tcp'), port: orNull(anyInteger) }),
  exec: objectOf<ExecCheck>({ kind: exactly('exec'), command: listOf(anyText) }),
})

const probeShape: Shape<Probe> = objectOf<Probe>({
  check,
  ...shapesOf(probeNumbers.keys),
})

const probeNames = ['startup', 'readiness', 'liveness'] as const

export const health: Part<Health> = {
  shape: objectOf<Health>({
    startup: orNull(probeShape),
    readiness: orNull(probeShape),
    liveness: orNull(probeShape),
    startPeriodMs: startPeriod.startPeriodMs.type.shape,
  }),
  fields: (value, prefix) => [
    ...probeNames.flatMap((name): readonly Field[] => {
      const one = value[name]
      const shown = `${prefix}health.${name}`
      return one === null ? [] : [[shown, showCheck(one.check)], ...probeNumbers.fields(one, `${shown}.`)]
    }),
    [`${prefix}health.startPeriod`, startPeriod.startPeriodMs.type.show(value.startPeriodMs)],
  ],
  complete(recorded) {
    const news = probeNames.flatMap((name) => {
      const one = recorded[name]
      const whole = one === null ? null : (probeNumbers.complete(one) as Probe)
      return whole === one ? [] : [[name, whole] as const]
    })
    return news.length === 0 ? recorded : { ...recorded, ...Object.fromEntries(news) }
  },
}

function showCheck(one: Check): string {
  if (one.kind === 'exec') return `exec ${JSON.stringify(one.command)}`
  const port = one.port === null ? '' : ` port ${one.port}`
  if (one.kind === 'tcp') return `tcp${port}`
  return `http ${JSON.stringify(one.path)}${port}${one.host === null ? '' : ` host ${JSON.stringify(one.host)}`}`
}
