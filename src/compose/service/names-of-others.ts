/**
 * Containers find each other by the names of their services, as they do under Compose. Compose gives more names than that one (of a
 * container, of a network, of a link), and some of its services are called otherwise here: wherever a program is told such a name,
 * somebody has to say another.
 */

import { evaluated } from '../../proposal/code.ts'
import { asName } from '../../proposal/settle.ts'
import type { ServiceDraft } from './service.ts'
import { get, type Mapping, type Place, textOf } from '../tree/tree.ts'

/** What Compose would answer to besides the name of the service. */
export function otherNames(service: Mapping): readonly string[] {
  const networks = get(service, 'networks')
  const aliases = [...(networks?.kind === 'mapping' ? networks.entries.values() : [])].flatMap(({ value }) => {
    const list = get(value, 'aliases')
    return list?.kind === 'list' ? list.items.map(textOf) : []
  })
  return [textOf(get(service, 'container_name')), ...aliases].filter((name) => name !== undefined)
}

const hostVariable = /(?:HOST|ADDR|ADDRESS|SERVER|SERVERS|ENDPOINT|URL|URI|DSN|BROKER|BROKERS|UPSTREAM|PEER|NODE)S?$/i

/** The port of a name that a text tells as a host; null where it tells none, undefined where it does not tell the name. */
function portOf(name: string, text: string, variable: string | null): string | null | undefined {
  const escaped = name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const match = new RegExp(`(?:^|[@/=,;\\s"'(])${escaped}(?::(\\d{2,5}))?(?=$|[/,;\\s"')?])`).exec(text)
  if (match === null) return undefined
  const isUrl = new RegExp(`(?://|@)${escaped}(?:$|[:/,?])`).test(text)
  const isHost = match[1] !== undefined || isUrl || (variable !== null && hostVariable.test(variable) && text === name)
  return isHost ? (match[1] ?? null) : undefined
}

export interface Told {
  readonly text: string
  /** Null for a word of the command. */
  readonly variable: string | null
  readonly at: Place
}

/** One note for each name that nobody answers to here, at the first place where it is told. */
export function noteNames(draft: ServiceDraft, told: readonly Told[]): void {
  const seen = new Set<string>()
  for (const [name, service] of strangeNames(draft)) {
    for (const { text, variable, at } of told) {
      const port = portOf(name, text, variable)
      if (port === undefined || seen.has(name)) continue
      seen.add(name)
      const door = port === null ? '' : `:${port}`
      draft.note(
        variable === null ? 'command' : `environment.${variable}`,
        at,
        `${name} is ${asName(service, 'service')} here: a container is found by the name of its service`,
        `${asName(service, 'service')}${door}`,
      )
    }
  }
}

/** Names that only Compose knows, each with the service that it means. */
function strangeNames(draft: ServiceDraft): ReadonlyMap<string, string> {
  const { facts } = draft.context
  const names = new Map<string, string>()
  for (const [service, { otherNames: others }] of facts) {
    if (service === draft.name) continue
    for (const name of [service, ...others]) names.set(name, service)
  }
  const links = draft.get('links')
  for (const item of links?.kind === 'list' ? links.items : []) {
    const [service = '', alias] = (textOf(item) ?? '').split(':')
    if (alias !== undefined && facts.has(service)) names.set(alias, service)
  }
  const known = new Set([...facts.keys()].map((service) => asName(service, 'service')))
  return new Map([...names].filter(([name]) => !known.has(name)))
}

/** The words of the command, as they are today. */
export function wordsTold(draft: ServiceDraft): readonly Told[] {
  const command = evaluated(draft.written['command'] ?? []) as string | readonly string[]
  const at = draft.get('command')?.at ?? draft.source.at
  return [command].flat().map((text) => ({ text, variable: null, at }))
}
