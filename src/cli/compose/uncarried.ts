/** What is left of a service, and of the file, when everything that a config can say has been taken: each thing gets its line. */

import { asName } from '../proposal/settle.ts'
import { carriedDeployKeys, carriedKeys, deployAdvice, serviceAdvice, topAdvice } from './advice.ts'
import type { Ledger } from './ledger.ts'
import { asMapping } from './merge.ts'
import type { ServiceDraft } from './service.ts'
import { get, isNothing, type Mapping, textOf, type Tree } from './tree.ts'

export function noteRest(draft: ServiceDraft): void {
  for (const [key, { value, at }] of draft.source.entries) {
    if (carriedKeys.has(key) || key.startsWith('x-') || isNothing(value)) continue
    const advice = serviceAdvice[key]
    if (advice === undefined)
      draft.note(key, at, 'Compose does not know this key, and neither do we', 'look for the right spelling')
    else draft.note(key, at, `${inline(value)}${advice[0]}`, advice[1])
  }
  const deploy = draft.get('deploy')
  for (const [key, { at }] of deploy?.kind === 'mapping' ? deploy.entries : []) {
    if (carriedDeployKeys.has(key) || key.startsWith('x-')) continue
    const [message, instead] = deployAdvice[key] ?? [
      'Compose does not know this key, and neither do we',
      'look for the right spelling',
    ]
    draft.note(`deploy.${key}`, at, message, instead)
  }
  const reservations = get(get(deploy, 'resources'), 'reservations')
  if (reservations !== undefined)
    draft.note(
      'deploy.resources.reservations',
      reservations.at,
      'nothing is reserved on one machine',
      'limits: cpu, memory, pids',
    )
  draft.with('labels', (tree) => {
    const text = JSON.stringify(
      tree.kind === 'list' ? tree.items.map(textOf) : tree.kind === 'mapping' ? [...tree.entries.keys()] : '',
    )
    const isTraefik = text.includes('traefik')
    draft.note(
      'labels',
      tree.at,
      isTraefik ? 'labels for Traefik: the balancer is told by the config' : 'labels have no meaning for Daruma',
      isTraefik ? "route: { domain: 'example.com' }" : 'nothing',
    )
  })
  draft.with('configs', (tree) =>
    draft.note(
      'configs',
      tree.at,
      'a container gets no files from a config',
      'put them into the image: COPY in a Dockerfile, and image: { build: … }',
    ),
  )
  draft.with('networks', (tree) => {
    const mapping = asMapping(tree, 'networks')
    if (mapping.kind !== 'mapping') return
    const others = [...mapping.entries].filter(([, { value }]) => value.kind === 'mapping' && value.entries.size > 0)
    for (const [name, { at }] of others)
      draft.note(
        `networks.${name}`,
        at,
        'addresses and other names in a network have no counterpart',
        'others find it by the name of its service',
      )
  })
  if (textOf(draft.get('tty')) === 'true' || textOf(draft.get('stdin_open')) === 'true')
    draft.note('tty', (draft.get('tty') ?? draft.get('stdin_open'))?.at, 'a service has no terminal', 'daruma exec SERVICE -- sh')
}

/** A short value in front of the sentence about it. */
function inline(value: Tree): string {
  const text = value.kind === 'scalar' ? String(value.value) : ''
  return text === '' || text.length > 60 ? '' : `${text}: `
}

const quietTop: ReadonlySet<string> = new Set(['name', 'version', 'services', 'secrets', 'configs'])

export function noteTopLevel(tree: Mapping, ledger: Ledger): void {
  for (const [key, { at, value }] of tree.entries) {
    if (quietTop.has(key) || key.startsWith('x-') || isNothing(value)) continue
    if (key === 'networks') noteNetworks(value, ledger)
    else if (key === 'volumes') noteVolumes(value, ledger)
    else {
      const [message, instead] = topAdvice[key] ?? [
        'Compose does not know this key, and neither do we',
        'look for the right spelling',
      ]
      ledger.note(at, key, message, instead)
    }
  }
}

/** Several networks keep services apart, which here nothing does; with one there is nothing to say. */
function noteNetworks(tree: Tree, ledger: Ledger): void {
  if (tree.kind !== 'mapping') return
  const names = [...tree.entries.keys()].filter((name) => name !== 'default')
  if (names.length > 1)
    ledger.note(
      tree.at,
      'networks',
      `${names.join(', ')}: all containers of a project are in one network, and each finds every other`,
      "network: 'none' for what needs none",
    )
  for (const [name, { at, value }] of tree.entries) {
    if (textOf(get(value, 'external')) !== undefined)
      ledger.note(
        at,
        `networks.${name}`,
        'a network from outside of the file is not joined, and nobody there is found by name',
        'route by port or domain, and let the other side come through the balancer',
      )
    else if (textOf(get(value, 'internal')) === 'true')
      ledger.note(
        at,
        `networks.${name}.internal`,
        'containers can reach the outside',
        "network: 'none' for what must not, or a firewall of the machine",
      )
  }
}

function noteVolumes(tree: Tree, ledger: Ledger): void {
  if (tree.kind !== 'mapping' || tree.entries.size === 0) return
  const [name, entry] = [...tree.entries][0]!
  const inEngine = textOf(get(entry.value, 'name')) ?? `PROJECT_${name}`
  ledger.note(
    tree.at,
    'volumes',
    "what is in the engine's volumes is not moved",
    `before the first up, for each: docker run --rm -v ${inEngine}:/from -v STATE/volumes/${asName(name, 'data')}:/to busybox cp -a /from/. /to`,
  )
  for (const [name, { at, value }] of tree.entries) {
    if (value.kind !== 'mapping' || value.entries.size === 0) continue
    const driver = textOf(get(value, 'driver'))
    if (get(value, 'driver_opts') !== undefined || (driver !== undefined && driver !== 'local'))
      ledger.note(
        at,
        `volumes.${name}`,
        'a volume is a directory of this machine',
        'mount the other file system at STATE/volumes, or let the program speak to it',
      )
  }
}
