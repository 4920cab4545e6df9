/**
 * Compose lets containers find each other by the names of their services. Here a container has a port on this machine's loopback and the
 * balancer's routes, and no name: wherever a program is told such a name, somebody has to say something else.
 */

import { evaluated } from '../proposal/code.ts'
import type { ServiceDraft } from './service.ts'
import type { Place } from './tree.ts'

const hostVariable = /(?:HOST|ADDR|ADDRESS|SERVER|SERVERS|ENDPOINT|URL|URI|DSN|BROKER|BROKERS|UPSTREAM|PEER|NODE)S?$/i

/** The services that a text tells as hosts, each with its port where one stands there. */
function namesIn(
  text: string,
  variable: string | null,
  others: readonly string[],
): readonly { readonly name: string; readonly port: string | null }[] {
  return others.flatMap((name) => {
    const escaped = name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
    const match = new RegExp(`(?:^|[@/=,;\\s"'(])${escaped}(?::(\\d{2,5}))?(?=$|[/,;\\s"')?])`).exec(text)
    if (match === null) return []
    const isUrl = new RegExp(`(?://|@)${escaped}(?:$|[:/,?])`).test(text)
    const isHost = match[1] !== undefined || isUrl || (variable !== null && hostVariable.test(variable) && text === name)
    return isHost ? [{ name, port: match[1] ?? null }] : []
  })
}

export interface Told {
  readonly text: string
  /** Null for a word of the command. */
  readonly variable: string | null
  readonly at: Place
}

/** One note for each service that is told, at the first place. */
export function noteNames(draft: ServiceDraft, told: readonly Told[]): void {
  const others = [...draft.context.facts.keys()].filter((name) => name !== draft.name)
  const seen = new Set<string>()
  for (const { text, variable, at } of told) {
    for (const { name, port } of namesIn(text, variable, others)) {
      if (seen.has(name)) continue
      seen.add(name)
      const door = port ?? '…'
      draft.note(
        variable === null ? 'command' : `environment.${variable}`,
        at,
        `${name}${port === null ? '' : `:${port}`} is a name of Compose's network, and no container finds another by its name`,
        `${name}: { route: { port: ${door}, protocol: 'tcp' } }, and host.docker.internal:${door} here (close that port to the outside); or network: 'host' for both, and 127.0.0.1`,
      )
    }
  }
}

/** The words of the command, as they are today. */
export function wordsTold(draft: ServiceDraft): readonly Told[] {
  const words = evaluated(draft.written['command'] ?? []) as readonly string[]
  const at = draft.get('command')?.at ?? draft.source.at
  return words.map((text) => ({ text, variable: null, at }))
}
