/**
 * Puts what was found before the config's own reader and takes away what it refuses, until it refuses nothing: a config that does not
 * load would be worse than none. Each thing that goes is named.
 */

import { normaliseConfig } from '../core/config/normalise.ts'
import type { Problem } from '../core/values/problem.ts'
import { evaluated } from './code.ts'
import type { Found } from './found.ts'

export interface Proposed {
  readonly name: string
  /** As its source calls it. */
  readonly origin: string
  readonly source: string
  readonly written: Readonly<Record<string, unknown>>
  readonly notes: readonly string[]
  readonly remarks: Readonly<Record<string, string>>
  readonly refused: readonly Refused[]
}

export interface Refused {
  /** `memory`, `environment.A-B`. */
  readonly where: string
  readonly value: unknown
  readonly message: string
}

export interface Settled {
  readonly name: string
  readonly services: readonly Proposed[]
  /** Those that could not stay at all: they have nothing to run. */
  readonly dropped: readonly Proposed[]
}

type Machine = Pick<Found, 'hostMemoryBytes' | 'isRoot'>

/** `directory`: where the config will stand. */
export function settle(found: Found, directory: string): Settled {
  const name = asName(found.name, 'project')
  return { name, ...settleServices(name, withValidNames(found), found, directory) }
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
  return found.services.map(({ name, source, written, notes, remarks }) => ({
    name: names.get(name)!,
    origin: name,
    source,
    written: written['after'] === undefined ? written : { ...written, after: renamed(written['after'], names) },
    notes: names.get(name) === name ? notes : [...notes, `it was called ${name}`],
    remarks,
    refused: [],
  }))
}

function renamed(after: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(after)) return after.map((name: unknown) => names.get(String(name)) ?? name)
  if (typeof after !== 'object' || after === null) return after
  return Object.fromEntries(Object.entries(after).map(([name, condition]) => [names.get(name) ?? name, condition]))
}

/** Each round takes something away, so the rounds come to an end. */
function settleServices(
  name: string,
  proposed: readonly Proposed[],
  { hostMemoryBytes, isRoot }: Machine,
  directory: string,
): Omit<Settled, 'name'> {
  let services = proposed
  const dropped: Proposed[] = []
  for (;;) {
    const raw = { name, services: Object.fromEntries(services.map((service) => [service.name, evaluated(service.written)])) }
    const answer = normaliseConfig(raw, { directory, stage: null, root: false, hostMemoryBytes, wallTime: null })
    // Mounts and users are left out for everybody, since not everybody has them; a limit is kept for anyone who can keep it.
    const refused = answer.ok ? [] : answer.problems.filter((problem) => !(isRoot && isLimit(problem)))
    if (refused.length === 0) return { services, dropped }
    const left: Proposed[] = []
    for (const service of services) {
      const problems = refused.filter(({ path }) => path[1] === service.name)
      const lesser = withoutRefused(service, problems)
      if (lesser === null)
        dropped.push({ ...service, refused: [...service.refused, ...problems.map((problem) => refusedOf(problem, service))] })
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

function refusedOf(problem: Problem, service: Proposed): Refused {
  const key = problem.path[2] ?? ''
  return { where: problem.path.slice(2).join('.'), value: service.written[key], message: problem.message }
}

/** Null when the service itself is refused: it has nothing to run, say. */
function withoutRefused(service: Proposed, problems: readonly Problem[]): Proposed | null {
  if (problems.some(({ path }) => path.length < 3)) return null
  if (problems.some(({ path }) => path[2] === 'image' || (path[2] === 'command' && service.written['image'] === undefined)))
    return null
  // From the last one on, so that the indices of the earlier entries of a list stay right.
  return problems.toReversed().reduce(withoutOne, service)
}

/** Of the lists of variables and dependencies only the refused entry goes, of anything else the whole key. */
function withoutOne(service: Proposed, problem: Problem): Proposed {
  const [, , key, entry] = problem.path as readonly [string, string, string, string?]
  const value = service.written[key]
  if (value === undefined) return service
  const isList =
    ['environment', 'after', 'volumes', 'secrets'].includes(key) &&
    entry !== undefined &&
    typeof value === 'object' &&
    value !== null
  const fields = (isList ? value : {}) as Readonly<Record<string, unknown>>
  if (isList && !Object.hasOwn(fields, entry)) return service
  const refused = isList ? fields[entry] : value
  const rest = Array.isArray(value) ? value.filter((_, index) => String(index) !== entry) : without(fields, entry ?? '')
  const isWholeKey = !isList || Object.keys(rest).length === 0
  const written = isWholeKey ? without(service.written, key) : { ...service.written, [key]: rest }
  const where = isList && !Array.isArray(value) ? `${key}.${entry}` : key
  return { ...service, written, refused: [...service.refused, { where, value: refused, message: problem.message }] }
}

function without(fields: Readonly<Record<string, unknown>>, key: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => name !== key))
}

export function asName(text: string, otherwise: string): string {
  const tidy = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[-0-9]+/g, '')
    .slice(0, 40)
    .replace(/-+$/, '')
  return tidy === '' ? otherwise : tidy
}
