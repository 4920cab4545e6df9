/**
 * The files that HAProxy reads when it begins: a pure function of the table. The config's *shape* (settings, listeners, pools) can
 * only change by a reload, and its digest stands in the config, so that a running process can be asked for it; servers, maps and
 * certificates change while it runs, and are in the files for whoever begins next.
 */

import { createHash } from 'node:crypto'
import type { Listener, Pool, RoutingTable } from '../../core/balance/table.ts'
import {
  backendPrefixes,
  canaryBackend,
  challengeBackend,
  files,
  mainBackend,
  nowhereBackend,
  redirectBackend,
  relayBackend,
  splitPrefix,
  triedVariable,
} from './names.ts'
import { address, activeServers, type Server } from './servers.ts'
import { hasDomains, hasWildcards, renderMap, renderMaps, type Maps } from './maps.ts'

export interface RenderContext {
  /** Certificates by their file below our directory: the first is shown to who asks for none of the names. */
  readonly certificates: readonly LocalCertificate[]
  /** Whom the workers become once they have opened everything; null: they stay who they are. */
  readonly user: string | null
  readonly hasIpv6: boolean
}

export interface LocalCertificate {
  readonly file: string
  readonly digest: string
  readonly names: readonly string[]
}

export interface Rendered {
  readonly config: string
  readonly shape: string
  readonly crtList: string
  readonly maps: Maps
  readonly servers: readonly Server[]
}

/** The variable that holds the shape's digest in the running process. */
export const shapeVariable: string = 'DARUMA_SHAPE'

export function render(table: RoutingTable, context: RenderContext): Rendered {
  const servers = table.pools.flatMap(activeServers)
  const maps = renderMaps(table, new Map(context.certificates.map(({ file, digest }) => [file, digest])))
  const body = (wanted: readonly Server[]): string =>
    [
      defaultsSection(table),
      ...(table.listeners.length === 0 ? [idle] : table.listeners.map((listener) => frontend(table, listener, context))),
      ...table.pools.flatMap((pool) => [
        backend(pool, mainBackend(pool.id), wanted),
        backend(pool, canaryBackend(pool.id), wanted),
      ]),
      ...answering(table),
      memory,
    ].join('\n')
  const withoutServers = globalSection(table, context) + body([])
  const shape = createHash('sha256').update(withoutServers).digest('hex').slice(0, 16)
  const config = `${header}${globalSection(table, context)}  setenv ${shapeVariable} ${shape}\n\n${body(servers)}`
  const crtList = context.certificates.map(crtListLine).join('')
  return { config, shape, crtList, maps, servers }
}

/** The files below our directory, the config last: a process that begins between two of them finds the config of before. */
export function renderFiles(rendered: Rendered): ReadonlyMap<string, string> {
  return new Map([
    ...[...rendered.maps].map(([file, entries]): [string, string] => [file, renderMap(entries)]),
    [files.crtList, rendered.crtList],
    [files.config, rendered.config],
  ])
}

/** A name that nobody asks for: a certificate without names would be shown for those that stand in it. */
export const crtListLine = ({ file, names }: LocalCertificate): string =>
  `${file} ${names.length === 0 ? 'certificate.invalid' : names.join(' ')}\n`

const header = '# Written by daruma from its routing table; every change of that writes it anew.\n'

/** HAProxy refuses a config that listens nowhere, and while everything is taken down that is what the table says. */
const idle = ['frontend idle', '  mode tcp', '  bind unix@idle.sock mode 600', ''].join('\n')

/** Room for what is added to the headers on their way: X-Forwarded-* and the like. */
const rewriteBytes = 1024

const maxHeaders = 256

/** Workers that reloads have replaced live on for their tunnels; the oldest ends when there are more than this. */
const maxReloads = 8

function globalSection(table: RoutingTable, context: RenderContext): string {
  const { limits } = table.settings
  // A header a little above the limit is answered with 431; what does not fit at all gets HAProxy's own 400. Not larger, because each
  // request that may be sent again is kept in a second buffer, which is copied whole.
  const bufferBytes = Math.max(16 * 1024, limits.headerBytes + 2 * rewriteBytes)
  return [
    'global',
    ...(context.user === null ? [] : [`  user ${context.user}`]),
    '  log stdout format raw local0',
    `  maxconn ${limits.connections}`,
    '  no strict-limits',
    `  tune.bufsize ${bufferBytes}`,
    `  tune.maxrewrite ${rewriteBytes}`,
    `  tune.http.maxhdr ${maxHeaders}`,
    '  ssl-default-bind-options ssl-min-ver TLSv1.2',
    `  mworker-max-reloads ${maxReloads}`,
    `  hard-stop-after ${limits.tunnelTimeoutMs}`,
    '',
  ].join('\n')
}

function defaultsSection({ settings: { limits } }: RoutingTable): string {
  return [
    'defaults',
    '  balance leastconn',
    // Else only the first of the last resorts would be one.
    '  option allbackups',
    // Also the time that a refused connection is not tried again on an only upstream: the kernel's own answer is immediate.
    '  timeout connect 500',
    `  timeout http-request ${limits.headerTimeoutMs}`,
    `  timeout http-keep-alive ${limits.idleTimeoutMs}`,
    `  timeout client ${limits.idleTimeoutMs}`,
    `  timeout server ${limits.idleTimeoutMs}`,
    `  timeout tunnel ${limits.tunnelTimeoutMs}`,
    '  retries 3',
    '  option redispatch 1',
    '',
  ].join('\n')
}

/**
 * How long a client that has closed its half may wait in silence. Nobody who speaks HTTP closes a half and waits, but where one does within
 * a body whose answer has come already, Debian's HAProxy (2.6.12) spins, and ends itself and every connection after a second of it.
 */
const halfClosedMs = 500

function frontend(table: RoutingTable, listener: Listener, context: RenderContext): string {
  const rules = listener.protocol === 'tcp' ? toPort : [...refusals(table), ...forwarding(listener), ...routing(listener)]
  return [
    `frontend listener:${listener.port}`,
    `  mode ${listener.protocol}`,
    ...binds(table, listener, context).map((line) => `  bind ${line}`),
    ...(listener.protocol === 'http' ? [`  bind ${relayBind(listener, context)}`, `  timeout client-fin ${halfClosedMs}`] : []),
    `  maxconn ${table.settings.limits.connections}`,
    ...(table.settings.accessLog ? ['  log global', `  log-format ${accessLog[listener.protocol]}`] : []),
    ...rules.map((line) => `  ${line}`),
    ...split.map((line) => `  ${line}`),
    ...(listener.protocol === 'http' ? [`  default_backend ${nowhereBackend}`] : []),
    '',
  ].join('\n')
}

/**
 * One line a request (a TCP connection): time in UTC when it ended, client, method, host, target, status, bytes sent to the client,
 * milliseconds in all, upstream (`-`: none). Method, host and target come from strangers, so they are quoted, with a backslash
 * before quotes, backslashes and `]`; empty where nothing was understood. The port's documentation has the format for both adapters.
 */
const when = '%[date,utime(%Y-%m-%dT%H:%M:%SZ)]'
const server = String.raw`%[srv_name,regsub(:,/,g),regsub(\\.,\\#),regsub(\\..*,)]`
const accessLog = {
  http: `"${when} %ci %{+Q,+E}[var(txn.method)] %{+Q,+E}[var(txn.host)] %{+Q,+E}[var(txn.uri)] %ST %B %Ta ${server}"`,
  tcp: `"${when} %ci - - - - %B %Tt ${server}"`,
} as const

/** IPv4 and IPv6 by a socket each: over one for both, an IPv4 client would be `::ffff:192.0.2.1` in headers and logs. */
function binds(table: RoutingTable, listener: Listener, { hasIpv6 }: RenderContext): readonly string[] {
  const { address: host } = table.settings
  const { port } = listener
  const all = [`*:${port}`, ...(hasIpv6 ? [`:::${port} v6only`] : [])]
  const options = [
    ...(listener.acceptProxy ? ['accept-proxy'] : []),
    ...(listener.tls ? [`ssl crt-list ${files.crtList}`] : []),
    ...(listener.tls && listener.protocol === 'http' ? ['alpn h2,http/1.1'] : []),
  ]
  return (host === '*' ? all : [address(host, port)]).map((where) => [where, ...options].join(' '))
}

/**
 * A worker that a reload has replaced can be told of no server any more, only of maps: what still comes over its idle connections it
 * hands on to its successor here, saying who the client is. The path is relative: whoever the worker has become may pass through our
 * directory, and not through the one above.
 */
const relayBind = ({ port }: Listener, { user }: RenderContext): string =>
  `unix@${files.relay(port)} mode 600${user === null ? '' : ` user ${user}`} accept-proxy`

const deny = (status: number, text: string, condition: string): string =>
  `http-request deny deny_status ${status} content-type text/plain string "${text}\\n" ${condition}`

/**
 * A name or an address, and a port. A route is found by host and path written behind each other, so a host with a slash in it would
 * choose another route than its path; and one with a comma would be one host for us and another for the upstream.
 */
const hostPattern = String.raw`^(?:[\w.~%-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?$`

/**
 * What could be read in two ways by two programs, or is larger than allowed. HAProxy's parser refuses the rest by itself; of chunks
 * with a length it takes the chunks, sends on no length, and closes the connection behind it, as RFC 9112, 6.3 has it.
 *
 * Every rule here is paid for by every request (0.1 to 0.4 µs): what costs more stands behind a cheap condition that is rarely met.
 */
function refusals({ settings: { limits, accessLog: isLogged } }: RoutingTable): readonly string[] {
  const { headerTimeoutMs } = limits
  const isUnmeasured = '{ req.ver 2.0 } !{ req.hdr(content-length) -m found }'
  // What it stands for in memory is known at once; without the four bytes around each name and value. To add those up, the whole head
  // is rewritten, so only who comes near the limit is measured.
  const isLarge = `{ var(txn.size) -m int gt ${Math.max(0, limits.headerBytes - 4 * maxHeaders)} }`
  return [
    // A client's idle connection is closed with its next answer when a reload has replaced the worker, never under its request.
    'option idle-close-on-response',
    ...(isLogged ? ['http-request set-var(txn.uri) url', 'http-request set-var(txn.method) method'] : []),
    deny(
      400,
      'A request names one host.',
      `unless { req.fhdr(host) -m reg '${hostPattern}' } || { req.ver 1.0 } { req.fhdr_cnt(host) eq 0 }`,
    ),
    // Only now: what is no host may hold anything, and a log is read in terminals.
    ...(isLogged ? ['http-request set-var(txn.host) req.hdr(host),host_only'] : []),
    deny(505, 'This version of HTTP is unknown.', 'unless { req.ver 1.1 2.0 1.0 3.0 }'),
    deny(405, 'This is no proxy for other places.', 'if { method CONNECT }'),
    'http-request set-var(txn.size) req.len',
    deny(
      431,
      'The headers are too large.',
      `if ${isLarge} { url,length,set-var(txn.target) -m found } { req.hdrs,length,add(txn.target) gt ${limits.headerBytes} }`,
    ),
    ...(limits.bodyBytes === null
      ? []
      : [
          deny(
            413,
            'The body is too large.',
            `if { req.hdr(content-length) -m found } { req.hdr(content-length) -m int gt ${limits.bodyBytes} }`,
          ),
          deny(411, 'Say how long the body is.', 'if { req.fhdr_cnt(transfer-encoding) gt 0 }'),
          // HTTP/2 has no word for it: whether there is a body shows when its first byte comes, or its end without one.
          `http-request wait-for-body time ${headerTimeoutMs} at-least 1 if ${isUnmeasured}`,
          deny(411, 'Say how long the body is.', `if ${isUnmeasured} { req.body_size gt 0 }`),
        ]),
  ]
}

/**
 * Where to, as the name of a backend. A host is first taken as it was sent, which is nearly always how it is written in the table; where
 * it ends like one of the table's, then in lower case without port and final dot, and by the wildcards; and last for any host. What is
 * found stays in `txn.to`: when it is a pool with a canary, no backend has its name, the rules below let it pass, and `split` decides.
 */
function routing(listener: Listener): readonly string[] {
  const [routes, wildcards] = [files.routes(listener.port), files.wildcards(listener.port)]
  if (!hasDomains(listener)) return [`use_backend %[var(txn.to)] if ${leads(`path,concat(/),map_beg(${routes})`)}`]
  const host = 'req.fhdr(host),host_only,lower,rtrim(.)'
  const isKnown = `{ ${host},map_end(${files.domains(listener.port)}) -m found }`
  const key = `${host},concat(,txn.path),set-var(txn.key)`
  return [
    `use_backend %[var(txn.to)] if ${leads(`base,concat(/),map_beg(${routes})`)}`,
    `use_backend %[var(txn.to)] if ${isOpen} ${isKnown} { path,concat(/),set-var(txn.path) -m found } ${leads(`${key},map_beg(${routes})`)}`,
    ...(hasWildcards(listener) ? [`use_backend %[var(txn.to)] if ${isOpen} ${leads(`var(txn.key),map_reg(${wildcards})`)}`] : []),
    `use_backend %[var(txn.to)] if ${isOpen} ${leads(`path,concat(/),map_beg(${routes})`)}`,
  ]
}

const isOpen = '!{ var(txn.to) -m found }'

const leads = (lookup: string): string => `{ ${lookup},set-var(txn.to) -m beg ${backendPrefixes.join(' ')} }`

const toPort: readonly string[] = [`use_backend %[var(txn.to)] if ${leads(`fe_name,regsub(listener,port),map(${files.tcp})`)}`]

/** By chance: a share of the requests, or of the TCP connections. */
const split: readonly string[] = [
  `use_backend %[var(txn.to),regsub(^${splitPrefix},canary:)] if { var(txn.to),map(${files.canaries}),set-var(txn.share) -m found } { rand(10000),sub(txn.share) lt 0 }`,
  `use_backend %[var(txn.to),regsub(^${splitPrefix},pool:)] if { var(txn.to) -m found }`,
]

/** What a client says about itself in our words is replaced, never passed on; what is between it and us ends here. */
function forwarding(listener: Listener): readonly string[] {
  return [
    // The same to what reads headers as variables (CGI, WSGI, PHP).
    ...['x_forwarded', 'x-forwarded_'].map((name) => `http-request del-header ${name} -m beg`),
    // Cheaper than a rule that writes it: the option adds it behind all rules.
    'http-request del-header X-Forwarded-For',
    'option forwardfor',
    `http-request set-header X-Forwarded-Proto ${listener.tls ? 'https' : 'http'}`,
    'http-request set-header X-Forwarded-Host %[req.fhdr(host)]',
    `http-request set-header X-Forwarded-Port ${listener.acceptProxy ? '%[dst_port]' : listener.port}`,
    ...['Forwarded', 'Keep-Alive', 'TE', 'proxy- -m beg'].map((name) => `http-request del-header ${name}`),
    'http-request del-header Connection',
    'http-response del-header Keep-Alive',
    // The last of the rules for requests, so that most of them end here.
    'http-request allow unless { req.fhdr(upgrade) -m found }',
    // Only to a WebSocket: what else may be upgraded to (h2c) would carry requests past every rule here.
    'http-request set-header Connection upgrade if { req.fhdr(upgrade) -i websocket }',
    'http-request del-header Upgrade',
    'http-request set-header Upgrade websocket if { req.fhdr_cnt(connection) gt 0 }',
  ]
}

/** Backends that answer by themselves. */
function answering(table: RoutingTable): readonly string[] {
  const rules = table.listeners.flatMap((listener) => listener.rules)
  const ports = new Set(rules.flatMap(({ action }) => (action.kind === 'redirect' ? [action.httpsPort] : [])))
  const toHttps = (port: number): string =>
    `http-request redirect location "https://%[req.hdr(host),host_only]${port === 443 ? '' : `:${port}`}%[pathq]"`
  const token = `path,field(4,/),map(${files.challenges})`
  return [
    ...[...ports]
      .toSorted((a, b) => a - b)
      .flatMap((port) => [
        `backend ${redirectBackend(port)}`,
        '  mode http',
        `  ${toHttps(port)} code 301 if { method GET HEAD }`,
        `  ${toHttps(port)} code 308`,
        '',
      ]),
    ...table.listeners
      .filter(({ protocol }) => protocol === 'http')
      .flatMap(({ port }) => [
        `backend ${relayBackend(port)}`,
        '  mode http',
        `  server successor unix@${files.relay(port)} send-proxy-v2`,
        '',
      ]),
    `backend ${challengeBackend}`,
    '  mode http',
    `  http-request return status 200 content-type text/plain lf-string "%[${token}]"`,
    '',
    `backend ${nowhereBackend}`,
    '  mode http',
    `  ${deny(404, 'No route leads from here.', '')}`.trimEnd(),
    '',
  ]
}

function backend(pool: Pool, name: string, servers: readonly Server[]): string {
  const lines = pool.protocol === 'tcp' ? [] : httpBackend(pool)
  return [
    `backend ${name}`,
    `  mode ${pool.protocol}`,
    ...lines.map((line) => `  ${line}`),
    ...servers.filter((each) => each.backend === name).map((each) => `  server ${each.name} ${each.address} ${each.keywords}`),
    '',
  ].join('\n')
}

/**
 * A request is sent again only while all of it is still in memory; for `all` its body is waited for, up to one buffer. What has a body may
 * be too long for that, so by its method it is told from what can always be sent again: it gets a connection of its own (`servers.ts` has
 * how), which we close behind it. The upstream is not told so: one that closes by itself may cut off its answer to a body that it has not
 * read.
 */
function httpBackend(pool: Pool): readonly string[] {
  return [
    'retry-on conn-failure empty-response',
    'option http-pretend-keepalive',
    ...(pool.retry === 'all' ? ['option http-buffer-request'] : []),
    `http-request set-var(${triedVariable}) int(0)`,
    'http-request allow if { method GET HEAD OPTIONS TRACE }',
    `http-request set-var(${triedVariable}) int(1)`,
    'http-request set-header Connection close',
    ...(pool.retry === 'all' ? [] : ['http-request disable-l7-retry unless { method PUT DELETE }']),
    ...[
      [502, 'The service broke off.'],
      [503, 'No instance of the service can be reached.'],
      [504, 'The service did not answer in time.'],
    ].map(([status, text]) => `http-error status ${status} content-type text/plain string "${text}\\n"`),
  ]
}

/** Nobody comes here: it is where the digests of the certificates applied are remembered. */
const memory = ['backend daruma', '  mode http', `  http-request deny if { path,map(${files.digests}) -m found }`, ''].join('\n')
