/**
 * From what was found to the text of a first config. The proposal is put before the config's own reader, and whatever it refuses
 * becomes a comment that says why: a starter that does not load would be worse than none.
 */

import { normaliseConfig } from '../../core/config/normalise.ts'
import type { Problem } from '../../core/model/problem.ts'
import type { Found } from './found.ts'
import { literal, propertyName } from './literal.ts'

interface Proposed {
  readonly name: string
  readonly source: string
  readonly written: Readonly<Record<string, unknown>>
  readonly notes: readonly string[]
}

export function proposeConfig(found: Found): string {
  const name = asName(found.name, 'project')
  const { services, dropped } = settle(name, withValidNames(found), found)
  const isEmpty = services.length === 0
  const usesSecret = services.some(({ written }) => literal(written, 0).includes('secret('))
  const sources = [...new Set(found.services.map(({ source }) => source))]
  const lines = [
    `// Written by daruma init${sources.length === 0 ? '' : ` from ${oneLine(sources.join(', '))}`}. Look it through, then: daruma plan, daruma up`,
    '// Every key is explained in docs/reference/config.md.',
    ...found.notes.map((note) => `// ${oneLine(note)}`),
    `import { define${usesSecret ? ', secret' : ''} } from 'daruma'`,
    '',
    'export default define({',
    `  name: ${literal(name, 1)},`,
    '  services: {',
    ...(isEmpty ? example : services.flatMap(renderService)),
    ...dropped.flatMap(renderDropped),
    '  },',
    '})',
  ]
  return `${lines.join('\n')}\n`
}

/** Something that runs anywhere, to be replaced. */
const example = [
  '    // Replace this by what you run: a string is run by sh, an array directly.',
  '    hello: {',
  "      command: 'while :; do date; sleep 5; done',",
  '      // replicas: 3,          or  singleton: true  or  job: true',
  "      // environment: { LOG_LEVEL: 'info' },",
  "      // health: { http: '/healthz', interval: '1s' },   the port is in the variable PORT",
  "      // memory: '256MiB',",
  '    },',
]

function renderService(service: Proposed): readonly string[] {
  const { written } = service
  const hints: string[] = []
  const isKindSaid = ['replicas', 'singleton', 'job'].some((kind) => written[kind] !== undefined)
  if (!isKindSaid) hints.push('      // replicas: 3,          or  singleton: true  or  job: true')
  if (written['health'] === undefined && /^(?:web|api|app|server|serve)\b/.test(service.name))
    hints.push("      // health: { http: '/healthz', interval: '1s' },")
  return [
    `    // ${oneLine(service.source)}`,
    ...service.notes.map((note) => `    // ${oneLine(note)}`),
    `    ${propertyName(service.name)}: {`,
    ...Object.entries(written).map(([key, value]) => `      ${key}: ${literal(value, 3)},`),
    ...hints,
    '    },',
  ]
}

function renderDropped(service: Proposed): readonly string[] {
  const rest = Object.entries(service.written).map(([key, value]) => `    //   ${key}: ${oneLine(literal(value, 0))},`)
  return [
    `    // ${service.name} (${oneLine(service.source)}) could not be carried over:`,
    ...service.notes.map((note) => `    //   ${oneLine(note)}`),
    ...rest,
  ]
}

function withValidNames(found: Found): readonly Proposed[] {
  const names = new Map<string, string>()
  const taken = new Set<string>()
  for (const { name } of found.services) {
    const wanted = asName(name, 'service')
    let free = wanted
    for (let number = 2; taken.has(free); number++) free = `${wanted.slice(0, 36)}-${number}`
    taken.add(free)
    names.set(name, free)
  }
  return found.services.map(({ name, source, written, notes }) => ({
    name: names.get(name)!,
    source,
    written: written['after'] === undefined ? written : { ...written, after: renamed(written['after'], names) },
    notes,
  }))
}

function renamed(after: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(after)) return after.map((name: unknown) => names.get(String(name)) ?? name)
  if (typeof after !== 'object' || after === null) return after
  return Object.fromEntries(Object.entries(after).map(([name, condition]) => [names.get(name) ?? name, condition]))
}

/** Takes away what the reader refuses until it refuses nothing. Each round takes something, so the rounds come to an end. */
function settle(
  name: string,
  proposed: readonly Proposed[],
  machine: Pick<Found, 'hostMemoryBytes' | 'isRoot'>,
): { readonly services: readonly Proposed[]; readonly dropped: readonly Proposed[] } {
  const { hostMemoryBytes, isRoot } = machine
  let services = proposed
  const dropped: Proposed[] = []
  for (;;) {
    const raw = { name, services: Object.fromEntries(services.map((service) => [service.name, service.written])) }
    const answer = normaliseConfig(raw, { directory: '/', stage: null, root: false, hostMemoryBytes, wallTime: null })
    // Mounts and users are left out for everybody, since not everybody has them; a limit is kept for whoever can keep it.
    const refused = answer.ok ? [] : answer.problems.filter((problem) => !(isRoot && isLimit(problem)))
    if (refused.length === 0) return { services, dropped }
    const left: Proposed[] = []
    for (const service of services) {
      const problems = refused.filter(({ path }) => path[1] === service.name)
      const lesser = withoutRefused(service, problems)
      if (lesser === null) dropped.push(service)
      else left.push(lesser)
    }
    const isStuck = left.length === services.length && left.every((service, index) => service === services[index])
    // Problems that belong to no service cannot be settled by taking keys away; today there are none.
    if (isStuck) return { services: [], dropped: [...dropped, ...services] }
    services = left
  }
}

const isLimit = ({ code, path }: Problem): boolean =>
  code === 'E_CONFIG_NEEDS_ROOT' && ['cpu', 'memory', 'pids'].includes(path[2] ?? '')

/** Null when the service itself is refused: it has no command, say. */
function withoutRefused(service: Proposed, problems: readonly Problem[]): Proposed | null {
  if (problems.some(({ path }) => path.length < 3)) return null
  if (problems.some(({ path }) => path[2] === 'command')) return null
  // From the last one on, so that the indices of the earlier entries of a list stay right.
  return problems.toReversed().reduce(withoutOne, service)
}

/** Of the lists of variables and dependencies only the refused entry goes, of anything else the whole key. */
function withoutOne(service: Proposed, problem: Problem): Proposed {
  const [, , key, entry] = problem.path as readonly [string, string, string, string?]
  const value = service.written[key]
  if (value === undefined) return service
  const isList = (key === 'environment' || key === 'after') && entry !== undefined && typeof value === 'object' && value !== null
  const fields = (isList ? value : {}) as Readonly<Record<string, unknown>>
  if (isList && !Object.hasOwn(fields, entry)) return service
  const refused = isList ? fields[entry] : value
  const rest = Array.isArray(value) ? value.filter((_, index) => String(index) !== entry) : without(fields, entry ?? '')
  const isWholeKey = !isList || Object.keys(rest).length === 0
  const written = isWholeKey ? without(service.written, key) : { ...service.written, [key]: rest }
  const where = isList && !Array.isArray(value) ? `${key}.${entry}` : key
  return { ...service, written, notes: [...service.notes, `${where}: ${literal(refused, 0)}: ${problem.message}`] }
}

function without(fields: Readonly<Record<string, unknown>>, key: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => name !== key))
}

function asName(text: string, otherwise: string): string {
  const tidy = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[-0-9]+/g, '')
    .slice(0, 40)
    .replace(/-+$/, '')
  return tidy === '' ? otherwise : tidy
}

/** Notes hold other people's text: a line break would end the comment, an escape would reach the terminal. */
const oneLine = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f\u2028\u2029]+/g, ' ')
