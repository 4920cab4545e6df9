/**
 * The parts of a table that HAProxy looks up while it runs: they change without a reload, each map as a whole and at once. Rules
 * with a domain, or for any, are found by the longest beginning of `domain/path/`; those with a wildcard by the first expression
 * that matches. Each path ends in a slash, here and in what is looked up: so only whole segments match.
 */

import type { Listener, RoutingTable, Rule } from '../../core/balance/table.ts'
import { challengeBackend, files, mainBackend, redirectBackend, relayBackend, splitName } from './names.ts'
import { canaryShare } from './servers.ts'

export interface MapEntry {
  readonly key: string
  readonly value: string
}

/** By file name; entries in the order in which they are tried. */
export type Maps = ReadonlyMap<string, readonly MapEntry[]>

export const hasDomains = ({ rules }: Listener): boolean => rules.some(({ domain }) => domain !== null)
export const hasWildcards = ({ rules }: Listener): boolean => rules.some(isWildcard)

export function renderMaps(table: RoutingTable, certificates: ReadonlyMap<string, string>): Maps {
  const shares = new Map(table.pools.map((pool) => [pool.id, canaryShare(pool)]))
  const target = ({ action }: Rule): string => {
    if (action.kind === 'redirect') return redirectBackend(action.httpsPort)
    return (shares.get(action.pool) ?? null) === null ? mainBackend(action.pool) : splitName(action.pool)
  }
  const maps = new Map<string, readonly MapEntry[]>()
  for (const listener of table.listeners) {
    if (listener.protocol === 'tcp') continue
    const challenged = listener.tls ? [] : Object.keys(table.challenges)
    maps.set(files.routes(listener.port), plainRules(listener, challenged, target))
    if (hasWildcards(listener)) maps.set(files.wildcards(listener.port), wildcardRules(listener, challenged, target))
    if (hasDomains(listener)) maps.set(files.domains(listener.port), domainsOf(listener))
  }
  const tcp = table.listeners.filter(({ protocol }) => protocol === 'tcp')
  maps.set(
    files.tcp,
    tcp.flatMap(({ port, rules }) => rules.slice(0, 1).map((rule) => ({ key: `port:${port}`, value: target(rule) }))),
  )
  maps.set(
    files.canaries,
    [...shares].flatMap(([pool, share]) => (share === null ? [] : [{ key: splitName(pool), value: String(share) }])),
  )
  maps.set(
    files.challenges,
    Object.entries(table.challenges)
      .map(([key, value]) => ({ key, value }))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1)),
  )
  maps.set(
    files.digests,
    [...certificates].map(([key, value]) => ({ key, value })),
  )
  return maps
}

/** For a worker that has been replaced: whatever is asked goes on to its successor. */
export function relayMaps(table: RoutingTable): Maps {
  const maps = new Map<string, readonly MapEntry[]>()
  for (const { port, protocol } of table.listeners) {
    if (protocol === 'tcp') continue
    maps.set(files.routes(port), [{ key: '/', value: relayBackend(port) }])
    maps.set(files.wildcards(port), [])
  }
  return maps
}

export const renderMap = (entries: readonly MapEntry[]): string => entries.map(({ key, value }) => `${key} ${value}\n`).join('')

const isWildcard = (rule: Rule): boolean => rule.domain?.startsWith('*.') === true

const withSlash = (path: string): string => (path.endsWith('/') ? path : `${path}/`)

type Target = (rule: Rule) => string

const challengePath = (token: string): string => `/.well-known/acme-challenge/${token}/`

/** A challenge is a rule of its own for each host that has rules, and for any other: it is more specific than all of them. */
function plainRules(listener: Listener, challenged: readonly string[], target: Target): readonly MapEntry[] {
  const rules = listener.rules.filter((rule) => !isWildcard(rule))
  const hosts = [...new Set([...rules.map(({ domain }) => domain ?? ''), ''])]
  return firstOfEach([
    ...hosts.flatMap((host) => challenged.map((token) => ({ key: `${host}${challengePath(token)}`, value: challengeBackend }))),
    ...rules.map((rule) => ({ key: `${rule.domain ?? ''}${withSlash(rule.path)}`, value: target(rule) })),
  ])
}

/** In the table's order, the most specific first. */
function wildcardRules(listener: Listener, challenged: readonly string[], target: Target): readonly MapEntry[] {
  const rules = listener.rules.filter(isWildcard)
  const expression = (domain: string | null, path: string): string => `^[^/]+${quote((domain ?? '').slice(1))}${quote(path)}`
  const hosts = [...new Set(rules.map(({ domain }) => domain))]
  return firstOfEach([
    ...hosts.flatMap((host) =>
      challenged.map((token) => ({ key: expression(host, challengePath(token)), value: challengeBackend })),
    ),
    ...rules.map((rule) => ({ key: expression(rule.domain, withSlash(rule.path)), value: target(rule) })),
  ])
}

/** How hosts end that have rules of their own: one that ends otherwise is looked up by its path alone. */
function domainsOf({ rules }: Listener): readonly MapEntry[] {
  const ends = new Set(rules.flatMap(({ domain }) => (domain === null ? [] : [domain.replace(/^\*/, '')])))
  return [...ends].map((key) => ({ key, value: 'known' }))
}

const quote = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)

function firstOfEach(entries: readonly MapEntry[]): readonly MapEntry[] {
  const seen = new Set<string>()
  return entries.filter(({ key }) => !seen.has(key) && seen.add(key))
}
