/**
 * The keys of `route`. One route may be written as its domain or its port alone, and several as an array. What a route needs of its
 * service is looked at in `normalise-routes.ts`, and what it needs of the other routes in `check-routes.ts`.
 */

import { type KeyTable, objectBy } from './key-table.ts'
import type { Place } from './problem-list.ts'
import { boolean, isPlainObject, oneOf, type Reader, refuseType, refuseValue, text, wholeNumber } from './reader.ts'
import { quote } from './show.ts'

export type WrittenTls = 'none' | 'auto' | { readonly certificate: string; readonly key: string }

export interface WrittenRoute {
  readonly domain?: string
  readonly port?: number
  readonly protocol?: 'http' | 'tcp'
  readonly path?: string
  readonly tls?: WrittenTls
  readonly idempotent?: boolean
  readonly proxyProtocol?: WrittenProxyProtocol
}

export interface WrittenProxyProtocol {
  readonly accept?: boolean
  readonly send?: boolean
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

export const tlsKeys: KeyTable<WrittenTlsFiles> = {
  certificate: {
    reader: file,
    default: 'required',
    prose: 'The PEM file of the certificate and of those between it and its root.',
    example: "'./tls/shop.pem'",
  },
  key: { reader: file, default: 'required', prose: 'The PEM file of its private key.', example: "'./tls/shop.key'" },
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

export const proxyProtocolKeys: KeyTable<WrittenProxyProtocol> = {
  accept: {
    reader: boolean,
    default: '`false`',
    prose: 'Whether every client speaks the PROXY protocol (version 1 or 2), such as a load balancer in front of this host.',
    example: 'true',
  },
  send: {
    reader: boolean,
    default: '`false`',
    prose: 'Whether the instances are told the address of the client by the PROXY protocol, version 2.',
    example: 'true',
  },
}

const proxyProtocolObject = objectBy('proxyProtocol', proxyProtocolKeys)

/** A mere `true` could mean either side. */
const proxyProtocol: Reader<WrittenProxyProtocol> = {
  accepts: '{ accept, send }',
  read(value, at, problems) {
    if (isPlainObject(value)) return proxyProtocolObject.read(value, at, problems)
    return refuseType(value, this.accepts, at, problems, value === true ? '{ accept: true }' : null)
  },
}

const portNumber = wholeNumber({ from: 1, to: 65_535 })

export const routeKeys: KeyTable<WrittenRoute> = {
  domain: {
    reader: domain,
    default: 'none',
    prose:
      "The domain whose requests come here, at the balancer's `httpPort` and `httpsPort`. `*.example.com` is every name below it.",
    example: "'shop.example.com'",
  },
  port: {
    reader: portNumber,
    default: 'none',
    prose: 'A port of this host, all of whose requests or connections come here.',
    example: '8080',
  },
  protocol: {
    reader: oneOf(['http', 'tcp'], { https: 'http', h2: 'http', ws: 'http', tls: 'tcp' }),
    default: "`'http'`",
    prose: 'What is spoken at the port: HTTP, or anything at all, which is passed on as it is.',
    example: "'tcp'",
  },
  path: {
    reader: path,
    default: "`'/'`",
    prose:
      'Only requests whose path begins so, by whole segments: `/api` is `/api` and `/api/x`, not `/apix`. The longest path wins.',
    example: "'/api'",
  },
  tls: {
    reader: tls,
    default: "`'auto'` for a domain where `balancer.acme` is set, else `false`",
    prose:
      "The certificate: from files, by ACME (`'auto'`, which needs `balancer.acme`), or `false` for plain HTTP or TCP. With one, plain requests to the domain are sent to `https`.",
    example: "{ certificate: './tls/shop.pem', key: './tls/shop.key' }",
  },
  idempotent: {
    reader: boolean,
    default: '`false`',
    prose: 'Whether any request may be sent again, a POST too, when an instance dies with it.',
    example: 'true',
  },
  proxyProtocol: {
    reader: proxyProtocol,
    default: 'none',
    prose: "Where the PROXY protocol tells the client's address.",
    example: '{ accept: true }',
  },
}

const routeObject = objectBy('route', routeKeys)
const mostRoutes = 100

export const route: Reader<readonly PlacedRoute[]> = {
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
