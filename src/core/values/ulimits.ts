/**
 * `ulimits`: what the kernel allows each process of an instance (setrlimit(2)), by Docker's names and in the kernel's units. Not the limits of
 * the instance as a whole: those are `cpu`, `memory` and `pids`.
 */

import type { Place, ProblemList } from './problem-list.ts'
import { nearest } from './nearest.ts'
import { anyInteger, objectOf, type Shape } from './shape.ts'
import { isPlainObject, type Reader, refuseType, refuseValue, type ValueType, valueType } from './value-type.ts'

export interface Ulimit {
  /** What holds now, and what a process may raise it to; −1 is none. */
  readonly soft: number
  readonly hard: number
}

/** In the order of the alphabet, so that the order in a config is no change. */
export type Ulimits = Readonly<Partial<Record<UlimitName, Ulimit>>>

export type UlimitName = (typeof names)[number]

const names = [
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
] as const

const one = 'a whole number (−1: no limit), or { soft, hard }'

const reader: Reader<Ulimits> = {
  accepts: `an object of name → ${one}; names: ${names.join(', ')}`,
  read(value, at, problems) {
    if (!isPlainObject(value)) return refuseType(value, this.accepts, at, problems)
    const before = problems.count
    const entries = Object.keys(value)
      .toSorted()
      .flatMap((key) => {
        const place: Place = { up: at, key }
        const name = names.find((each) => each === key)
        if (name === undefined) {
          const near = nearest(key.replace(/^(?:RLIMIT_|Limit)/i, ''), names)
          const allowed = near === null ? { allowed: names.join(', ') } : {}
          problems.add('E_CONFIG_UNKNOWN_KEY', place, `${key.slice(0, 60)} is not the name of a limit`, {
            ...allowed,
            suggestion: near,
          })
          return []
        }
        const ulimit = value[key] === undefined ? undefined : readUlimit(value[key], place, problems)
        return ulimit === undefined ? [] : [[name, ulimit] as const]
      })
    return problems.count > before ? undefined : Object.fromEntries(entries)
  },
}

function readUlimit(value: unknown, at: Place, problems: ProblemList): Ulimit | undefined {
  if (!isPlainObject(value)) {
    const both = readNumber(value, at, problems)
    return both === undefined ? undefined : { soft: both, hard: both }
  }
  const unknown = Object.keys(value).find((key) => key !== 'soft' && key !== 'hard')
  if (unknown !== undefined || value['soft'] === undefined || value['hard'] === undefined)
    return refuseValue(value, '{ soft, hard }, both of them', at, problems)
  const soft = readNumber(value['soft'], { up: at, key: 'soft' }, problems)
  const hard = readNumber(value['hard'], { up: at, key: 'hard' }, problems)
  if (soft === undefined || hard === undefined) return undefined
  if (hard === -1 || (soft !== -1 && soft <= hard)) return { soft, hard }
  problems.add('E_CONFIG_CONFLICT', at, `soft (${soft}) is more than hard (${hard})`, {
    allowed: 'soft, at most hard; −1 is no limit',
    suggestion: `{ soft: ${hard}, hard: ${hard} }`,
  })
  return undefined
}

function readNumber(value: unknown, at: Place, problems: ProblemList): number | undefined {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= -1) return value
  if (typeof value === 'number') return refuseValue(value, one, at, problems)
  const meant = value === 'unlimited' || value === 'infinity' ? '-1' : isDigits(value) ? String(Number(value)) : null
  return refuseType(value, one, at, problems, meant)
}

const isDigits = (value: unknown): value is string => typeof value === 'string' && /^\d{1,15}$/.test(value)

const ofOne: Shape<Ulimit> = objectOf<Ulimit>({ soft: anyInteger, hard: anyInteger })
// Exactly the known names: they come to stand on a command line.
const shape: Shape<Ulimits> = (value, path, refuse) => {
  if (!isPlainObject(value)) return refuse(value, path, 'an object')
  const entries = Object.entries(value).map(([name, ulimit]) =>
    (names as readonly string[]).includes(name)
      ? ([name, ofOne(ulimit, `${path}.${name}`, refuse)] as const)
      : refuse(ulimit, `${path}.${name}`, `one of the keys ${names.join(', ')}`),
  )
  return Object.fromEntries(entries) as Ulimits
}

export const ulimits: ValueType<Ulimits> = valueType(reader, {
  shape,
  show: (limits) => {
    const texts = entriesOf(limits).map(([name, ulimit]) => `${name} ${showUlimit(ulimit)}`)
    return texts.length === 0 ? null : texts.join(', ')
  },
  write: (limits) => JSON.stringify(limits),
})

export const entriesOf = (limits: Ulimits): readonly (readonly [UlimitName, Ulimit])[] =>
  Object.entries(limits) as readonly (readonly [UlimitName, Ulimit])[]

/** `1024:65536`, or one number where both are the same; as prlimit(1) takes it. */
export function showUlimit({ soft, hard }: Ulimit): string {
  const text = (value: number): string => (value === -1 ? 'unlimited' : `${value}`)
  return soft === hard ? text(soft) : `${text(soft)}:${text(hard)}`
}
