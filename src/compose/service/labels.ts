/**
 * `labels` for Traefik: its routers by host and path become routes, and Traefik itself is left out, because the balancer does its work.
 * Only what a route can say is read (`Host`, `PathPrefix`); any other rule, and what a middleware does on the way, is told of.
 */

import { Code, evaluated } from '../../proposal/code.ts'
import { asMapping } from '../tree/merge.ts'
import type { ServiceDraft } from './service.ts'
import { type Entry, get, type Mapping, textOf, type Tree } from '../tree/tree.ts'
import { masked } from '../tree/values.ts'

type Labels = readonly (readonly [key: string, entry: Entry])[]

interface Place {
  readonly domain: string | Code
  readonly path: string | Code | null
}

/** Whether a service says in its labels how Traefik reaches it. */
export function isRoutedByLabels(service: Mapping): boolean {
  return labelsOf(get(service, 'labels')).some(([key]) => routerRule.test(key))
}

/** The proxy itself; `traefik/whoami` is none. */
export const isTraefik = (service: Mapping): boolean =>
  /^(?:[^/]+\/)?(?:library\/)?traefik(?:[:@]|$)/.test(textOf(get(service, 'image')) ?? '')

export function carryLabels(draft: ServiceDraft): void {
  draft.with('labels', (tree) => {
    const labels = labelsOf(tree)
    const ours = labels.filter(([key]) => key.startsWith('traefik.'))
    if (ours.length < labels.length || labels.length === 0)
      draft.note('labels', tree.at, 'labels have no meaning for Daruma', 'nothing')
    if (ours.length === 0 || ours.some(([key, { value }]) => key === 'traefik.enable' && textOf(value) === 'false')) return
    const places = ours.filter(([key]) => routerRule.test(key)).flatMap(([key, entry]) => readRouter(key, entry, draft))
    noteOthers(ours, draft)
    if (places.length > 0) carryPlaces(places, ours, draft)
  })
}

const routerRule = /^traefik\.http\.routers\.[^.]+\.rule$/
const portLabel = /^traefik\.http\.services\.[^.]+\.loadbalancer\.server\.port$/

function labelsOf(tree: Tree | undefined): Labels {
  const mapping = tree === undefined ? undefined : asMapping(tree, 'labels')
  return mapping?.kind === 'mapping' ? [...mapping.entries] : []
}

/** `Host(…)`, several of them with `||`, each with `&& PathPrefix(…)`: as people write them. */
function readRouter(key: string, { value, at }: Entry, draft: ServiceDraft): readonly Place[] {
  const { text, restore } = value.kind === 'scalar' ? masked(value) : { text: '', restore: (piece: string) => piece }
  const alternatives = alternativesOf(text)
  if (alternatives === null) {
    draft.note(
      `labels.${key}`,
      at,
      `${textOf(value) ?? 'this'}: a route knows a domain and the beginning of a path`,
      "route: { domain: 'example.com', path: '/…' }, and let the program look at the rest",
    )
    return []
  }
  return alternatives.map(({ domain, path }) => ({ domain: restore(domain), path: path === null ? null : restore(path) }))
}

interface Alternative {
  readonly domain: string
  readonly path: string | null
}

function alternativesOf(rule: string): readonly Alternative[] | null {
  const quoted = String.raw`[\`"]([^\`"]+)[\`"]`
  const list = String.raw`\(\s*((?:${quoted.replace('(', '(?:')}\s*,?\s*)+)\)`
  const names = (text: string): readonly string[] => [...text.matchAll(new RegExp(quoted, 'g'))].map(([, name = '']) => name)
  // (Host(a) || Host(b)) && PathPrefix(/x)
  const whole = new RegExp(
    `^\\(?((?:\\s*(?:\\|\\|)?\\s*Host${list})+)\\s*\\)?(?:\\s*&&\\s*\\(?\\s*PathPrefix${list}\\s*\\)?)?\\s*$`,
  ).exec(rule)
  if (whole !== null && (rule.startsWith('(') || !whole[1]!.includes('||') || whole[3] === undefined)) {
    const paths = whole[3] === undefined ? [null] : names(whole[3])
    return names(whole[1]!).flatMap((domain) => paths.map((path) => ({ domain, path })))
  }
  const single = new RegExp(`^\\s*\\(?\\s*Host${list}(?:\\s*&&\\s*PathPrefix${list})?\\s*\\)?\\s*$`)
  const pieces = rule.split('||').map((piece) => single.exec(piece))
  if (pieces.some((piece) => piece === null)) return null
  return pieces.flatMap((piece) =>
    names(piece![1]!).flatMap((domain) =>
      (piece![2] === undefined ? [null] : names(piece![2])).map((path) => ({ domain, path })),
    ),
  )
}

/** Routers for http and for https say the same twice. */
function carryPlaces(places: readonly Place[], labels: Labels, draft: ServiceDraft): void {
  const seen = new Set<string>()
  const routes = places.flatMap(({ domain, path }): readonly unknown[] => {
    const key = `${plainOf(domain)}${path === null ? '' : plainOf(path)}`
    if (seen.has(key)) return []
    seen.add(key)
    return path === null || path === '/' ? [domain instanceof Code ? { domain } : domain] : [{ domain, path }]
  })
  const before = draft.written['route']
  const all = [...(before === undefined ? [] : Array.isArray(before) ? before : [before]), ...routes]
  draft.written['route'] = all.length === 1 ? all[0] : all
  carryPort(labels, draft)
  const tls = labels.find(([key]) => /^traefik\.http\.routers\.[^.]+\.tls(?:\.certresolver)?$/.test(key))
  if (tls !== undefined)
    draft.note(
      `labels.${tls[0]}`,
      tls[1].at,
      'certificates are fetched for all domains together',
      "balancer: { acme: { email: 'ops@example.com' } } beside services; requests without TLS are then sent to https",
    )
}

function carryPort(labels: Labels, draft: ServiceDraft): void {
  const label = labels.find(([key]) => portLabel.test(key))
  const port = Number(label === undefined ? Number.NaN : textOf(label[1].value))
  const known = draft.written['containerPort'] ?? (draft.written['network'] === 'host' ? draft.written['port'] : undefined)
  if (Number.isInteger(port) && known === undefined) draft.written['containerPort'] = port
  else if (label !== undefined && known !== port)
    draft.note(
      `labels.${label[0]}`,
      label[1].at,
      `${textOf(label[1].value) ?? 'this'}: a service publishes one port, and here that is ${known === undefined ? 'none' : JSON.stringify(evaluated(known))}`,
      'containerPort, if the other one is meant',
    )
  else if (known === undefined)
    draft.note(
      'labels',
      draft.get('labels')?.at,
      'Traefik takes the first port that the image exposes, and a config does not see it',
      'containerPort: 8080, or whatever the program listens on',
    )
}

/** What a route has no word for. */
function noteOthers(labels: Labels, draft: ServiceDraft): void {
  const others = labels.filter(
    ([key]) =>
      (/^traefik\.(?:tcp|udp)\.routers\.[^.]+\.rule$/.test(key) || key.startsWith('traefik.http.middlewares.')) &&
      !/\.redirectscheme\./i.test(key),
  )
  const seen = new Set<string>()
  for (const [key, { at }] of others) {
    const isMiddleware = key.startsWith('traefik.http.middlewares.')
    const name = isMiddleware ? key.split('.').slice(0, 5).join('.') : key
    if (seen.has(name)) continue
    seen.add(name)
    if (isMiddleware)
      draft.note(
        `labels.${name}`,
        at,
        'requests are passed on unchanged',
        'let the program do it, or a proxy of your own behind the route',
      )
    else draft.note(`labels.${name}`, at, 'this is for a port of its own', "route: { port: 5432, protocol: 'tcp' }")
  }
}

const plainOf = (value: string | Code): string => (value instanceof Code ? String(value.value) : value)
