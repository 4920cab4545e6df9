/**
 * Services, what is in their slots, and the certificates that are there → the routing table. The rules of who gets requests are all here:
 * who is ready and wanted is `active`; who leaves is `draining` until it is gone, so that what it has under way is not cut; who is ended
 * for a fault of its own is not in the table at all. A route that passes from one service to another goes over when the new one can serve.
 */

import type { Epoch, ServiceName, SlotId } from '../model/id.ts'
import type { BalancerSettings, Route, Service } from '../model/service.ts'
import type { Certificate, Listener, Pool, RoutingTable, Rule, Upstream } from './table.ts'
import { upstreamId } from './table.ts'

/** A service with routes: by the revision that should be, or (`isWanted` false) by what of it still runs. */
export interface RoutedService {
  readonly service: Service
  readonly isWanted: boolean
}

/** An instance that may have requests. */
export interface Endpoint {
  readonly slot: SlotId
  readonly service: ServiceName
  readonly epoch: Epoch
  readonly port: number
  readonly state: 'active' | 'draining'
  /** Of a revision that is being tried. */
  readonly isCanary: boolean
}

export interface HeldCertificate {
  readonly certificate: Certificate
  /** The certificate's path in the config; null for one that was fetched by ACME. */
  readonly source: string | null
}

export interface TableInput {
  readonly settings: BalancerSettings
  readonly services: readonly RoutedService[]
  readonly endpoints: readonly Endpoint[]
  /** In order of preference: the first that fits is taken. */
  readonly certificates: readonly HeldCertificate[]
  readonly challenges: Readonly<Record<string, string>>
}

export function makeTable(input: TableInput): RoutingTable {
  const { settings } = input
  const services = input.services.filter(({ service }) => service.routes.length > 0).toSorted(byName)
  const claims = services.flatMap((routed) => routed.service.routes.map((route) => ({ ...routed, route })))
  const certificates: Certificate[] = []
  const places = new Map<string, Place>()
  const canServe = new Set(input.endpoints.filter(({ state }) => state === 'active').map(({ service }) => service))
  for (const { route, service, isWanted } of claims) {
    const held = certificateFor(route, input.certificates)
    if (held !== null) certificates.push(held)
    const rank = (canServe.has(service.name) ? 2 : 0) + (isWanted ? 1 : 0)
    // A service that left and serves no more has no claim: its domain is nobody's.
    if (rank === 0) continue
    for (const place of placesOf(route, service.name, settings, held !== null)) {
      const key = `${place.port} ${place.rule.domain ?? ''} ${place.rule.path}`
      const other = places.get(key)
      if (other === undefined || other.rank < rank) places.set(key, { ...place, rank })
    }
  }
  return {
    settings: { address: settings.address, accessLog: settings.accessLog, limits: settings.limits },
    listeners: listenersOf([...places.values()]),
    pools: services.map(({ service }) => poolOf(service, input.endpoints)),
    certificates: certificates
      .filter(({ file }, index) => certificates.findIndex((other) => other.file === file) === index)
      .toSorted((a, b) => compare(a.file, b.file)),
    challenges: Object.fromEntries(Object.entries(input.challenges).toSorted(([a], [b]) => compare(a, b))),
  }
}

/** One rule at one port, and how good its claim to that place is. */
interface Place {
  readonly port: number
  readonly protocol: 'http' | 'tcp'
  readonly tls: boolean
  readonly acceptProxy: boolean
  readonly rule: Rule
  readonly rank: number
}

function placesOf(
  route: Route,
  pool: ServiceName,
  settings: BalancerSettings,
  hasCertificate: boolean,
): readonly Omit<Place, 'rank'>[] {
  const acceptProxy = route.proxyProtocol.accept
  const wantsTls = route.tls.kind !== 'none'
  if (route.to.kind === 'port') {
    // Nobody could speak to a TLS listener that has nothing to show.
    if (wantsTls && !hasCertificate) return []
    const rule: Rule = { domain: null, path: route.path, action: { kind: 'pool', pool } }
    return [{ port: route.to.port, protocol: route.to.protocol, tls: wantsTls, acceptProxy, rule }]
  }
  const { domain } = route.to
  const { httpPort, httpsPort } = settings
  const serve: Rule = { domain, path: route.path, action: { kind: 'pool', pool } }
  const isSecure = wantsTls && hasCertificate
  const redirect: Rule = { domain, path: route.path, action: { kind: 'redirect', httpsPort } }
  const plain = { port: httpPort, protocol: 'http', tls: false, acceptProxy, rule: isSecure ? redirect : serve } as const
  return isSecure ? [plain, { port: httpsPort, protocol: 'http', tls: true, acceptProxy, rule: serve }] : [plain]
}

function listenersOf(places: readonly Place[]): readonly Listener[] {
  const ports = [...new Set(places.map(({ port }) => port))].toSorted((a, b) => a - b)
  return ports.map((port) => {
    const own = places.filter((place) => place.port === port)
    const isTcp = own.every(({ protocol }) => protocol === 'tcp')
    return {
      port,
      protocol: isTcp ? 'tcp' : 'http',
      tls: own.some(({ tls }) => tls),
      acceptProxy: own.some(({ acceptProxy }) => acceptProxy),
      rules: own.map(({ rule }) => rule).toSorted(bySpecificity),
    }
  })
}

/** A whole name before a wildcard, a longer wildcard before a shorter one, any before none; then the longer path. */
function bySpecificity(a: Rule, b: Rule): number {
  return (
    domainRank(b.domain) - domainRank(a.domain) ||
    b.path.length - a.path.length ||
    compare(a.domain ?? '', b.domain ?? '') ||
    compare(a.path, b.path)
  )
}

function domainRank(domain: string | null): number {
  if (domain === null) return 0
  return domain.startsWith('*.') ? domain.split('.').length : 1000
}

function poolOf(service: Service, endpoints: readonly Endpoint[]): Pool {
  const { name, routes } = service
  const own = endpoints.filter((endpoint) => endpoint.service === name)
  // Where only the canary is left, it serves everybody: a share of nothing would be an outage.
  const hasStable = own.some(({ state, isCanary }) => state === 'active' && !isCanary)
  const upstreams = own.map((endpoint) => upstreamOf(endpoint, hasStable)).toSorted((a, b) => compare(a.id, b.id))
  const hasCanary = upstreams.some(({ state, isCanary }) => state === 'active' && isCanary)
  return {
    id: name,
    protocol: routes.every(({ to }) => to.kind === 'port' && to.protocol === 'tcp') ? 'tcp' : 'http',
    sendProxy: routes.some(({ proxyProtocol }) => proxyProtocol.send),
    retry: routes.every(({ idempotent }) => idempotent) ? 'all' : 'safe',
    upstreams,
    canaryShare: hasCanary ? (service.update.canary?.share ?? null) : null,
  }
}

function upstreamOf(endpoint: Endpoint, hasStable: boolean): Upstream {
  const { slot, epoch, port, state } = endpoint
  return {
    id: upstreamId(slot, epoch),
    slot,
    epoch,
    host: '127.0.0.1',
    port,
    state,
    isCanary: endpoint.isCanary && hasStable,
  }
}

function certificateFor(route: Route, held: readonly HeldCertificate[]): Certificate | null {
  const { tls, to } = route
  if (tls.kind === 'none') return null
  const fits = held.find(({ certificate, source }) =>
    tls.kind === 'files'
      ? source === tls.certificate
      : source === null && to.kind === 'domain' && certificate.names.some((name) => covers(name, to.domain)),
  )
  return fits?.certificate ?? null
}

/** RFC 6125, section 6.4.3: a wildcard stands for exactly one label, and here also for a route of the same wildcard. */
function covers(name: string, domain: string): boolean {
  if (name === domain) return true
  return name.startsWith('*.') && domain.slice(domain.indexOf('.')) === name.slice(1)
}

const byName = (a: RoutedService, b: RoutedService): number => compare(a.service.name, b.service.name)

/** By code units, as everywhere: the order must not depend on a locale. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
