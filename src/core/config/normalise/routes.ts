/** The routes of one service into normal form, and what they need of it. */

import type { BalancerSettings, PortRequest, Route, Scale, Tls } from '../../model/service.ts'
import { acmeDirectory } from '../../keys/balancer.ts'
import type { Place, ProblemList } from '../../values/problem-list.ts'
import { resolvePath } from './resolve-path.ts'
import type { PlacedRoute, WrittenRoute } from '../../keys/service/route.ts'

export interface RouteContext {
  /** Absolute folder of the config file. */
  readonly directory: string
  readonly scale: Scale
  readonly port: PortRequest
  readonly acme: BalancerSettings['acme']
  /** False when something of the service was refused: what is missing may be just that. */
  readonly isWhole: boolean
}

/** `at` is the service's place. */
export function normaliseRoutes(
  routes: readonly PlacedRoute[],
  context: RouteContext,
  at: Place,
  problems: ProblemList,
): readonly Route[] {
  if (routes.length === 0) return []
  checkService(context, { up: at, key: 'route' }, problems)
  const normal = routes.flatMap(({ written, at: place }) => normaliseRoute(written, context, place, problems) ?? [])
  if (normal.length === routes.length) checkAlike(routes, normal, problems)
  return normal
}

function checkService({ scale, port }: RouteContext, at: Place, problems: ProblemList): void {
  if (scale.kind === 'job' || scale.kind === 'schedule') {
    const message = `a ${scale.kind} serves no requests: it runs and ends`
    problems.add('E_CONFIG_CONFLICT', at, message, { allowed: 'no route, or replicas or singleton' })
  } else if (port.kind === 'none') {
    problems.add('E_CONFIG_CONFLICT', at, 'the service has no port that requests could go to', {
      allowed: "port: 'auto', or no route",
    })
  }
}

/** Null when it leads nowhere. */
function normaliseRoute(written: WrittenRoute, context: RouteContext, at: Place, problems: ProblemList): Route | null {
  const { domain, port, protocol, path = '/', proxyProtocol } = written
  if ((domain === undefined) === (port === undefined)) {
    const message = domain === undefined ? 'nothing says which requests come here' : 'domain and port stand side by side'
    const code = domain === undefined ? 'E_CONFIG_REQUIRED' : 'E_CONFIG_CONFLICT'
    if (domain !== undefined || context.isWhole) problems.add(code, at, message, { allowed: 'exactly one of domain, port' })
    return null
  }
  if (domain !== undefined && protocol === 'tcp') {
    problems.add('E_CONFIG_CONFLICT', { up: at, key: 'protocol' }, 'only HTTP says which domain is meant', {
      allowed: "a port for 'tcp'",
    })
  }
  if (protocol === 'tcp' && path !== '/') {
    problems.add('E_CONFIG_CONFLICT', { up: at, key: 'path' }, 'only HTTP has paths', { allowed: "no path, or protocol: 'http'" })
  }
  if (protocol === 'tcp' && written.idempotent === true) {
    problems.add('E_CONFIG_CONFLICT', { up: at, key: 'idempotent' }, 'only HTTP has requests that could be sent again', {
      allowed: "no idempotent, or protocol: 'http'",
    })
  }
  return {
    to: domain === undefined ? { kind: 'port', port: port!, protocol: protocol ?? 'http' } : { kind: 'domain', domain },
    path,
    tls: normaliseTls(written, context, at, problems),
    proxyProtocol: { accept: proxyProtocol?.accept ?? false, send: proxyProtocol?.send ?? false },
    idempotent: written.idempotent ?? false,
  }
}

function normaliseTls({ domain, tls }: WrittenRoute, context: RouteContext, at: Place, problems: ProblemList): Tls {
  if (tls === undefined ? domain === undefined || context.acme === null : tls === 'none') return { kind: 'none' }
  if (typeof tls === 'object') {
    const { directory } = context
    return {
      kind: 'files',
      certificate: resolvePath(directory, tls.certificate),
      key: resolvePath(directory, tls.key),
      digest: null,
    }
  }
  const place: Place = tls === undefined ? at : { up: at, key: 'tls' }
  const files = "tls: { certificate: './shop.pem', key: './shop.key' } or tls: false"
  if (domain === undefined) {
    problems.add('E_CONFIG_CONFLICT', place, 'an automatic certificate is for a domain, and the route has none', {
      allowed: files,
    })
  } else if (context.acme === null) {
    problems.add('E_CONFIG_CONFLICT', place, 'nothing says where automatic certificates come from', {
      allowed: "balancer: { acme: { email: 'ops@example.com' } } beside services",
    })
  } else if (domain.startsWith('*.')) {
    const why = 'a certificate for a wildcard is not given for an answer over HTTP (http-01)'
    problems.add('E_CONFIG_CONFLICT', place, why, { allowed: files })
  } else if (!domain.includes('.') && context.acme.directory === acmeDirectory) {
    // An authority of one's own may well know the names of one's own network.
    problems.add('E_CONFIG_CONFLICT', place, `no public authority gives a certificate for ${domain}`, { allowed: files })
  }
  return { kind: 'automatic' }
}

/** The routes of a service lead to the same instances: what is about those is the same for all. */
function checkAlike(routes: readonly PlacedRoute[], normal: readonly Route[], problems: ProblemList): void {
  const first = normal[0]!
  for (const [index, route] of normal.entries()) {
    const { at } = routes[index]!
    if (protocolOf(route) !== protocolOf(first)) {
      problems.add('E_CONFIG_CONFLICT', at, 'routes by HTTP and by TCP lead to the same port', { allowed: 'two services' })
    } else if (route.idempotent !== first.idempotent) {
      problems.add('E_CONFIG_CONFLICT', at, 'one route of the service is idempotent and another is not', {
        allowed: 'the same for all its routes',
      })
    } else if (route.proxyProtocol.send !== first.proxyProtocol.send) {
      problems.add('E_CONFIG_CONFLICT', at, 'one route passes clients to the instances by PROXY protocol, and another does not', {
        allowed: 'the same proxyProtocol.send for all its routes',
      })
    }
  }
}

const protocolOf = ({ to }: Route): 'http' | 'tcp' => (to.kind === 'port' ? to.protocol : 'http')
