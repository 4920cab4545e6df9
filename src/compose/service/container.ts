/**
 * What the container is made of: `image`, `build`, `command`, `user`, capabilities, network. Compose's images expect most of what Docker
 * allows by default, and Daruma allows nothing: what an entry point needs to hand its files to another user is given back.
 */

import { formatSize } from '../../core/values/quantity.ts'
import { Code } from '../../proposal/code.ts'
import { looksSecret } from './secret-names.ts'
import type { ServiceDraft } from './service.ts'
import { get, type Mapping, type Place, textOf, type Tree } from '../tree/tree.ts'
import {
  below,
  readBoolean,
  readList,
  readMapping,
  readNumber,
  readPlain,
  readSizeBytes,
  readText,
  readWords,
  refuse,
  refuseValue,
  type Spot,
} from '../tree/values.ts'

export function carryContainer(draft: ServiceDraft): void {
  carryImage(draft)
  draft.with('pull_policy', (tree) => carryPull(tree, draft))
  carryCommand(draft)
  draft.with('working_dir', (tree, spot) => assign(draft, 'directory', readText(tree, spot)))
  draft.with('user', (tree, spot) => assign(draft, 'user', readText(tree, spot)))
  draft.with('read_only', (tree, spot) => {
    if (readBoolean(tree, spot) === true) draft.written['readOnly'] = true
  })
  carryCapabilities(draft)
  draft.with('network_mode', (tree, spot) => carryNetworkMode(tree, spot, draft))
  carryLimits(draft)
  draft.with('ulimits', (tree, spot) => carryUlimits(tree, spot, draft))
}

/** Most entry points run what they are given (`exec "$@"`), so that one of Compose's stands in front of the command. */
function carryCommand(draft: ServiceDraft): void {
  const wordsOf = (key: 'entrypoint' | 'command'): readonly (string | Code)[] => {
    const tree = draft.get(key)
    const words = tree === undefined ? undefined : readWords(tree, draft.at(key))
    return (words ?? []).map((word) => withoutSecret(word, { key, at: tree!.at }, draft))
  }
  const entryPoint = wordsOf('entrypoint')
  const words = [...entryPoint, ...wordsOf('command')]
  const [shell, flag, script] = words
  const isScript = words.length === 3 && (shell === 'sh' || shell === '/bin/sh') && flag === '-c'
  if (words.length > 0) draft.written['command'] = isScript ? script : words
  if (entryPoint.length === 0) return
  const today = entryPoint.map((word) => (word instanceof Code ? String(word.value) : word))
  draft.note(
    'entrypoint',
    draft.get('entrypoint')!.at,
    `${today.join(' ')}: an image keeps its own entry point; that one is given this as its command`,
    `nothing, where the image has none or one that runs what it is given; else put it into the image: ${fromImage(draft)} ENTRYPOINT ${JSON.stringify(today)}`,
  )
}

/** How a sentence begins that puts something into the image. */
export function fromImage(draft: ServiceDraft): string {
  const image = draft.get('build') === undefined ? textOf(draft.get('image')) : undefined
  return image === undefined ? 'in the Dockerfile,' : `a Dockerfile of two lines, FROM ${image} and`
}

/** A command line is recorded and shown: a secret in it is told of, and its default is not copied. */
export function withoutSecret(
  word: string | Code,
  { key, at }: { readonly key: string; readonly at: Place },
  draft: ServiceDraft,
): string | Code {
  if (!(word instanceof Code)) return word
  const secrets = word.variables.filter(({ name }) => looksSecret(name, null))
  if (secrets.length === 0) return word
  const names = secrets.map(({ name }) => name).join(', ')
  draft.note(
    key,
    at,
    `${names}: what stands in a command is recorded and shown`,
    `let the program take it from a variable: environment: { ${secrets[0]!.name}: secret('${secrets[0]!.name}') }`,
  )
  const parts = word.parts.map((part) =>
    typeof part !== 'string' && secrets.includes(part) ? { ...part, form: 'plain' as const, operand: [] } : part,
  )
  return new Code(parts, word.as)
}

function assign(draft: ServiceDraft, key: string, value: unknown): void {
  if (value !== undefined) draft.written[key] = value
}

function carryImage(draft: ServiceDraft): void {
  const { source } = draft
  const build = draft.get('build')
  const image = draft.get('image')
  if (build !== undefined) {
    carryBuild(build, draft)
    return
  }
  if (image === undefined) {
    draft.context.ledger.problem(
      'E_COMPOSE_NO_IMAGE',
      source.at,
      draft.spot.path,
      `${draft.name} has neither an image nor a build`,
      { allowed: "image: 'name:tag', or build: ./folder" },
    )
    return
  }
  assign(draft, 'image', readText(image, draft.at('image')))
}

function carryBuild(build: Tree, draft: ServiceDraft): undefined {
  const spot = draft.at('build')
  if (build.kind === 'list') return refuseValue(build, spot, 'a folder, or { context, dockerfile }')
  const context = build.kind === 'scalar' ? build : get(build, 'context')
  const folder = context === undefined ? '.' : readPlain(context, spot)
  if (folder === undefined) return
  if (/^(?:https?|git|ssh):|^git@|^github\.com/.test(folder)) {
    draft.note('build', build.at, `${folder}: an image is built from a folder of this machine`, 'clone it beside the config')
  }
  const dockerfile = get(build, 'dockerfile')
  const file = dockerfile === undefined ? undefined : readPlain(dockerfile, below(spot, 'dockerfile'))
  draft.written['image'] = {
    build: /^[./]/.test(folder) ? folder : `./${folder}`,
    ...(file === undefined || file === 'Dockerfile' ? {} : { file }),
  }
  if (build.kind !== 'mapping') return
  for (const [key, { at, value }] of build.entries) {
    if (key === 'context' || key === 'dockerfile' || key === 'tags') continue
    const names = key === 'args' && value.kind === 'mapping' ? ` (${[...value.entries.keys()].join(', ')})` : ''
    draft.note(
      `build.${key}`,
      at,
      `${key}${names}: an image is built from its folder and its Dockerfile alone`,
      key === 'args'
        ? 'write the values into the Dockerfile: ARG NAME=value'
        : key === 'target'
          ? 'a Dockerfile whose last stage is the one that is meant'
          : 'write it into the Dockerfile, or build the image yourself and name it under image',
    )
  }
}

const pulls: Readonly<Record<string, string>> = {
  always: 'always',
  never: 'never',
  missing: 'missing',
  if_not_present: 'missing',
}

function carryPull(tree: Tree, draft: ServiceDraft): void {
  const policy = textOf(tree) ?? ''
  if (policy === 'build') return
  const pull = pulls[policy]
  if (pull === undefined)
    draft.note('pull_policy', tree.at, `${policy} is not a time to pull`, "pull: 'always', at each daruma up")
  else if (pull !== 'missing') draft.written['pull'] = pull
}

/** What the entry points of the usual images need to give their data to a user of their own and to become that user. */
const entryPointNeeds = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'SETGID', 'SETUID']

function carryCapabilities(draft: ServiceDraft): void {
  const names = (key: string): readonly string[] => {
    const tree = draft.get(key)
    const list = tree === undefined ? undefined : readList(tree, draft.at(key))
    return (list?.items ?? []).map((item) => (textOf(item) ?? '').toUpperCase().replace(/^CAP_/, ''))
  }
  const added = names('cap_add')
  const dropped = names('cap_drop')
  const at = draft.get('cap_add')?.at
  if (added.includes('ALL'))
    draft.note(
      'cap_add',
      at,
      'ALL: every capability together is the machine',
      'name those that the program needs under capabilities',
    )
  const hasUser = draft.get('user') !== undefined && !/^(?:0|root)(?::|$)/.test(textOf(draft.get('user')) ?? '')
  const base = dropped.includes('ALL') || hasUser ? [] : entryPointNeeds.filter((name) => !dropped.includes(name))
  const capabilities = [...new Set([...base, ...added.filter((name) => name !== 'ALL')])].toSorted()
  if (capabilities.length > 0) draft.written['capabilities'] = capabilities
  if (base.length > 0)
    draft.remarks['capabilities'] =
      'Docker allows these by default and the entry points of the usual images rely on them. Take out what yours does not need.'
  draft.with('privileged', (tree, spot) => {
    if (readBoolean(tree, spot) === true)
      draft.note(
        'privileged',
        tree.at,
        'no container is privileged',
        'name what it needs under capabilities, or run it as a process of the machine (command without image)',
      )
  })
}

function carryNetworkMode(tree: Tree, spot: Spot, draft: ServiceDraft): void {
  const mode = readPlain(tree, spot) ?? ''
  if (mode === 'host' || mode === 'none') draft.written['network'] = mode
  else if (mode !== 'bridge' && mode !== 'default')
    draft.note(
      'network_mode',
      tree.at,
      `${mode}: a container has a network of its own, the machine's, or none`,
      "network: 'host' for both, and they meet at 127.0.0.1",
    )
}

function carryLimits(draft: ServiceDraft): void {
  const limits = deployLimits(draft.get('deploy'))
  const cpu = draft.get('cpus') ?? get(limits, 'cpus')
  if (cpu !== undefined) assign(draft, 'cpu', nonZero(readNumber(cpu, draft.at('cpus'))))
  const memory = draft.get('mem_limit') ?? get(limits, 'memory')
  const bytes = memory === undefined ? undefined : readSizeBytes(memory, draft.at('mem_limit'))
  if (bytes !== undefined && bytes > 0) draft.written['memory'] = formatSize(bytes)
  const pids = draft.get('pids_limit') ?? get(limits, 'pids')
  const most = pids === undefined ? undefined : readNumber(pids, draft.at('pids_limit'))
  if (typeof most !== 'number' || most > 0) assign(draft, 'pids', most)
}

/** The same shape and the same names. */
function carryUlimits(tree: Tree, spot: Spot, draft: ServiceDraft): void {
  const written: Record<string, unknown> = {}
  for (const [name, { value }] of readMapping(tree, spot)?.entries ?? []) {
    const at = below(spot, name)
    if (value.kind === 'scalar') written[name] = readNumber(value, at)
    else {
      const soft = get(value, 'soft')
      const hard = get(value, 'hard')
      if (soft === undefined || hard === undefined) refuse(value, at, 'a number, or { soft, hard }')
      else written[name] = { soft: readNumber(soft, below(at, 'soft')), hard: readNumber(hard, below(at, 'hard')) }
    }
  }
  if (Object.keys(written).length > 0) draft.written['ulimits'] = written
}

/** 0 is "no limit" to Docker. */
const nonZero = <Value>(value: Value): Value | undefined => (value === 0 ? undefined : value)

export function deployLimits(deploy: Tree | undefined): Mapping | undefined {
  const limits = get(get(deploy, 'resources'), 'limits')
  return limits?.kind === 'mapping' ? limits : undefined
}

/** The mapping under a key, or nothing. */
export function mappingAt(draft: ServiceDraft, key: string): Mapping | undefined {
  const tree = draft.get(key)
  return tree === undefined ? undefined : readMapping(tree, draft.at(key))
}
