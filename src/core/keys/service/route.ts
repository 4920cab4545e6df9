/**
 * `route`: how requests from outside reach the instances. One route may be written as its domain or its port alone, and several as an
 * array. What a route needs of its service and of the other routes is looked at by the normaliser.
 */

import { wholeNumber } from '../../values/amounts.ts'
import type { Place } from '../../values/problem-list.ts'
import { boolean, oneOf, text } from '../../values/scalars.ts'
import { anyInteger, anyText, exactly, listOf, objectOf, orNull, type Shape, unionBy } from '../../values/shape.ts'
import { quote } from '../../values/show.ts'
import { isPlainObject, type Reader, refuseType, refuseValue, type ValueType, valueType } from '../../values/value-type.ts'
import { asOne, type Group, group, objectBy, type Part, shapesOf, type WrittenKeys, type WrittenOf } from '../key.ts'

export type Tls =
  | { readonly kind: 'none' }
  /** PEM files. `digest` is of both files' content; null until they have been read. */
  | { readonly kind: 'files'; readonly certificate: string; readonly key: string; readonly digest: string | null }
  /** By ACME. */
  | { readonly kind: 'automatic' }

/** Whether clients speak the PROXY protocol to us, and whether we speak it (version 2) to the instances. */
export interface ProxyProtocol {
  readonly accept: boolean
  readonly send: boolean
}

/** What of a route is recorded as it is written: a row of {@link routeSettings} each. */
export interface RouteSettings {
  /** The beginning of the path, by whole segments; `/` is every path (and the only one for `tcp`). */
  readonly path: string
  /** Whether any request may be sent again when an instance dies with it, a POST too. */
  readonly idempotent: boolean
  readonly proxyProtocol: ProxyProtocol
}

/** How requests reach a service. Several routes may share a domain (with other paths) but never the same domain and path. */
export interface Route extends RouteSettings {
  readonly to:
    | { readonly kind: 'domain'; readonly domain: string }
    | { readonly kind: 'port'; readonly port: number; readonly protocol: 'http' | 'tcp' }
  readonly tls: Tls
}

export type WrittenTls = 'none' | 'auto' | { readonly certificate: string; readonly key: string }

export interface WrittenRoute extends WrittenOf<Omit<RouteSettings, 'proxyProtocol'>> {
  readonly domain?: string
  readonly port?: number
  readonly protocol?: 'http' | 'tcp'
  readonly tls?: WrittenTls
  readonly proxyProtocol?: WrittenOf<ProxyProtocol>
}

/** A route, and where it stands. */
export interface PlacedRoute {
  readonly written: WrittenRoute
  readonly at: Place
}

interface WrittenTlsFiles {
  readonly certificate?: string
  readonly key?: string
}

const domainNoun = "a domain such as 'shop.example.com', or '*.example.com' for all below one"
const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
/** RFC 1123, section 2.1; the last label is not all digits, so that no address passes for a name. */
const domainPattern = new RegExp(`^(?:\\*\\.)?(?:${label}\\.)*(?!\\d+$)${label}$`)

const isDomain = (text: string): boolean => text.length <= 253 && domainPattern.test(text)

/** In lower case, as host names are compared. */
const domain: Reader<string> = {
  accepts: domainNoun,
  read(value, at, problems) {
    if (typeof value !== 'string') return refuseType(value, domainNoun, at, problems)
    const lower = value.toLowerCase()
    if (isDomain(lower)) return lower
    if (!/^[\u0000-\u007f]*$/.test(value)) {
      problems.add('E_CONFIG_VALUE', at, `${quote(value)} has letters that are not ASCII`, {
        allowed: "the name as it stands in DNS (punycode), such as 'xn--bcher-kva.example' for bücher.example",
      })
      return undefined
    }
    const tidy = lower
      .trim()
      .replace(/^[a-z]+:\/\//, '')
      .replace(/[/?#].*$/, '')
      .replace(/:\d+$/, '')
      .replace(/\.$/, '')
    return refuseValue(value, domainNoun, at, problems, isDomain(tidy) ? quote(tidy) : null)
  },
}

const pathNoun = "a path such as '/api', of letters, digits and ._~@:+=,-"
const pathPattern = /^(?:\/(?!\.{1,2}(?:\/|$))(?:[\w.~@:+=,-]|%[0-9A-Fa-f]{2})+)+$/

/** Without a slash at its end: it stands for whole segments. */
const path: Reader<string> = {
  accepts: pathNoun,
  read(value, at, problems) {
    if (typeof value !== 'string') return refuseType(value, pathNoun, at, problems)
    const trimmed = value === '/' ? value : value.replace(/\/$/, '')
    if (trimmed === '/' || (trimmed.length <= 1000 && pathPattern.test(trimmed))) return trimmed
    const tidy = `/${value.replace(/[?#].*$/, '').replaceAll(/\*+$/g, '')}`.replaceAll(/\/+/g, '/').replace(/(?<=.)\/$/, '')
    const isTidy = tidy === '/' || (tidy.length <= 1000 && pathPattern.test(tidy))
    return refuseValue(value, pathNoun, at, problems, isTidy ? quote(tidy) : null)
  },
}

const file = text('the path of a PEM file, absolute or from the folder of the config', { longest: 4096, pattern: /^[^~]/ })

export const tlsKeys: WrittenKeys<WrittenTlsFiles> = {
  certificate: {
    type: file,
    prose: 'The PEM file of the certificate and of those between it and its root.',
    example: "'./tls/shop.pem'",
  },
  key: { type: file, prose: 'The PEM file of its private key.', example: "'./tls/shop.key'" },
}

const tlsObject = objectBy('tls', tlsKeys)
const tlsNoun = "false, 'auto', or { certificate: './shop.pem', key: './shop.key' }"

const tls: Reader<WrittenTls> = {
  accepts: tlsNoun,
  read(value, at, problems) {
    if (value === false) return 'none'
    if (value === 'auto') return 'auto'
    if (!isPlainObject(value)) {
      const meant = value === true || typeof value === 'string' ? "'auto'" : null
      return typeof value === 'string'
        ? refuseValue(value, tlsNoun, at, problems, meant)
        : refuseType(value, tlsNoun, at, problems, meant)
    }
    const before = problems.count
    const files = tlsObject.read(value, at, problems)
    if (files === undefined || problems.count > before) return undefined
    const { certificate, key } = files
    if (certificate !== undefined && key !== undefined) return { certificate, key }
    const message = certificate === undefined ? 'the certificate is missing' : 'the key of the certificate is missing'
    problems.add('E_CONFIG_REQUIRED', at, message, { allowed: 'certificate and key' })
    return undefined
  },
}

export const proxyProtocol: Group<ProxyProtocol> = group<ProxyProtocol>('proxyProtocol', {
  accept: {
    type: boolean,
    default: false,
    prose: 'Whether every client speaks the PROXY protocol (version 1 or 2), such as a load balancer in front of this host.',
    example: 'true',
  },
  send: {
    type: boolean,
    default: false,
    prose: 'Whether the balancer passes the address of the client to the instances by the PROXY protocol, version 2.',
    example: 'true',
  },
})

/** A mere `true` could mean either side. */
const eitherSide: Reader<WrittenOf<ProxyProtocol>> = {
  accepts: '{ accept, send }',
  read(value, at, problems) {
    if (isPlainObject(value)) return proxyProtocol.read(value, at, problems)
    return refuseType(value, this.accepts, at, problems, value === true ? '{ accept: true }' : null)
  },
}

/** In a plan a route is one line: what is set on it is a word each, and what is not says nothing. */
const flags = {
  proxyProtocol: ({ accept, send }: ProxyProtocol): string | null =>
    [accept ? 'accepts PROXY' : '', send ? 'sends PROXY' : ''].filter((word) => word !== '').join(', ') || null,
  idempotent: (is: boolean): string | null => (is ? 'idempotent' : null),
}

/** The path shows in the name of the route. */
const pathType: ValueType<string> = valueType(path, { shape: anyText, show: () => null, write: quote })

export const routeSettings: Group<RouteSettings, Pick<WrittenRoute, keyof RouteSettings>> = group<
  RouteSettings,
  Pick<WrittenRoute, keyof RouteSettings>
>('route', {
  path: {
    type: pathType,
    default: '/',
    prose:
      'Only requests whose path starts with this, by whole segments: `/api` is `/api` and `/api/x`, not `/apix`. The longest path wins.',
    example: "'/api'",
  },
  proxyProtocol: {
    type: asOne({ ...proxyProtocol, ...eitherSide }, flags.proxyProtocol),
    default: proxyProtocol.fill({}),
    defaultWords: 'none',
    prose: "Where the PROXY protocol carries the client's address.",
    example: '{ accept: true }',
  },
  idempotent: {
    type: { ...boolean, show: flags.idempotent },
    default: false,
    prose: 'Whether any request may be sent again, a POST too, when the instance that has it dies.',
    example: 'true',
  },
})

const portNumber = wholeNumber({ from: 1, to: 65_535 })

export const routeKeys: WrittenKeys<WrittenRoute> = {
  domain: {
    type: domain,
    defaultWords: 'none',
    prose:
      "The domain whose requests come here, at the balancer's `httpPort` and `httpsPort`. `*.example.com` is every name below it.",
    example: "'shop.example.com'",
  },
  port: {
    type: portNumber,
    defaultWords: 'none',
    prose: 'A port of this host, all of whose requests or connections come here.',
    example: '8080',
  },
  protocol: {
    type: oneOf(['http', 'tcp'], { https: 'http', h2: 'http', ws: 'http', tls: 'tcp' }),
    defaultWords: "`'http'`",
    prose: 'The protocol at the port: HTTP, or TCP, which is passed on unchanged.',
    example: "'tcp'",
  },
  tls: {
    type: tls,
    defaultWords: "`'auto'` for a domain where `balancer.acme` is set, else `false`",
    prose:
      "The certificate: from files, by ACME (`'auto'`, which needs `balancer.acme`), or `false` for plain HTTP or TCP. With one, plain requests to the domain are sent to `https`.",
    example: "{ certificate: './tls/shop.pem', key: './tls/shop.key' }",
  },
  ...routeSettings.keys,
}

const routeObject = objectBy('route', routeKeys)
const mostRoutes = 100

export const readRoutes: Reader<readonly PlacedRoute[]> = {
  accepts:
    "a domain such as 'shop.example.com', a port such as 8080, { domain, path, … }, { port, protocol, … }, or an array of them",
  read(value, at, problems) {
    if (!Array.isArray(value)) {
      const written = readRoute(value, at)
      return written === undefined ? undefined : [{ written, at }]
    }
    if (value.length > mostRoutes) {
      problems.add('E_CONFIG_VALUE', at, `${value.length} routes are too many`, { allowed: `at most ${mostRoutes}` })
      return undefined
    }
    return value.flatMap((item: unknown, index): readonly PlacedRoute[] => {
      const place: Place = { up: at, key: String(index) }
      const written = readRoute(item, place)
      return written === undefined ? [] : [{ written, at: place }]
    })

    function readRoute(item: unknown, place: Place): WrittenRoute | undefined {
      if (typeof item === 'number') {
        const port = portNumber.read(item, place, problems)
        return port === undefined ? undefined : { port }
      }
      if (typeof item === 'string') {
        if (/^\d{1,5}$/.test(item)) return refuseType(item, routeNoun, place, problems, item)
        if (item.startsWith('/'))
          return refuseValue(item, routeNoun, place, problems, `{ domain: 'example.com', path: ${quote(item)} }`)
        const name = domain.read(item, place, problems)
        return name === undefined ? undefined : { domain: name }
      }
      return isPlainObject(item) ? routeObject.read(item, place, problems) : refuseType(item, routeNoun, place, problems)
    }
  },
}

const routeNoun = "a domain such as 'shop.example.com', a port such as 8080, { domain, path, … } or { port, protocol, … }"

type Of<Kind extends Tls['kind']> = Extract<Tls, { readonly kind: Kind }>
type To<Kind extends Route['to']['kind']> = Extract<Route['to'], { readonly kind: Kind }>

const tlsShape: Shape<Tls> = unionBy<Tls>('kind', {
  none: objectOf<Of<'none'>>({ kind: exactly('none') }),
  files: objectOf<Of<'files'>>({ kind: exactly('files'), certificate: anyText, key: anyText, digest: orNull(anyText) }),
  automatic: objectOf<Of<'automatic'>>({ kind: exactly('automatic') }),
})

const routeShape: Shape<Route> = objectOf<Route>({
  to: unionBy<Route['to']>('kind', {
    domain: objectOf<To<'domain'>>({ kind: exactly('domain'), domain: anyText }),
    port: objectOf<To<'port'>>({ kind: exactly('port'), port: anyInteger, protocol: exactly('http', 'tcp') }),
  }),
  tls: tlsShape,
  ...shapesOf(routeSettings.keys),
})

/** As a person would say where it is: `shop.example.com/api`, `port 8080`. */
export function nameOfRoute({ to, path: from }: Pick<Route, 'to' | 'path'>): string {
  const place = to.kind === 'domain' ? to.domain : `port ${to.port}`
  return from === '/' ? place : `${place}${from}`
}

function showTls(value: Tls): string | null {
  if (value.kind === 'none') return null
  if (value.kind === 'automatic') return 'automatic TLS'
  const digest = value.digest === null ? '' : ` ${value.digest.slice(0, 12)}`
  return `TLS${digest} by ${JSON.stringify(value.certificate)} and ${JSON.stringify(value.key)}`
}

export const routes: Part<readonly Route[]> = {
  shape: listOf(routeShape),
  fields: (all, prefix) =>
    all.map((one) => {
      const protocol = one.to.kind === 'port' ? one.to.protocol : 'http'
      const words = [protocol, showTls(one.tls), ...routeSettings.fields(one, '').map(([, text_]) => text_)]
      return [`${prefix}route ${nameOfRoute(one)}`, words.filter((word) => word !== null).join(', ')]
    }),
  complete(recorded) {
    const whole = recorded.map((one) => routeSettings.complete(one) as Route)
    return whole.every((one, index) => one === recorded[index]) ? recorded : whole
  },
  before: [],
}
