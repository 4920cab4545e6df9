/** A route as the address that a person would type: the port is left out where it goes without saying. */

import type { BalancerSettings, Route } from '../model/service.ts'

export function routeUrl(route: Route, settings: Pick<BalancerSettings, 'address' | 'httpPort' | 'httpsPort'>): string {
  const { to, tls, path } = route
  if (to.kind === 'port' && to.protocol === 'tcp') return `tcp://${hostOf(settings.address)}:${to.port}`
  const scheme = tls.kind === 'none' ? 'http' : 'https'
  const usual = scheme === 'http' ? 80 : 443
  const listening = scheme === 'http' ? settings.httpPort : settings.httpsPort
  const port = to.kind === 'port' ? to.port : listening
  const host = to.kind === 'port' ? hostOf(settings.address) : to.domain
  return `${scheme}://${host}${port === usual ? '' : `:${port}`}${path}`
}

/** Every address includes this machine's own, which its name stands for. */
function hostOf(address: string): string {
  if (address === '*' || address === '0.0.0.0' || address === '::') return 'localhost'
  return address.includes(':') ? `[${address}]` : address
}
