/**
 * From a listener's rules to the one for a request. The answer for a `Host` is kept, because requests repeat it; the keeping is bounded,
 * because clients invent it.
 */

import type { Listener, Rule } from '../../../core/balance/table.ts'

export interface Match {
  /** In lower case, without port and last dot; null where the header is no host at all. */
  readonly name: string | null
  readonly rules: readonly Rule[]
}

const keptHosts = 1000
/** A name of 253 bytes and a port: what is longer is nobody's, and not worth its memory. */
const longestKept = 260

export class Router {
  readonly #rules: readonly Rule[]
  readonly #byHost = new Map<string, Match>()

  constructor(listener: Pick<Listener, 'rules'>) {
    this.#rules = listener.rules
  }

  /** What is there for a `Host` header; an absent one is the empty one. */
  match(host: string): Match {
    const known = this.#byHost.get(host)
    if (known !== undefined) return known
    const name = hostName(host)
    const rules = name === null ? [] : this.#rules.filter(({ domain }) => domain === null || isInDomain(name, domain))
    const match = { name, rules }
    if (host.length > longestKept) return match
    if (this.#byHost.size >= keptHosts) this.#byHost.clear()
    this.#byHost.set(host, match)
    return match
  }
}

/** The first rule for the path, which may have a query. */
export function ruleFor(rules: readonly Rule[], target: string): Rule | null {
  for (const rule of rules) if (isBelow(target, rule.path)) return rule
  return null
}

function hostName(host: string): string | null {
  const found = /^([a-z0-9._~!$&'()*+,;=%-]*|\[[0-9a-f:.]+\])(?::\d{0,5})?$/i.exec(host)
  return found?.[1] === undefined ? null : found[1].toLowerCase().replace(/\.$/, '')
}

const isInDomain = (name: string, domain: string): boolean =>
  domain.startsWith('*.') ? name.endsWith(domain.slice(1)) && name.length >= domain.length : name === domain

/** By whole segments. */
function isBelow(target: string, path: string): boolean {
  if (path === '/') return true
  if (!target.startsWith(path)) return false
  if (path.endsWith('/')) return true
  const next = target.charAt(path.length)
  return next === '' || next === '/' || next === '?'
}
