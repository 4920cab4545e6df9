/**
 * A Compose project as what a config would say of it. `daruma import` and `daruma init` read by this alone. The answer is either what can
 * be written, with a note for each thing that cannot, or problems: the file is wrong, and Compose would refuse it too.
 */

import { basename, dirname, resolve } from 'node:path'
import type { LocatedProblem } from '../core/config/render-problems.ts'
import type { FoundService } from '../proposal/found.ts'
import { carryContainer } from './service/container.ts'
import { carryEnvironment } from './service/environment.ts'
import { carryHealth, hasHealth } from './service/health.ts'
import { carryLabels, isRoutedByLabels, isTraefik } from './service/labels.ts'
import { carryLife } from './service/life.ts'
import { carryPorts } from './service/ports.ts'
import { carryVolumes } from './service/volumes.ts'
import { checkCycles } from './cycles.ts'
import { extended } from './tree/extend.ts'
import { Ledger, type Note } from './tree/ledger.ts'
import { type LoadedCompose, loadCompose, type LoadOptions, readText } from './tree/load.ts'
import { asMapping } from './tree/merge.ts'
import { otherNames } from './service/names-of-others.ts'
import { Secrets } from './service/secret-names.ts'
import { type Facts, type ProjectContext, ServiceDraft } from './service/service.ts'
import { get, isNothing, type Mapping, type Place, textOf, type Tree } from './tree/tree.ts'
import { noteRest, noteTopLevel } from './unsupported.ts'

export interface ReadOptions extends LoadOptions {
  readonly profiles: readonly string[]
}

export type ComposeReading =
  | {
      readonly ok: true
      /** As the file says it, else the folder's name. */
      readonly name: string
      readonly services: readonly FoundService[]
      readonly notes: readonly Note[]
      /** Whether a variable gets its value from `.env`, which Daruma does not read by itself. */
      readonly usesDotenv: boolean
      /** What people called the things that they share, each with its keys. */
      readonly anchors: ReadonlyMap<string, readonly string[]>
      /** Where the files say what became a key of a service's config: the key that it was made of, else the service. */
      readonly placeOf: (service: string, key: string) => Place | null
    }
  | { readonly ok: false; readonly problems: readonly LocatedProblem[] }

export async function readCompose(options: ReadOptions): Promise<ComposeReading> {
  const ledger = new Ledger()
  const loaded = await loadCompose(options, ledger)
  const services = loaded === null || ledger.hasProblems ? null : await enabledServices(loaded, options.profiles, ledger)
  if (loaded === null || services === null || ledger.hasProblems) return { ok: false, problems: ledger.problems }
  checkCycles(services.all, ledger)
  const context = contextOf(loaded, services, ledger)
  const found: FoundService[] = []
  const proxies = proxiesOf(services.enabled, ledger)
  for (const [name, service] of services.enabled)
    if (!proxies.has(name)) found.push(withoutProxies(await carryService(name, service, context), proxies))
  const name = textOf(get(loaded.tree, 'name')) ?? basename(loaded.directory)
  noteTopLevel(loaded.tree, name, ledger)
  if (ledger.hasProblems) return { ok: false, problems: ledger.problems }
  const { usesDotenv } = loaded
  return {
    ok: true,
    name,
    services: found,
    notes: ledger.notes,
    usesDotenv: usesDotenv(),
    anchors: ledger.anchors,
    placeOf: (service, key) => placeIn(services.enabled.get(service), key),
  }
}

/** Traefik, where services tell it about themselves: their labels have become routes, and the balancer has its ports. */
function proxiesOf(services: ReadonlyMap<string, Mapping>, ledger: Ledger): ReadonlySet<string> {
  const isUsed = [...services.values()].some(isRoutedByLabels)
  const proxies = isUsed ? [...services].filter(([, service]) => isTraefik(service)) : []
  for (const [name, { at }] of proxies)
    ledger.note(at, `services.${name}`, 'it is left out: the balancer does what it did', 'route and balancer, in the config')
  return new Set(proxies.map(([name]) => name))
}

function withoutProxies(service: FoundService, proxies: ReadonlySet<string>): FoundService {
  const { after } = service.written
  if (after === undefined) return service
  const left = Array.isArray(after)
    ? after.filter((name) => !proxies.has(String(name)))
    : Object.fromEntries(Object.entries(after as object).filter(([name]) => !proxies.has(name)))
  return { ...service, written: { ...service.written, after: Object.keys(left).length === 0 ? undefined : left } }
}

interface Services {
  readonly all: ReadonlyMap<string, Mapping>
  readonly enabled: ReadonlyMap<string, Mapping>
  readonly leftOut: ReadonlyMap<string, readonly string[]>
}

async function enabledServices(
  { tree, variables, directory }: LoadedCompose,
  profiles: readonly string[],
  ledger: Ledger,
): Promise<Services | null> {
  const section = get(tree, 'services')
  if (section?.kind !== 'mapping' || section.entries.size === 0) {
    if (section === undefined || section.kind === 'mapping')
      ledger.problem('E_COMPOSE_EMPTY', section?.at ?? tree.at, ['services'], 'the file has no services', {
        allowed: 'services: { web: { image: … } }',
      })
    else
      ledger.problem('E_COMPOSE_TYPE', section.at, ['services'], 'services is not a mapping', {
        allowed: 'services: { web: { image: … } }',
      })
    return null
  }
  const all = new Map<string, Mapping>()
  const leftOut = new Map<string, readonly string[]>()
  for (const [name, { value, at }] of section.entries) {
    if (value.kind !== 'mapping') {
      ledger.problem(
        'E_COMPOSE_TYPE',
        isNothing(value) ? at : value.at,
        ['services', name],
        `${name} says nothing that can be run`,
        { allowed: '{ image: … }' },
      )
      continue
    }
    const service = await extended(name, value, { services: section, variables, ledger, directory })
    all.set(name, service)
    const own = get(service, 'profiles')
    const names = own?.kind === 'list' ? own.items.flatMap((item) => textOf(item) ?? []) : []
    const isEnabled = names.length === 0 || profiles.includes('*') || names.some((profile) => profiles.includes(profile))
    if (isEnabled) continue
    leftOut.set(name, names)
    ledger.note(
      at,
      `services.${name}`,
      `it is behind the profile ${names.join(', ')} and left out`,
      `daruma import --profile ${names[0]} takes it along`,
    )
  }
  const enabled = new Map([...all].filter(([name]) => !leftOut.has(name)))
  if (enabled.size === 0 && !ledger.hasProblems)
    ledger.problem('E_COMPOSE_EMPTY', section.at, ['services'], 'every service is behind a profile', {
      allowed: `--profile ${[...leftOut.values()][0]![0]}`,
    })
  return { all, enabled, leftOut }
}

function contextOf(loaded: LoadedCompose, { all, enabled, leftOut }: Services, ledger: Ledger): ProjectContext {
  const jobs = new Set<string>()
  for (const service of all.values()) {
    const dependencies = get(service, 'depends_on')
    const mapping = dependencies === undefined ? undefined : asMapping(dependencies, 'depends_on')
    if (mapping?.kind !== 'mapping') continue
    for (const [name, { value }] of mapping.entries)
      if (textOf(get(value, 'condition')) === 'service_completed_successfully') jobs.add(name)
  }
  const facts = new Map<string, Facts>()
  for (const [name, service] of enabled)
    facts.set(name, { hasHealth: hasHealth(service), isJob: jobs.has(name), otherNames: otherNames(service) })
  return {
    ledger,
    secrets: new Secrets(),
    facts,
    leftOut,
    top: (section, name) => get(get(loaded.tree, section), name),
    variables: loaded.variables,
    async readFile(tree: Tree, isRequired: boolean) {
      const file = resolve(dirname(tree.at.file), textOf(tree) ?? '')
      const fromProject = resolve(loaded.directory, textOf(tree) ?? '')
      const text =
        (await readText(fromProject, null, ledger, tree)) ??
        (await readText(file, isRequired ? 'E_COMPOSE_ENV_FILE' : null, ledger, tree))
      return text === null ? null : { text, file }
    },
  }
}

/** The config's own reader looks for it, too, and would refuse what is written. */
async function lookForDockerfile(draft: ServiceDraft): Promise<void> {
  const { build, file = 'Dockerfile' } = (draft.written['image'] ?? {}) as { readonly build?: string; readonly file?: string }
  const asked = draft.get('build')
  if (build === undefined || asked === undefined) return
  const path = `${build.replace(/\/$/, '')}/${file}`
  const found = await draft.context.readFile({ kind: 'scalar', value: path, parts: null, at: asked.at }, false)
  if (found === null) draft.note('build', asked.at, `there is no ${path}`, 'put it there before daruma plan, which looks into it')
}

async function carryService(name: string, service: Mapping, context: ProjectContext): Promise<FoundService> {
  const draft = new ServiceDraft(name, service, context)
  carryContainer(draft)
  await lookForDockerfile(draft)
  await carryEnvironment(draft)
  carryVolumes(draft)
  carryPorts(draft)
  carryLabels(draft)
  carryHealth(draft)
  carryLife(draft)
  if (draft.written['job'] === true) {
    delete draft.written['health']
    delete draft.written['route']
  }
  noteRest(draft)
  return { name, source: basename(service.at.file), written: ordered(draft.written), notes: [], remarks: draft.remarks }
}

/** What the keys of a config were made of, where they have other names in Compose. */
const origins: Readonly<Record<string, readonly string[]>> = {
  image: ['build', 'image'],
  directory: ['working_dir'],
  replicas: ['deploy', 'scale'],
  network: ['network_mode'],
  containerPort: ['ports', 'expose'],
  port: ['ports', 'expose'],
  route: ['ports', 'labels'],
  after: ['depends_on', 'links'],
  health: ['healthcheck'],
  cpu: ['cpus', 'deploy'],
  memory: ['mem_limit', 'deploy'],
  pids: ['pids_limit', 'deploy'],
  readOnly: ['read_only'],
  capabilities: ['cap_add', 'cap_drop'],
  stop: ['stop_grace_period', 'stop_signal'],
  restart: ['restart', 'deploy'],
  update: ['deploy'],
  logs: ['logging'],
}

function placeIn(service: Mapping | undefined, key: string): Place | null {
  const names = [...(origins[key] ?? []), key]
  const name = names.find((one) => service?.entries.has(one))
  return name === undefined ? (service?.at ?? null) : service!.entries.get(name)!.at
}

/** As a person would order them: what runs, how many, who reaches it, what it needs, how it is looked after. */
const order = [
  'image',
  'pull',
  'command',
  'directory',
  'replicas',
  'singleton',
  'job',
  'network',
  'containerPort',
  'port',
  'route',
  'environment',
  'secrets',
  'volumes',
  'after',
  'health',
  'cpu',
  'memory',
  'pids',
  'ulimits',
  'user',
  'readOnly',
  'capabilities',
  'stop',
  'restart',
  'update',
  'logs',
]

function ordered(written: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(order.filter((key) => written[key] !== undefined).map((key) => [key, written[key]]))
}
