/** What is left of a service, and of the file, when everything that a config can say has been taken: each thing gets its line. */

import { asName } from '../proposal/settle.ts'
import { carriedDeployKeys, carriedKeys, deployAdvice, device, serviceAdvice, topAdvice } from './advice.ts'
import { fromImage } from './service/container.ts'
import type { Ledger } from './tree/ledger.ts'
import { asMapping } from './tree/merge.ts'
import type { ServiceDraft } from './service/service.ts'
import { get, isNothing, type Mapping, textOf, type Tree } from './tree/tree.ts'

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
  if (get(reservations, 'devices') !== undefined) draft.note('deploy.resources.reservations.devices', reservations?.at, ...device)
  else if (reservations !== undefined)
    draft.note(
      'deploy.resources.reservations',
      reservations.at,
      'nothing is reserved on one machine',
      'limits: cpu, memory, pids',
    )
  draft.with('configs', (tree) => {
    for (const item of tree.kind === 'list' ? tree.items : []) noteConfig(item, draft)
  })
  draft.with('extra_hosts', (tree) => noteHosts(asMapping(tree, 'extra_hosts'), draft))
  draft.with('security_opt', (tree) => {
    const options = tree.kind === 'list' ? tree.items : [tree]
    // That one holds for every container.
    for (const option of options.filter((each) => !/^no-new-privileges(?:[:=]true)?$/.test(textOf(each) ?? '')))
      draft.note(
        'security_opt',
        option.at,
        `${textOf(option) ?? ''}: a container gets the default profiles of the engine`,
        'nothing, mostly',
      )
  })
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

function noteConfig(item: Tree, draft: ServiceDraft): void {
  const name = textOf(get(item, 'source') ?? item) ?? ''
  const target = textOf(get(item, 'target')) ?? `/${name}`
  const file = textOf(get(draft.context.top('configs', name), 'file'))
  const copied = file === undefined ? 'what it holds' : file
  draft.note(
    `configs.${name}`,
    item.at,
    `${target}: a container gets no files from a config`,
    `put it into the image: ${fromImage(draft)} COPY ${copied} ${target}`,
  )
}

/** The machine itself has that name in every container. */
function noteHosts(hosts: Tree, draft: ServiceDraft): void {
  const entries = hosts.kind === 'mapping' ? [...hosts.entries] : []
  for (const [name, { value, at }] of entries) {
    const isMachine = textOf(value) === 'host-gateway'
    if (isMachine && name === 'host.docker.internal') continue
    if (isMachine) draft.note('extra_hosts', at, `${name}: the machine is found as host.docker.internal alone`, 'that name')
    else
      draft.note(
        'extra_hosts',
        at,
        `${name}: a container has the names that the machine's own DNS knows`,
        `${textOf(value) ?? 'its address'} in the place of the name, or a record in that DNS`,
      )
  }
}

/** A short value in front of the sentence about it. */
function inline(value: Tree): string {
  const text = value.kind === 'scalar' ? String(value.value) : ''
  return text === '' || text.length > 60 ? '' : `${text}: `
}

const quietTop: ReadonlySet<string> = new Set(['name', 'version', 'services', 'secrets', 'configs'])

export function noteTopLevel(tree: Mapping, project: string, ledger: Ledger): void {
  for (const [key, { at, value }] of tree.entries) {
    if (quietTop.has(key) || key.startsWith('x-') || isNothing(value)) continue
    if (key === 'networks') noteNetworks(value, ledger)
    else if (key === 'volumes') noteVolumes(value, project, ledger)
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
    if (isExternal(value))
      ledger.note(
        at,
        `networks.${name}`,
        'a network from outside of the file is not joined, and nothing there is found by name',
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

function isExternal(value: Tree): boolean {
  const external = get(value, 'external')
  return external !== undefined && textOf(external) !== 'false'
}

function noteVolumes(tree: Tree, project: string, ledger: Ledger): void {
  if (tree.kind !== 'mapping' || tree.entries.size === 0) return
  // As Compose makes a project's name of a folder's.
  const prefix = project.toLowerCase().replaceAll(/[^a-z0-9_-]/g, '')
  const moves = [...tree.entries].map(([name, { value }]) => ({
    from: textOf(get(value, 'name')) ?? (isExternal(value) ? name : `${prefix}_${name}`),
    to: asName(name, 'data'),
  }))
  const [first, ...others] = moves as [(typeof moves)[number], ...typeof moves]
  ledger.note(
    tree.at,
    'volumes',
    "what is in the engine's volumes is not moved",
    [
      `before the first up: docker run --rm -v ${first.from}:/from -v STATE/volumes/${first.to}:/to busybox cp -a /from/. /to`,
      ...(others.length === 0 ? [] : [`the same from ${others.map(({ from, to }) => `${from} to ${to}`).join(', ')}`]),
    ].join('; '),
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
