/**
 * A Compose file read for what a config can say of it. Containers are not supported yet, so a service that is only an image has
 * no command here and is left as a comment; every key that has no counterpart is named, so that nothing is lost in silence.
 */

import { parse } from 'yaml'
import type { FoundService } from './found.ts'

export interface FoundCompose {
  readonly name: string | null
  readonly services: readonly FoundService[]
  readonly notes: readonly string[]
}

type Mapping = Readonly<Record<string, unknown>>

export function readCompose(text: string, file: string): FoundCompose {
  const content: unknown = parse(text, { merge: true })
  if (!isMapping(content)) return { name: null, services: [], notes: [`${file} holds no services`] }
  const services = isMapping(content['services']) ? Object.entries(content['services']) : []
  const others = Object.keys(content).filter(
    (key) => !['name', 'version', 'services', 'volumes'].includes(key) && !key.startsWith('x-'),
  )
  return {
    name: typeof content['name'] === 'string' ? content['name'] : null,
    services: withJobs(services.map(([name, service]) => readService(name, isMapping(service) ? service : {}, file))),
    notes: others.length === 0 ? [] : [`${file} also says ${others.join(', ')}, which a config does not know`],
  }
}

/** Compose has no word for a job; what another service wants completed is one. */
function withJobs(services: readonly FoundService[]): readonly FoundService[] {
  const jobs = new Set<string>()
  for (const { written } of services) {
    const after = isMapping(written['after']) ? written['after'] : {}
    for (const [name, condition] of Object.entries(after)) if (condition === 'completed') jobs.add(name)
  }
  return services.map((service) =>
    jobs.has(service.name) ? { ...service, written: { ...service.written, job: true } } : service,
  )
}

/** What a Compose key becomes: keys of a service, and notes about what could not be carried over. */
interface Carried {
  readonly written?: Mapping
  readonly notes?: readonly string[]
}

type Carry = (value: unknown, service: Mapping) => Carried

function readService(name: string, service: Mapping, file: string): FoundService {
  let written: Mapping = {}
  const notes: string[] = []
  for (const [key, value] of Object.entries(service)) {
    const carry = Object.hasOwn(carriers, key) ? carriers[key] : undefined
    const carried = carry?.(value, service) ?? { notes: [`${key}: a config does not know it`] }
    written = { ...written, ...carried.written }
    notes.push(...(carried.notes ?? []))
  }
  return { name, source: file, written, notes }
}

const carriers: Readonly<Record<string, Carry>> = {
  image: (value, service) => ({
    notes: [
      `image: ${String(value)}: images are not supported by this version yet${service['command'] === undefined ? '' : '; the command runs on the machine itself'}`,
    ],
  }),
  build: () => ({ notes: ['build: the command runs on the machine itself, from this folder'] }),
  command: (value, service) => (value === null ? {} : { written: { command: withEntrypoint(service['entrypoint'], value) } }),
  entrypoint: (value, service) => (service['command'] === undefined && value !== null ? { written: { command: value } } : {}),
  environment: carryEnvironment,
  env_file: (value) => ({ notes: [`env_file: ${inline(value)}: write the variables under environment, secrets under secrets`] }),
  working_dir: (value) => ({
    notes: [`working_dir: ${inline(value)}: a folder of the container; directory says one of the machine`],
  }),
  ports: carryPorts,
  expose: () => ({}),
  volumes: carryVolumes,
  healthcheck: carryHealth,
  depends_on: carryDependencies,
  deploy: carryDeploy,
  scale: (value) => ({ written: { replicas: value } }),
  cpus: (value) => ({ written: { cpu: Number(value) } }),
  mem_limit: (value) => ({ written: { memory: asSize(value) } }),
  pids_limit: (value) => ({ written: { pids: value } }),
  user: (value) => ({ written: { user: String(value) } }),
  stop_signal: (value) => ({ written: { stop: { signal: value } } }),
  stop_grace_period: (value, service) => ({
    written: {
      stop: { ...(service['stop_signal'] === undefined ? {} : { signal: service['stop_signal'] }), gracePeriod: value },
    },
  }),
  restart: (value) => ({ written: { restart: restartOf(value) } }),
  container_name: () => ({}),
}

function withEntrypoint(entrypoint: unknown, command: unknown): unknown {
  if (entrypoint === undefined || entrypoint === null) return command
  const words = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : String(value).split(/\s+/))
  return [...words(entrypoint), ...words(command)]
}

function carryEnvironment(value: unknown): Carried {
  const entries = Array.isArray(value)
    ? value.map((line): [string, unknown] => {
        const cut = String(line).indexOf('=')
        return cut < 0 ? [String(line), null] : [String(line).slice(0, cut), String(line).slice(cut + 1)]
      })
    : isMapping(value)
      ? Object.entries(value)
      : []
  const notes: string[] = []
  const environment = entries.map(([name, item]): [string, unknown] => {
    const variable = typeof item === 'string' ? /^\$\{?([A-Za-z_]\w*)\}?$/.exec(item) : null
    if (item === null) return [name, { from: 'environment', name }]
    if (variable !== null) return [name, { from: 'environment', name: variable[1]! }]
    if (/PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_KEY/i.test(name)) {
      notes.push(
        `environment ${name}: its value stands in the Compose file; here it is a secret, taken from the environment of daruma up`,
      )
      return [name, { from: 'environment', name }]
    }
    if (typeof item === 'string' && /\$[{A-Za-z_]/.test(item)) notes.push(`environment ${name}: variables in it are not replaced`)
    return [name, item]
  })
  return environment.length === 0 ? {} : { written: { environment: Object.fromEntries(environment) }, notes }
}

/** `8080:3000` publishes what listens on 3000: without a container, the process itself listens there. */
function carryPorts(value: unknown): Carried {
  const ports = Array.isArray(value) ? value : []
  const first: unknown = ports[0]
  const target = isMapping(first) ? first['target'] : /(?:^|:)(\d+)(?:\/tcp)?$/.exec(String(first))?.[1]
  if (target === undefined) return ports.length === 0 ? {} : { notes: [`ports: ${inline(value)}`] }
  const notes = [
    `ports: ${inline(value)}: the command listens on the machine itself; a command that reads PORT needs no port here`,
  ]
  return { written: { port: Number(target) }, notes }
}

function carryVolumes(value: unknown): Carried {
  const names: string[] = []
  const notes: string[] = []
  for (const item of Array.isArray(value) ? value : []) {
    const [source, target] = isMapping(item) ? [item['source'], item['target']] : String(item).split(':')
    const name = String(source)
    if (typeof target !== 'string' || !/^[A-Za-z0-9]/.test(name)) {
      notes.push(`volumes: ${inline(item)}: a folder of the machine needs no volume, the command sees it already`)
      continue
    }
    const volume = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
    names.push(volume)
    notes.push(
      `volumes: ${name} was at ${target}; its path is in DARUMA_VOLUME_${volume.toUpperCase().replaceAll('-', '_')}, or (as root) { '${target}': '${volume}' }`,
    )
  }
  return names.length === 0 ? { notes } : { written: { volumes: names }, notes }
}

function carryHealth(value: unknown): Carried {
  if (!isMapping(value) || value['disable'] === true) return {}
  const test: unknown = value['test']
  const words = Array.isArray(test) ? test : ['CMD-SHELL', test]
  if (words[0] === 'NONE') return {}
  const exec: unknown = words[0] === 'CMD-SHELL' ? words[1] : words.slice(1)
  const numbers = {
    interval: value['interval'],
    timeout: value['timeout'],
    retries: value['retries'],
    startPeriod: value['start_period'],
  }
  return { written: { health: { exec, ...numbers } } }
}

const conditions: Readonly<Record<string, string>> = {
  service_started: 'started',
  service_healthy: 'healthy',
  service_completed_successfully: 'completed',
}

function carryDependencies(value: unknown): Carried {
  if (Array.isArray(value)) return { written: { after: value } }
  if (!isMapping(value)) return {}
  const after = Object.entries(value).map(([name, item]) => [
    name,
    conditions[String(isMapping(item) ? item['condition'] : '')] ?? 'started',
  ])
  return { written: { after: Object.fromEntries(after) as Mapping } }
}

function carryDeploy(value: unknown): Carried {
  if (!isMapping(value)) return {}
  const resources = isMapping(value['resources']) && isMapping(value['resources']['limits']) ? value['resources']['limits'] : {}
  const others = Object.keys(value).filter((key) => !['replicas', 'resources'].includes(key))
  return {
    written: {
      ...(value['replicas'] === undefined ? {} : { replicas: value['replicas'] }),
      ...(resources['cpus'] === undefined ? {} : { cpu: Number(resources['cpus']) }),
      ...(resources['memory'] === undefined ? {} : { memory: asSize(resources['memory']) }),
      ...(resources['pids'] === undefined ? {} : { pids: resources['pids'] }),
    },
    notes: others.map((key) => `deploy.${key}: a config does not know it`),
  }
}

/** Compose counts in binary units and calls them `b`, `k`, `m`, `g`, `kb`, `mb`, `gb`; a bare number is bytes. */
function asSize(value: unknown): unknown {
  const match = /^(\d+(?:\.\d+)?)([kmg]?)b?$/i.exec(String(value))
  return match === null ? value : `${match[1]}${match[2] === '' ? 'B' : `${match[2]!.toUpperCase()}iB`}`
}

function restartOf(value: unknown): unknown {
  if (value === 'unless-stopped') return 'always'
  const budget = typeof value === 'string' ? /^on-failure:(\d+)$/.exec(value) : null
  if (budget !== null) return { policy: 'on-failure', budget: Number(budget[1]) }
  return value === false ? 'no' : value
}

function inline(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
