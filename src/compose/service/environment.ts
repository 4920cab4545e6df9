/**
 * `environment`, `env_file`, `secrets`: the variables of a service. Values go into the config; what looks like a secret does not, it is
 * asked for by name when `daruma up` runs.
 */

import { Code } from '../../proposal/code.ts'
import { parseDotenv } from '../tree/dotenv.ts'
import { valueOf } from '../tree/interpolate.ts'
import { asMapping } from '../tree/merge.ts'
import { noteNames, wordsTold } from './names-of-others.ts'
import { looksSecret } from './secret-names.ts'
import type { ServiceDraft } from './service.ts'
import type { Part } from '../../proposal/variable.ts'
import { get, type Place, type Scalar, textOf, type Tree } from '../tree/tree.ts'
import { below, readBoolean, readMapping, refuse } from '../tree/values.ts'

interface Setting {
  readonly value: string | null
  readonly parts: readonly Part[] | null
  readonly at: Place
}

export async function carryEnvironment(draft: ServiceDraft): Promise<void> {
  const settings = new Map<string, Setting>()
  for (const tree of listOf(draft.get('env_file'))) await readEnvFile(draft, tree, settings)
  draft.with('environment', (tree, spot) => {
    const mapping = readMapping(asMapping(tree, 'environment'), spot)
    for (const [name, entry] of mapping?.entries ?? []) {
      if (entry.value.kind !== 'scalar') refuse(entry.value, below(spot, name), 'a text, a number or nothing')
      else settings.set(name, settingOf(entry.value, entry.at))
    }
  })
  const told = [...settings].map(([variable, { value, at }]) => ({ text: value ?? '', variable, at }))
  noteNames(draft, [...told, ...wordsTold(draft)])
  carrySecretFiles(draft, settings)
  const environment = Object.fromEntries([...settings].flatMap(([name, setting]) => carrySetting(draft, name, setting)))
  if (Object.keys(environment).length > 0) draft.written['environment'] = environment
}

function settingOf(scalar: Scalar, at: Place): Setting {
  return { value: scalar.value === null ? null : String(scalar.value), parts: scalar.parts, at }
}

const listOf = (tree: Tree | undefined): readonly Tree[] => (tree === undefined ? [] : tree.kind === 'list' ? tree.items : [tree])

/** `env_file: a.env`, or `{ path, required, format }`, or a list of both. */
async function readEnvFile(draft: ServiceDraft, tree: Tree, settings: Map<string, Setting>): Promise<void> {
  const spot = draft.at('env_file')
  const path = tree.kind === 'mapping' ? get(tree, 'path') : tree
  if (path === undefined || path.kind !== 'scalar') return refuse(tree, spot, 'a file, or { path, required }')
  const required = get(tree, 'required')
  const isRequired = required === undefined ? true : readBoolean(required, below(spot, 'required')) !== false
  const read = await draft.context.readFile(path, isRequired)
  if (read === null) {
    if (!isRequired)
      draft.note(
        'env_file',
        path.at,
        `${textOf(path)} is not here`,
        'import again when it is, or write its variables under environment',
      )
    return
  }
  const isRaw = textOf(get(tree, 'format')) === 'raw'
  for (const { name, value, parts, at } of parseDotenv(
    read.text,
    read.file,
    draft.context.variables,
    draft.context.ledger,
    isRaw,
  )) {
    settings.set(name, { value, parts, at })
  }
}

function carrySetting(draft: ServiceDraft, name: string, { value, parts, at }: Setting): readonly (readonly [string, unknown])[] {
  const { secrets } = draft.context
  if (name.startsWith('DARUMA_')) {
    draft.note(`environment.${name}`, at, 'variables that begin with DARUMA_ are given by Daruma', 'give it another name')
    return []
  }
  if (value === null)
    return [[name, looksSecret(name, null) ? { from: 'environment', name } : new Code([shellVariable(name, draft)], 'text')]]
  const inside = parts?.filter((part) => typeof part !== 'string') ?? []
  const [only] = inside
  if (only !== undefined && parts!.length === 1 && (looksSecret(name, value) || looksSecret(only.name, null))) {
    secrets.take(only.name)
    if (only.form === 'default' && valueOf(only.operand) !== '') {
      draft.note(
        `environment.${name}`,
        at,
        `the default of the secret ${only.name} is not copied`,
        `set ${only.name} in the environment of daruma up`,
      )
    }
    return [[name, { from: 'environment', name: only.name }]]
  }
  if (inside.length > 0 && (looksSecret(name, value) || inside.some((variable) => looksSecret(variable.name, null)))) {
    for (const variable of inside) secrets.take(variable.name)
    draft.remarks[`environment.${name}`] = 'Put together when daruma up runs, so that the secret in it is written nowhere.'
    return [[name, { from: 'command', command: ['sh', '-c', `printf %s "${parts!.map(inShell).join('')}"`] }]]
  }
  if (inside.length > 0) return [[name, new Code(parts!, 'text')]]
  if (!looksSecret(name, value)) return [[name, value]]
  const asked = secrets.nameFor(name, value, draft.name)
  draft.note(
    `environment.${name}`,
    at,
    'its value stands in the file; a config names secrets and does not hold them',
    `set ${asked} in the environment of daruma up`,
  )
  return [[name, { from: 'environment', name: asked }]]
}

function shellVariable(name: string, draft: ServiceDraft): Part {
  const known = draft.context.variables(name) ?? null
  return { name, form: 'plain', isEmptyNone: false, operand: [], value: known ?? '', known }
}

/** A part as `sh` says it between double quotes; a variable without a value ends the command, so that no half secret is used. */
function inShell(part: Part): string {
  if (typeof part === 'string') return part.replaceAll(/["\\$`]/g, '\\$&')
  const isRequired = part.form === 'plain' || part.form === 'required' || looksSecret(part.name, null)
  if (isRequired) return `\${${part.name}:?}`
  const colon = part.isEmptyNone ? ':' : ''
  return `\${${part.name}${colon}${part.form === 'instead' ? '+' : '-'}${part.operand.map(inShell).join('')}}`
}

/**
 * Compose puts a secret into a file and its path into `NAME_FILE`, which the official images read in place of `NAME`. Here a secret
 * is a variable: so `NAME` it is.
 */
function carrySecretFiles(draft: ServiceDraft, settings: Map<string, Setting>): void {
  const written: Record<string, unknown> = {}
  for (const tree of listOf(draft.get('secrets'))) {
    const name = textOf(get(tree, 'source') ?? tree)
    if (name === undefined) {
      refuse(tree, draft.at('secrets'), 'the name of a secret, or { source, target }')
      continue
    }
    const source = sourceOf(draft, name, tree)
    const target = textOf(get(tree, 'target')) ?? name
    const path = target.startsWith('/') ? target : `/run/secrets/${target}`
    const users = [...settings].filter(([variable, { value }]) => variable.endsWith('_FILE') && value === path)
    for (const [variable] of users) {
      settings.delete(variable)
      if (source !== null) written[variable.slice(0, -'_FILE'.length)] = source
    }
    if (users.length === 0 && source !== null) {
      draft.note(
        'secrets',
        tree.at,
        `${name} was read from ${path}; a secret is a variable here, not a file`,
        `let the program take it from a variable: secrets: { ${variableOf(name)}: … }`,
      )
    }
  }
  if (Object.keys(written).length === 0) return
  draft.written['secrets'] = written
  draft.remarks['secrets'] = 'As variables; the file of Compose (…_FILE) is not there.'
}

const variableOf = (name: string): string => name.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')

function sourceOf(draft: ServiceDraft, name: string, asked: Tree): object | null {
  const definition = draft.context.top('secrets', name)
  const file = textOf(get(definition, 'file'))
  const variable = textOf(get(definition, 'environment'))
  if (file !== undefined) return { from: 'file', path: /^[./]/.test(file) ? file : `./${file}` }
  if (variable !== undefined) return { from: 'environment', name: variable }
  if (definition === undefined)
    draft.context.ledger.problem('E_COMPOSE_VALUE', asked.at, ['services', draft.name, 'secrets'], `there is no secret ${name}`, {
      allowed: 'one of the names under secrets',
    })
  else
    draft.note(
      'secrets',
      asked.at,
      `${name} comes from outside of the file`,
      `secrets: { ${variableOf(name)}: secret('${variableOf(name)}') }`,
    )
  return null
}
