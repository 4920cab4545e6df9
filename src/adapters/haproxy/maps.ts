/**
 * The parts of a table that HAProxy looks up while it runs: they change without a reload, each map as a whole and at once. Rules
 * with a domain, or for any, are found by the longest beginning of `domain/path/`; those with a wildcard by the first expression
 * that matches. Each path ends in a slash, here and in what is looked up: so only whole segments match.
 */

import type { Listener, RoutingTable, Rule } from '../../core/balance/table.ts'
import { files, mainBackend } from './names.ts'
import { canaryShare } from './servers.ts'

export interface MapEntry {
  readonly key: string
  readonly value: string
}

/** By file name; entries in the order in which they are tried. */
export type Maps = ReadonlyMap<string, readonly MapEntry[]>

/** A value that begins with this is a redirect to https; the port follows, unless it is the usual one. */
export const redirectMark: string = '>'

export function renderMaps(table: RoutingTable, certificates: ReadonlyMap<string, string>): Maps {
  const maps = new Map<string, readonly MapEntry[]>()
  for (const listener of table.listeners) {
    if (listener.protocol === 'tcp') continue
    maps.set(files.routes(listener.port), plainRules(listener))
    maps.set(files.wildcards(listener.port), wildcardRules(listener))
  }
  const tcp = table.listeners.filter(({ protocol }) => protocol === 'tcp')
  maps.set(
    files.tcp,
    tcp.flatMap(({ port, rules }) => rules.slice(0, 1).map((rule) => ({ key: `port:${port}`, value: target(rule) }))),
  )
  const canaries = table.pools.map((pool) => ({ key: mainBackend(pool.id), share: canaryShare(pool) }))
  maps.set(
    files.canaries,
    canaries.flatMap(({ key, share }) => (share === null ? [] : [{ key, value: String(share) }])),
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

export const renderMap = (entries: readonly MapEntry[]): string => entries.map(({ key, value }) => `${key} ${value}\n`).join('')

const isWildcard = (rule: Rule): boolean => rule.domain?.startsWith('*.') === true

const withSlash = (path: string): string => (path.endsWith('/') ? path : `${path}/`)

function plainRules(listener: Listener): readonly MapEntry[] {
  const rules = listener.rules.filter((rule) => !isWildcard(rule))
  return firstOfEach(rules.map((rule) => ({ key: `${rule.domain ?? ''}${withSlash(rule.path)}`, value: target(rule) })))
}

function wildcardRules(listener: Listener): readonly MapEntry[] {
  return firstOfEach(
    listener.rules.filter(isWildcard).map((rule) => {
      const suffix = quote((rule.domain ?? '').slice(1))
      return { key: `^[^/]+${suffix}${quote(withSlash(rule.path))}`, value: target(rule) }
    }),
  )
}

const target = ({ action }: Rule): string =>
  action.kind === 'pool' ? mainBackend(action.pool) : `${redirectMark}${action.httpsPort === 443 ? '' : `:${action.httpsPort}`}`

const quote = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)

function firstOfEach(entries: readonly MapEntry[]): readonly MapEntry[] {
  const seen = new Set<string>()
  return entries.filter(({ key }) => !seen.has(key) && seen.add(key))
}
