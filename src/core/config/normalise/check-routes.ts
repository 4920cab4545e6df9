/**
 * What only shows when the routes of all services are looked at together: one domain and path that leads to two places, and ports that
 * two want. Routes of one listener (all domains, or one port) share what happens before the request is read.
 */

import { canonicalJson } from '../../model/service.ts'
import type { BalancerSettings, Route } from '../../model/service.ts'
import type { Draft } from './service.ts'
import type { Place, ProblemList } from '../../values/problem-list.ts'
import { quote } from '../../values/show.ts'

interface Owned {
  readonly owner: string
  readonly route: Route
  readonly at: Place
}

/** Services that are refused anyway are left out. */
export function checkRoutes(drafts: ReadonlyMap<string, Draft>, settings: BalancerSettings, problems: ProblemList): void {
  const routes: Owned[] = []
  const fixed = new Map<number, { readonly owner: string; readonly at: Place }>()
  for (const [owner, { service, routePlaces, at, isSound }] of drafts) {
    if (!isSound) continue
    if (service.port.kind === 'fixed') fixed.set(service.port.port, { owner, at: { up: at, key: 'port' } })
    for (const [index, route] of service.routes.entries()) routes.push({ owner, route, at: routePlaces[index] ?? at })
  }
  if (routes.length === 0) return
  const byDomain = routes.filter(({ route }) => route.to.kind === 'domain')
  const taken = new Map<number, string>()
  if (byDomain.length > 0) taken.set(settings.httpPort, 'httpPort')
  if (byDomain.some(({ route }) => route.tls.kind !== 'none')) taken.set(settings.httpsPort, 'httpsPort')
  for (const [port, key] of taken) {
    const own = fixed.get(port)
    if (own !== undefined) duplicatePort(port, `the balancer as its ${key}`, own.owner, own.at, problems)
  }
  checkDomains(byDomain, problems)
  checkPorts(
    routes.filter(({ route }) => route.to.kind === 'port'),
    { fixed, taken },
    problems,
  )
}

function checkDomains(routes: readonly Owned[], problems: ProblemList): void {
  const leads = new Map<string, Owned>()
  const firstOf = new Map<string, Owned>()
  for (const one of routes) {
    const { to, path, tls, proxyProtocol } = one.route
    if (to.kind !== 'domain') continue
    const where = `${to.domain}${path}`
    const known = leads.get(where)
    if (known === undefined) leads.set(where, one)
    else duplicateRoute(where, known, one, problems)
    const first = firstOf.get(to.domain)
    if (first === undefined) firstOf.set(to.domain, one)
    else if (known === undefined && canonicalJson(first.route.tls) !== canonicalJson(tls)) {
      const message = `${to.domain} has other TLS here than in the route of ${first.owner}`
      problems.add('E_CONFIG_CONFLICT', one.at, message, { allowed: 'the same tls for all routes of a domain' })
    }
    const opposite = routes[0]!
    if (proxyProtocol.accept !== opposite.route.proxyProtocol.accept) {
      const message = `clients speak the PROXY protocol here and not in the route of ${opposite.owner}, or the other way round`
      problems.add('E_CONFIG_CONFLICT', one.at, message, {
        allowed: 'the same proxyProtocol.accept for all domains, which come in at the same port',
      })
    }
  }
}

function checkPorts(
  routes: readonly Owned[],
  others: {
    readonly fixed: ReadonlyMap<number, { readonly owner: string }>
    readonly taken: ReadonlyMap<number, string>
  },
  problems: ProblemList,
): void {
  const onPort = new Map<number, Map<string, Owned>>()
  for (const one of routes) {
    const { to, path } = one.route
    if (to.kind !== 'port') continue
    const own = others.fixed.get(to.port)
    const key = others.taken.get(to.port)
    if (own !== undefined) {
      duplicatePort(to.port, `the service ${own.owner} itself`, `the route of ${one.owner}`, one.at, problems)
    } else if (key !== undefined) {
      duplicatePort(to.port, `the balancer as its ${key}`, `the route of ${one.owner}`, one.at, problems)
    }
    const before = onPort.get(to.port)
    if (before === undefined) {
      onPort.set(to.port, new Map([[path, one]]))
      continue
    }
    const [first = one] = before.values()
    const same = before.get(path)
    if (to.protocol === 'tcp' || (first.route.to.kind === 'port' && first.route.to.protocol === 'tcp')) {
      duplicatePort(to.port, `the route of ${first.owner}`, `the route of ${one.owner}`, one.at, problems)
    } else if (same !== undefined) {
      duplicateRoute(`port ${to.port}, path ${path}`, same, one, problems)
    } else if (listenerOf(first.route) !== listenerOf(one.route)) {
      const message = `port ${to.port} has other TLS or another PROXY protocol here than in the route of ${first.owner}`
      problems.add('E_CONFIG_CONFLICT', one.at, message, {
        allowed: 'the same tls and proxyProtocol.accept for all routes of a port',
      })
    }
    if (same === undefined) before.set(path, one)
  }
}

const listenerOf = ({ tls, proxyProtocol }: Route): string => canonicalJson([tls, proxyProtocol.accept])

function duplicateRoute(where: string, first: Owned, second: Owned, problems: ProblemList): void {
  const message =
    first.owner === second.owner
      ? `${quote(where)} is routed twice to ${first.owner}`
      : `${quote(where)} is routed to ${first.owner} and to ${second.owner}`
  problems.add('E_CONFIG_DUPLICATE_ROUTE', second.at, message, { allowed: 'another port, domain or path' })
}

function duplicatePort(port: number, first: string, second: string, at: Place, problems: ProblemList): void {
  problems.add('E_CONFIG_DUPLICATE_PORT', at, `port ${port} is wanted by ${first} and by ${second}`, { allowed: 'another port' })
}
