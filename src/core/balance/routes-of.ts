/** Where a service is reached, as a person would type it. A port that is the usual one of its protocol is left out. */

import type { BalancerSettings, Route, Service } from '../model/service.ts'
import type { RouteStatus } from '../model/status.ts'

export function routesOf({ routes }: Service, settings: BalancerSettings): readonly RouteStatus[] {
  return routes.map((route) => ({ url: urlOf(route, settings) }))
}

function urlOf({ to, path, tls }: Route, settings: BalancerSettings): string {
  const isSecure = tls.kind !== 'none'
  if (to.kind === 'port' && to.protocol === 'tcp') return `${isSecure ? 'tls' : 'tcp'}://${hostOf(settings)}:${to.port}`
  const scheme = isSecure ? 'https' : 'http'
  const port = to.kind === 'port' ? to.port : isSecure ? settings.httpsPort : settings.httpPort
  const host = to.kind === 'domain' ? to.domain : hostOf(settings)
  return `${scheme}://${host}${port === (isSecure ? 443 : 80) ? '' : `:${port}`}${path}`
}

/** A listener on every address is reached at each of them: `*`. */
const hostOf = ({ address }: BalancerSettings): string => (address.includes(':') ? `[${address}]` : address)
