/** `balancer`: the program that spreads the requests of all routes, its limits, and where certificates come from. */

import { duration, size, wholeNumber } from '../values/amounts.ts'
import { boolean, oneOf, text } from '../values/scalars.ts'
import { anyText } from '../values/shape.ts'
import { quote } from '../values/show.ts'
import { isPlainObject, type Reader, refuseType, refuseValue, valueType } from '../values/value-type.ts'
import { type Group, group, type WrittenOf } from './key.ts'

/** What all routes share. */
export interface BalancerSettings {
  /** `auto`: HAProxy where it is installed, else the embedded one. */
  readonly program: 'auto' | 'haproxy' | 'embedded'
  /** The address that every listener is bound to; `*` for all. */
  readonly address: string
  /** The ports of routes by domain. */
  readonly httpPort: number
  readonly httpsPort: number
  readonly accessLog: boolean
  readonly limits: BalancerLimits
  /** Null: no route has automatic TLS. */
  readonly acme: Acme | null
}

export interface BalancerLimits {
  readonly connections: number
  /** Of the request line and all header lines together. */
  readonly headerBytes: number
  /** Null: a body may be as large as it likes. */
  readonly bodyBytes: number | null
  /** Until the whole header has come. */
  readonly headerTimeoutMs: number
  /** Silence on a connection with a request under way, in either direction. WebSockets and raw TCP have `tunnelTimeoutMs`. */
  readonly idleTimeoutMs: number
  readonly tunnelTimeoutMs: number
}

export interface Acme {
  /** The ACME server's URL. */
  readonly directory: string
  readonly email: string | null
  readonly caFile: string | null
}

export interface WrittenBalancer extends Omit<WrittenOf<BalancerSettings>, 'limits' | 'acme'> {
  readonly limits?: WrittenOf<BalancerLimits>
  readonly acme?: WrittenAcme
}

export interface WrittenAcme {
  readonly directory?: string
  readonly email?: string
  readonly caFile?: string
}

const longestWaitMs = 86_400_000

export const balancerLimits: Group<BalancerLimits> = group<BalancerLimits>('balancer limits', {
  connections: {
    type: wholeNumber({ from: 10, to: 1_000_000 }),
    default: 10_000,
    prose: 'The most connections of clients at a time; further ones wait.',
    example: '50_000',
  },
  headerBytes: {
    key: 'headerSize',
    type: size({ from: 1024, to: 1024 * 1024 }),
    default: 16 * 1024,
    prose:
      "The most that a request's first line and headers may have together; beyond it the answer is 431 (far beyond it, with HAProxy, 400).",
    example: "'32KiB'",
  },
  bodyBytes: {
    key: 'bodySize',
    type: size({ from: 1024, to: 1024 ** 4 }),
    default: null,
    defaultWords: 'no limit',
    prose: 'The most that the body of a request may have; beyond it the answer is 413.',
    example: "'20MiB'",
  },
  headerTimeoutMs: {
    key: 'headerTimeout',
    type: duration({ from: 100, to: longestWaitMs }),
    default: 10_000,
    prose: 'How long a client may take to send all headers; beyond it the answer is 408.',
    example: "'5s'",
  },
  idleTimeoutMs: {
    key: 'idleTimeout',
    type: duration({ from: 1000, to: longestWaitMs }),
    default: 60_000,
    prose: 'How long a request under way may be silent, in either direction.',
    example: "'2m'",
  },
  tunnelTimeoutMs: {
    key: 'tunnelTimeout',
    type: duration({ from: 1000 }),
    default: 3_600_000,
    prose: 'How long a WebSocket or a TCP connection may be silent.',
    example: "'6h'",
  },
})

/** Let's Encrypt (https://letsencrypt.org/docs/acme-protocol-updates/). */
export const acmeDirectory: string = 'https://acme-v02.api.letsencrypt.org/directory'

/** RFC 8555, section 6.1: HTTPS; without it only what does not leave this machine. */
const directoryPattern = /^(?:https:\/\/[^\s/]+|http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?)(?:\/\S*)?$/

export const acmeObject: Group<Acme, WrittenAcme> = group<Acme, WrittenAcme>('acme', {
  directory: {
    type: {
      ...text("the URL of an ACME server's directory, with https", { longest: 1000, pattern: directoryPattern }),
      show: String,
    },
    default: acmeDirectory,
    defaultWords: `\`'${acmeDirectory}'\` (Let's Encrypt)`,
    prose: 'The ACME server that certificates come from.',
    example: "'https://acme.example.com/directory'",
  },
  email: {
    type: { ...text('a mail address', { longest: 254, pattern: /^[^\s@<>,]+@[^\s@<>,]+$/ }), show: String },
    default: null,
    prose: 'Where the ACME server may write to.',
    example: "'ops@example.com'",
  },
  caFile: {
    type: {
      ...text('the path of a PEM file, absolute or from the folder of the config', { longest: 4096, pattern: /^[^~]/ }),
      show: String,
    },
    default: null,
    defaultWords: 'the authorities that Node trusts',
    prose: 'The authority by which the ACME server itself is recognised, where it is one of your own.',
    example: "'./tls/our-ca.pem'",
  },
})

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

const readAddress: Reader<string> = {
  accepts: "an address of this host such as '127.0.0.1' or '::1', or '*' for all",
  read(value, at, problems) {
    if (typeof value !== 'string') return refuseType(value, this.accepts, at, problems)
    if (value === '*' || ipv4.test(value) || (ipv6.test(value) && value.split('::').length <= 2)) return value
    return refuseValue(value, this.accepts, at, problems, value === 'localhost' ? "'127.0.0.1'" : null)
  },
}

const port = wholeNumber({ from: 1, to: 65_535 })

export const balancer: Group<BalancerSettings, WrittenBalancer> = group<BalancerSettings, WrittenBalancer>('balancer', {
  program: {
    type: oneOf(['auto', 'haproxy', 'embedded'], { node: 'embedded', HAProxy: 'haproxy' }),
    default: 'auto',
    prose:
      "Which balancer runs: HAProxy, or Daruma's own, which needs nothing installed and is slower. `'auto'` is HAProxy where it is installed.",
    example: "'haproxy'",
  },
  address: {
    type: valueType(readAddress, { shape: anyText, write: quote }),
    default: '*',
    prose: 'The address that the ports of all routes are opened at.',
    example: "'127.0.0.1'",
  },
  httpPort: {
    type: port,
    default: 80,
    prose: 'The port for plain HTTP requests to domains.',
    example: '8080',
  },
  httpsPort: {
    type: port,
    default: 443,
    prose: 'The port for HTTPS requests to domains.',
    example: '8443',
  },
  accessLog: {
    type: boolean,
    default: false,
    prose: 'Whether each request is a line in the log of the balancer (`daruma logs @balancer`).',
    example: 'true',
  },
  limits: {
    type: balancerLimits,
    default: balancerLimits.fill({}),
    defaultWords: 'see [limits](#limits)',
    prose: 'How much one client may ask for.',
    example: "{ bodySize: '20MiB' }",
  },
  acme: {
    type: { ...acmeObject, ...acme },
    default: null,
    defaultWords: 'none: no certificate is fetched',
    prose:
      'Certificates by ACME, for every domain whose `tls` says nothing else: `true`, or an object. Port 80 of the domain must lead to `httpPort`.',
    example: "{ email: 'ops@example.com' }",
  },
})

export const defaultBalancer: BalancerSettings = balancer.fill({})
