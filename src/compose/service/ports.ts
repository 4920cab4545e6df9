/**
 * `ports`, `expose`: who can reach a service. A published port of a web program becomes a route of the balancer, so that a change is not
 * noticed; of anything else a route by TCP, or, where it was for this machine alone, a port of this machine. A service has one port
 * inside, Compose's have as many as they like.
 */

import { Code } from '../../proposal/code.ts'
import type { ServiceDraft } from './service.ts'
import { get, type Place, type Scalar, textOf, type Tree } from '../tree/tree.ts'
import { below, masked, readList, refuse, refuseValue, type Spot } from '../tree/values.ts'

interface Published {
  readonly at: Place
  /** Null: any free one. */
  readonly port: number | Code | null
  readonly target: number
  readonly isLoopback: boolean
  readonly address: string | null
  readonly text: string
}

/** What speaks its own protocol behind these ports, and no HTTP. */
const tcpPorts: ReadonlySet<number> = new Set([
  21, 22, 25, 53, 110, 143, 389, 443, 465, 587, 636, 853, 993, 995, 1025, 1433, 1521, 1883, 2181, 2222, 3306, 4222, 5222, 5432,
  5433, 5671, 5672, 6379, 6380, 6432, 6514, 8443, 8883, 9042, 9092, 9093, 9094, 11211, 26257, 26379, 27017, 33060,
])

export function carryPorts(draft: ServiceDraft): void {
  const published = draft.get('ports') === undefined ? [] : readPorts(draft)
  const exposed = listOf(draft.get('expose')).flatMap((tree) => Number(/^(\d+)/.exec(textOf(tree) ?? '')?.[1] ?? []) || [])
  const isHostNetwork = draft.written['network'] === 'host'
  const target = chosenTarget(published, exposed)
  if (target === null) return
  if (isHostNetwork) draft.written['port'] = target
  else draft.written['containerPort'] = target
  const served = published.filter((each) => each.target === target)
  for (const each of published) {
    if (each.target === target) continue
    const instead =
      tcpPorts.has(each.target) && each.target === 443
        ? 'TLS ends at the balancer: give the route a domain and tls'
        : 'make it a service of its own, or let the program answer both at one port'
    draft.note(
      'ports',
      each.at,
      `${each.text}: a service publishes one port, and here that is ${target}; other containers reach them all`,
      instead,
    )
  }
  const local = served.filter((each) => each.isLoopback && each.port !== null)
  const open = served.filter((each) => !each.isLoopback && each.port !== null)
  const [first, ...others] = local
  if (first !== undefined && open.length === 0 && draft.written['replicas'] === undefined) {
    draft.written['port'] = isHostNetwork ? target : first.port
    for (const each of others)
      draft.note(
        'ports',
        each.at,
        `${each.text}: a service has one port of this machine`,
        `give it a route: { port: ${String(valueOf(each.port))} }`,
      )
    return
  }
  for (const each of local)
    draft.note(
      'ports',
      each.at,
      `${each.text} was for ${each.address} alone; the balancer has one address for all routes`,
      "balancer: { address: '127.0.0.1' } if that holds for all",
    )
  carryRoutes(
    draft,
    served.filter(({ port }) => port !== null),
    target,
  )
}

function carryRoutes(draft: ServiceDraft, published: readonly Published[], target: number): void {
  const isTcp = tcpPorts.has(target)
  const routes = published.map((each) => ({ port: each.port, ...(isTcp ? { protocol: 'tcp' } : {}) }))
  for (const each of published) {
    if (each.address !== null && !each.isLoopback && each.address !== '0.0.0.0' && each.address !== '::') {
      draft.note(
        'ports',
        each.at,
        `${each.text} was at the address ${each.address} alone; the balancer has one address for all routes`,
        `balancer: { address: '${each.address}' } if that holds for all`,
      )
    }
  }
  if (routes.length === 0) return
  draft.written['route'] = routes.length === 1 ? routes[0] : routes
  if (isTcp) draft.remarks['route'] = 'Connections are passed on as they are; drop it if only services here need it.'
}

/** The port inside: what is published, the one that looks most like the web first; else what is exposed, which other containers reach anyway. */
function chosenTarget(published: readonly Published[], exposed: readonly number[]): number | null {
  const targets = [...new Set(published.map(({ target }) => target))]
  const web = targets.find((target) => !tcpPorts.has(target))
  return web ?? targets[0] ?? exposed[0] ?? null
}

const listOf = (tree: Tree | undefined): readonly Tree[] => (tree?.kind === 'list' ? tree.items : [])

function readPorts(draft: ServiceDraft): readonly Published[] {
  const spot = draft.at('ports')
  const list = readList(draft.get('ports')!, spot)
  return (list?.items ?? []).flatMap((item, index) => {
    const place = below(spot, String(index))
    return item.kind === 'mapping'
      ? readLong(draft, item, place)
      : item.kind === 'scalar'
        ? readShort(draft, item, place)
        : (refuse(item, place, portNoun) ?? [])
  })
}

const portNoun = "a port such as '8080:80', '127.0.0.1:8080:80/tcp', or { target, published }"

function readShort(draft: ServiceDraft, item: Scalar, spot: Spot): readonly Published[] {
  const { text, restore } = masked(item)
  const match = /^(?:(\[[^\]]+\]|[^:[\]]+):(?=[^:]*:))?(?:([^:/]*):)?([^:/]+)(?:\/(tcp|udp|sctp))?$/.exec(text)
  if (match === null) return refuseValue(item, spot, portNoun) ?? []
  const [, address, from, to, protocol] = match
  const target = portOf(restore(to!))
  if (target === null) return refuseValue(item, spot, portNoun) ?? []
  const port = from === undefined || from === '' ? null : publishedOf(restore(from))
  if (port === undefined) return refuseValue(item, spot, portNoun) ?? []
  return checked(draft, {
    at: item.at,
    text: String(item.value),
    address: address === undefined ? null : String(valueOf(restore(address))),
    protocol,
    port,
    target,
    isRange: /-/.test(`${from ?? ''}${to}`),
  })
}

function readLong(draft: ServiceDraft, item: Tree, spot: Spot): readonly Published[] {
  const target = portOf(textOf(get(item, 'target')) ?? '')
  const from = get(item, 'published')
  const port = from === undefined ? null : publishedOf(from.kind === 'scalar' ? masked(from).restore(masked(from).text) : '')
  if (target === null || port === undefined) return refuseValue(item, spot, portNoun) ?? []
  const text = `${port === null ? '' : `${String(valueOf(port))}:`}${target}`
  const mode = textOf(get(item, 'mode'))
  if (mode !== undefined && mode !== 'host' && mode !== 'ingress')
    refuseValue(get(item, 'mode')!, below(spot, 'mode'), 'host, ingress')
  return checked(draft, {
    at: item.at,
    text,
    address: textOf(get(item, 'host_ip')) ?? null,
    protocol: textOf(get(item, 'protocol')),
    port,
    target,
    isRange: /-/.test(textOf(from) ?? ''),
  })
}

interface Read {
  readonly at: Place
  readonly text: string
  readonly address: string | null
  readonly protocol: string | undefined
  readonly port: number | Code | null
  readonly target: number
  readonly isRange: boolean
}

function checked(draft: ServiceDraft, { protocol, isRange, ...rest }: Read): readonly Published[] {
  if (protocol !== undefined && protocol !== 'tcp') {
    draft.note(
      'ports',
      rest.at,
      `${rest.text}: the balancer does not pass on ${protocol.toUpperCase()}`,
      "network: 'host', and the program listens itself",
    )
    return []
  }
  if (isRange)
    draft.note(
      'ports',
      rest.at,
      `${rest.text} is a range; only its first port is taken`,
      'a route for each further port, each to a service of its own',
    )
  const isLoopback = rest.address !== null && /^(?:127\.\d+\.\d+\.\d+|localhost|\[?::1\]?)$/.test(rest.address)
  return [{ ...rest, isLoopback }]
}

const valueOf = (value: string | number | Code | null): string | number | null => (value instanceof Code ? value.value : value)

/** The first port of `8000-8010`; null for what is no port. */
function portOf(piece: string | Code): number | null {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(String(valueOf(piece)).trim())
  const port = Number(match?.[1])
  return match !== null && port >= 1 && port <= 65_535 && (match[2] === undefined || Number(match[2]) >= port) ? port : null
}

function publishedOf(piece: string | Code): number | Code | undefined {
  const port = portOf(piece)
  if (port === null) return undefined
  return piece instanceof Code && /^\d+$/.test(String(piece.value)) ? new Code(piece.parts, 'number') : port
}
