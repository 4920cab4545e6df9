/** The keys of `balancer`: what all routes share. */

import { formatDuration, formatSize } from '../model/quantity.ts'
import type { BalancerSettings } from '../model/service.ts'
import * as defaults from './defaults.ts'
import { type KeyTable, objectBy } from './key-table.ts'
import {
  boolean,
  duration,
  isPlainObject,
  oneOf,
  type Reader,
  refuseType,
  refuseValue,
  size,
  text,
  wholeNumber,
} from './reader.ts'
import { quote } from './show.ts'

interface WrittenLimits {
  readonly connections?: number
  readonly headerSize?: number
  readonly bodySize?: number
  readonly headerTimeout?: number
  readonly idleTimeout?: number
  readonly tunnelTimeout?: number
}

interface WrittenAcme {
  readonly directory?: string
  readonly email?: string
  readonly caFile?: string
}

export interface WrittenBalancer {
  readonly program?: BalancerSettings['program']
  readonly address?: string
  readonly httpPort?: number
  readonly httpsPort?: number
  readonly accessLog?: boolean
  readonly limits?: WrittenLimits
  readonly acme?: WrittenAcme
}

const { limits } = defaults.balancer
const longestWaitMs = 86_400_000

export const balancerLimitsKeys: KeyTable<WrittenLimits> = {
  connections: {
    reader: wholeNumber({ from: 10, to: 1_000_000 }),
    default: `\`${limits.connections}\``,
    prose: 'The most connections of clients at a time; further ones wait.',
    example: '50_000',
  },
  headerSize: {
    reader: size({ from: 1024, to: 1024 * 1024 }),
    default: `\`'${formatSize(limits.headerBytes)}'\``,
    prose:
      "The most that a request's first line and headers may have together; beyond it the answer is 431 (far beyond it, with HAProxy, 400).",
    example: "'32KiB'",
  },
  bodySize: {
    reader: size({ from: 1024, to: 1024 ** 4 }),
    default: 'no limit',
    prose: 'The most that the body of a request may have; beyond it the answer is 413.',
    example: "'20MiB'",
  },
  headerTimeout: {
    reader: duration({ from: 100, to: longestWaitMs }),
    default: inQuotes(limits.headerTimeoutMs),
    prose: 'How long a client may take to send all headers; beyond it the answer is 408.',
    example: "'5s'",
  },
  idleTimeout: {
    reader: duration({ from: 1000, to: longestWaitMs }),
    default: inQuotes(limits.idleTimeoutMs),
    prose: 'How long a request under way may be silent, in either direction.',
    example: "'2m'",
  },
  tunnelTimeout: {
    reader: duration({ from: 1000 }),
    default: inQuotes(limits.tunnelTimeoutMs),
    prose: 'How long a WebSocket or a TCP connection may be silent.',
    example: "'6h'",
  },
}

/** RFC 8555, section 6.1: HTTPS; without it only what does not leave this machine. */
const directoryPattern = /^(?:https:\/\/[^\s/]+|http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?)(?:\/\S*)?$/

export const acmeKeys: KeyTable<WrittenAcme> = {
  directory: {
    reader: text("the URL of an ACME server's directory, with https", { longest: 1000, pattern: directoryPattern }),
    default: `\`'${defaults.acmeDirectory}'\` (Let's Encrypt)`,
    prose: 'The ACME server that certificates come from.',
    example: "'https://acme.example.com/directory'",
  },
  email: {
    reader: text('a mail address', { longest: 254, pattern: /^[^\s@<>,]+@[^\s@<>,]+$/ }),
    default: 'none',
    prose: 'Where the ACME server may write to.',
    example: "'ops@example.com'",
  },
  caFile: {
    reader: text('the path of a PEM file, absolute or from the folder of the config', { longest: 4096, pattern: /^[^~]/ }),
    default: 'the authorities that Node trusts',
    prose: 'The authority by which the ACME server itself is recognised, where it is one of your own.',
    example: "'./tls/our-ca.pem'",
  },
}

const acmeObject = objectBy('acme', acmeKeys)

const acme: Reader<WrittenAcme> = {
  accepts: "true, or { email: 'ops@example.com' }",
  read(value, at, problems) {
    if (value === true) return {}
    if (isPlainObject(value)) return acmeObject.read(value, at, problems)
    const isMail = typeof value === 'string' && /^[^\s@]+@[^\s@]+$/.test(value)
    return refuseType(value, this.accepts, at, problems, isMail ? `{ email: ${quote(value)} }` : null)
  },
}

const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/
const ipv6 = /^(?=.*:.*:)(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}$/i

const address: Reader<string> = {
  accepts: "an address of this host such as '127.0.0.1' or '::1', or '*' for all",
  read(value, at, problems) {
    if (typeof value !== 'string') return refuseType(value, this.accepts, at, problems)
    if (value === '*' || ipv4.test(value) || (ipv6.test(value) && value.split('::').length <= 2)) return value
    return refuseValue(value, this.accepts, at, problems, value === 'localhost' ? "'127.0.0.1'" : null)
  },
}

const port = wholeNumber({ from: 1, to: 65_535 })

export const balancerKeys: KeyTable<WrittenBalancer> = {
  program: {
    reader: oneOf(['auto', 'haproxy', 'embedded'], { node: 'embedded', HAProxy: 'haproxy' }),
    default: `\`'${defaults.balancer.program}'\``,
    prose:
      "What spreads the requests: HAProxy, or Daruma's own, which needs nothing installed and is slower. `'auto'` is HAProxy where it is installed.",
    example: "'haproxy'",
  },
  address: {
    reader: address,
    default: `\`'${defaults.balancer.address}'\``,
    prose: 'The address that the ports of all routes are opened at.',
    example: "'127.0.0.1'",
  },
  httpPort: {
    reader: port,
    default: `\`${defaults.balancer.httpPort}\``,
    prose: 'Where plain requests to domains come in.',
    example: '8080',
  },
  httpsPort: {
    reader: port,
    default: `\`${defaults.balancer.httpsPort}\``,
    prose: 'Where requests to domains with TLS come in.',
    example: '8443',
  },
  accessLog: {
    reader: boolean,
    default: `\`${defaults.balancer.accessLog}\``,
    prose: 'Whether each request is a line in the log of the balancer (`daruma logs @balancer`).',
    example: 'true',
  },
  limits: {
    reader: objectBy('balancer limits', balancerLimitsKeys),
    default: 'see [limits](#limits)',
    prose: 'How much one client may ask for.',
    example: "{ bodySize: '20MiB' }",
  },
  acme: {
    reader: acme,
    default: 'none: no certificate is fetched',
    prose:
      'Certificates by ACME, for every domain whose `tls` says nothing else: `true`, or an object. Port 80 of the domain must lead to `httpPort`.',
    example: "{ email: 'ops@example.com' }",
  },
}

export const balancer: Reader<WrittenBalancer> = objectBy('balancer', balancerKeys)

function inQuotes(durationMs: number): string {
  return `\`'${formatDuration(durationMs)}'\``
}
