/**
 * Readers of the values that have a form of their own: environment, secrets, volumes, ports, dependencies. What is written under
 * `secrets` never comes back in a message, because people write the secret itself there by mistake.
 */

import { serviceNamePattern } from '../model/id.ts'
import type { DependencyCondition, PortRequest, SecretSource, VolumeMount } from '../model/service.ts'
import type { Place, ProblemList } from './problem-list.ts'
import {
  command,
  isPlainObject,
  longestArgument,
  oneOf,
  type PlainObject,
  type Reader,
  refuseType,
  refuseValue,
} from './reader.ts'
import { kindOf, quote, show } from './show.ts'

export const nameRule: string = '1 to 40 of a-z, 0-9 and -, beginning with a letter and not ending in -'
const variablePattern = /^[A-Za-z_][A-Za-z0-9_]{0,254}$/
const variableRule = 'letters, digits and _, not beginning with a digit'

export const projectName: Reader<string> = {
  accepts: `a name of ${nameRule}`,
  read(value, at, problems) {
    if (typeof value !== 'string') return refuseType(value, this.accepts, at, problems)
    return checkName(value, 'project', at, problems) ? value : undefined
  },
}

/** Reports a name that is no name; `what` says of what. */
export function checkName(name: string, what: string, at: Place, problems: ProblemList): boolean {
  if (serviceNamePattern.test(name)) return true
  const tidy = name
    .slice(0, 200)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[-0-9]+|-+$/g, '')
    .slice(0, 40)
  const suggestion = serviceNamePattern.test(tidy) ? tidy : null
  problems.add('E_CONFIG_NAME', at, `${quote(name)} cannot be the name of a ${what}`, { allowed: nameRule, suggestion })
  return false
}

function checkVariable(name: string, at: Place, problems: ProblemList): boolean {
  if (name.startsWith('DARUMA_')) {
    problems.add('E_CONFIG_NAME', at, `${quote(name)} cannot be set: variables that begin with DARUMA_ are given by Daruma`)
    return false
  }
  if (variablePattern.test(name)) return true
  const tidy = name.replaceAll(/[^A-Za-z0-9_]/g, '_')
  const suggestion = variablePattern.test(tidy) && /[A-Za-z]/.test(tidy) ? tidy : null
  problems.add('E_CONFIG_NAME', at, `${quote(name)} cannot be the name of an environment variable`, {
    allowed: variableRule,
    suggestion,
  })
  return false
}

const mostEntries = 1000

/** Calls `each` for every defined entry of a plain, bounded object; the others are reported. */
function readEntries<Value>(
  value: PlainObject,
  at: Place,
  problems: ProblemList,
  each: (key: string, item: unknown, place: Place) => Value | undefined,
): readonly (readonly [string, Value])[] | undefined {
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  if (entries.length > mostEntries) {
    problems.add('E_CONFIG_VALUE', at, `${entries.length} entries are too many`, { allowed: `at most ${mostEntries}` })
    return undefined
  }
  const read: (readonly [string, Value])[] = []
  for (const [key, item] of entries) {
    const answer = each(key, item, { up: at, key })
    if (answer !== undefined) read.push([key, answer])
  }
  return read
}

export const environment: Reader<Readonly<Record<string, string | SecretSource>>> = {
  accepts: "an object of variable → string, number, boolean or secret('NAME')",
  read(value, at, problems) {
    if (!isPlainObject(value)) return refuseType(value, this.accepts, at, problems)
    const entries = readEntries(value, at, problems, (key, item, place) => {
      if (!checkVariable(key, place, problems)) return undefined
      return isPlainObject(item) ? secretSource.read(item, place, problems) : readVariable(item, place, problems)
    })
    return entries === undefined ? undefined : Object.fromEntries(entries)
  },
}

const variableValue = "a string, a number, a boolean or secret('NAME')"

function readVariable(value: unknown, at: Place, problems: ProblemList): string | undefined {
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return String(value)
  if (typeof value === 'number') return refuseValue(value, variableValue, at, problems)
  if (typeof value !== 'string') return refuseType(value, variableValue, at, problems)
  if (value.includes('\0')) return refuseValue(value, 'text without NUL', at, problems)
  if (value.length <= longestArgument) return value
  problems.add('E_CONFIG_VALUE', at, `the value has ${value.length} characters`, { allowed: `at most ${longestArgument}` })
  return undefined
}

const secretNoun = "secret('NAME'), secret.file('path') or secret.command(['program', 'argument'])"

/** What `secret()` of the sdk makes: plain data, told from a value by its `from`. */
export const secretSource: Reader<SecretSource> = {
  accepts: secretNoun,
  read(value, at, problems) {
    if (!isPlainObject(value) || typeof value['from'] !== 'string') {
      const kind = isPlainObject(value) ? 'an object without "from"' : kindOf(value)
      problems.add('E_CONFIG_SECRET', at, `${kind} is not a secret: secrets are named, never written`, { allowed: secretNoun })
      return undefined
    }
    if (value['from'] === 'environment') {
      const name = value['name']
      if (typeof name === 'string' && variablePattern.test(name)) return { from: 'environment', name }
      return refuseSecret('the name of the variable is not one', variableRule, at, problems)
    }
    if (value['from'] === 'file') {
      const path = value['path']
      if (typeof path === 'string' && path !== '' && path.length <= 4096 && !path.includes('\0')) return { from: 'file', path }
      return refuseSecret('the path of the file is not one', 'a path', at, problems)
    }
    if (value['from'] === 'command') {
      if (!Array.isArray(value['command']))
        return refuseSecret('the command is not an array', "['program', 'argument']", at, problems)
      const program = command.read(value['command'], { up: at, key: 'command' }, problems)
      return program === undefined ? undefined : { from: 'command', command: program }
    }
    return refuseSecret(`${show(value['from'])} is not a place that secrets come from`, secretNoun, at, problems)
  },
}

function refuseSecret(message: string, allowed: string, at: Place, problems: ProblemList): undefined {
  problems.add('E_CONFIG_SECRET', at, message, { allowed })
  return undefined
}

export const secrets: Reader<Readonly<Record<string, SecretSource>>> = {
  accepts: `an array of names, or an object of variable → ${secretNoun}`,
  read(value, at, problems) {
    if (Array.isArray(value)) return readSecretNames(value, at, problems)
    if (!isPlainObject(value)) {
      problems.add('E_CONFIG_TYPE', at, `${kindOf(value)} is not accepted here`, { allowed: this.accepts })
      return undefined
    }
    const entries = readEntries(value, at, problems, (key, item, place) =>
      checkVariable(key, place, problems) ? secretSource.read(item, place, problems) : undefined,
    )
    return entries === undefined ? undefined : Object.fromEntries(entries)
  },
}

function readSecretNames(names: readonly unknown[], at: Place, problems: ProblemList): Readonly<Record<string, SecretSource>> {
  const sources = new Map<string, SecretSource>()
  for (const [index, name] of names.slice(0, mostEntries).entries()) {
    const place: Place = { up: at, key: String(index) }
    if (typeof name !== 'string' || !variablePattern.test(name)) {
      problems.add('E_CONFIG_SECRET', place, 'this is not the name of an environment variable', { allowed: variableRule })
    } else if (checkVariable(name, place, problems)) {
      sources.set(name, { from: 'environment', name })
    }
  }
  return Object.fromEntries(sources)
}

export const port: Reader<PortRequest> = {
  accepts: "'auto', false, or a port from 1 to 65535",
  read(value, at, problems) {
    if (value === 'auto') return { kind: 'auto' }
    if (value === false) return { kind: 'none' }
    if (typeof value === 'number') {
      if (Number.isInteger(value) && value >= 1 && value <= 65_535) return { kind: 'fixed', port: value }
      return refuseValue(value, this.accepts, at, problems)
    }
    const digits = typeof value === 'string' ? /^(?:\d{1,5}:)?(\d{1,5})$/.exec(value) : null
    const list = Array.isArray(value) && value.length === 1 ? /^(?:\d{1,5}:)?(\d{1,5})$/.exec(String(value[0])) : null
    const meant = value === true ? "'auto'" : ((digits ?? list)?.[1] ?? null)
    return typeof value === 'string'
      ? refuseValue(value, this.accepts, at, problems, meant)
      : refuseType(value, this.accepts, at, problems, meant)
  },
}

export const volumes: Reader<readonly VolumeMount[]> = {
  accepts: "an array of names such as ['data'], or an object of mount point → name such as { '/data': 'data' }",
  read(value, at, problems) {
    if (Array.isArray(value)) return readVolumeNames(value.slice(0, mostEntries), at, problems)
    if (!isPlainObject(value)) return refuseType(value, this.accepts, at, problems)
    const mounts = readEntries(value, at, problems, (target, name, place): VolumeMount | undefined => {
      if (!isMountPoint(target)) {
        const allowed = 'an absolute path below /, without . and .. and without / at its end'
        problems.add('E_CONFIG_VALUE', place, `${quote(target)} is not a mount point`, { allowed })
        return undefined
      }
      if (typeof name !== 'string') return refuseType(name, `the name of a volume: ${nameRule}`, place, problems)
      return checkName(name, 'volume', place, problems) ? { name, target } : undefined
    })
    return mounts?.map(([, mount]) => mount)
  },
}

function readVolumeNames(names: readonly unknown[], at: Place, problems: ProblemList): readonly VolumeMount[] {
  const mounts: VolumeMount[] = []
  for (const [index, name] of names.entries()) {
    const place: Place = { up: at, key: String(index) }
    if (typeof name !== 'string') refuseType(name, `the name of a volume: ${nameRule}`, place, problems)
    else if (mounts.some((mount) => mount.name === name))
      problems.add('E_CONFIG_CONFLICT', place, `the volume ${name} is named twice`)
    else if (checkName(name, 'volume', place, problems)) mounts.push({ name, target: null })
  }
  return mounts
}

function isMountPoint(target: string): boolean {
  return /^(?:\/(?!\.{1,2}(?:\/|$))[^/\0\n]+)+$/.test(target) && target.length <= 1024
}

/** A dependency as written: without a condition until the kind of its service is known. */
export interface WrittenDependency {
  readonly service: string
  readonly condition: DependencyCondition | null
  readonly at: Place
}

/** Compose's words for the three conditions. */
const condition = oneOf(['started', 'healthy', 'completed'], {
  service_started: 'started',
  service_healthy: 'healthy',
  service_completed_successfully: 'completed',
  ready: 'healthy',
  done: 'completed',
})

export const after: Reader<readonly WrittenDependency[]> = {
  accepts: "an array of services such as ['migrate'], or an object of service → 'started', 'healthy' or 'completed'",
  read(value, at, problems) {
    if (isPlainObject(value)) {
      const dependencies = readEntries(value, at, problems, (service, item, place): WrittenDependency | undefined => {
        const read = condition.read(item, place, problems)
        return read === undefined ? undefined : { service, condition: read, at: place }
      })
      return dependencies?.map(([, dependency]) => dependency)
    }
    if (!Array.isArray(value)) {
      return refuseType(value, this.accepts, at, problems, typeof value === 'string' ? `[${quote(value)}]` : null)
    }
    const dependencies: WrittenDependency[] = []
    for (const [index, service] of value.slice(0, mostEntries).entries()) {
      const place: Place = { up: at, key: String(index) }
      if (typeof service !== 'string') refuseType(service, 'the name of a service', place, problems)
      else if (dependencies.some((known) => known.service === service))
        problems.add('E_CONFIG_CONFLICT', place, `${quote(service)} is named twice`)
      else dependencies.push({ service, condition: null, at: place })
    }
    return dependencies
  },
}
