/**
 * `environment` and `secrets`: the variables of a command. What is written under `secrets` never comes back in a message, because people
 * write the secret itself there by mistake.
 */

import { longestArgument } from '../../values/command.ts'
import type { Place, ProblemList } from '../../values/problem-list.ts'
import { showText } from '../../values/scalars.ts'
import { anyText, listOf, recordOf } from '../../values/shape.ts'
import { kindOf } from '../../values/show.ts'
import { isPlainObject, type Reader, refuseType, refuseValue, type ValueType, valueType } from '../../values/value-type.ts'
import type { Part } from '../key.ts'
import { secretNoun, type SecretReference, secretShape, type SecretSource, secretSource, showSource } from './secret.ts'
import { checkVariable, mostEntries, readEntries, variablePattern, variableRule } from './variable.ts'

export const readEnvironment: Reader<Readonly<Record<string, string | SecretSource>>> = {
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

export const readSecrets: Reader<Readonly<Record<string, SecretSource>>> = {
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

export const environment: Part<Readonly<Record<string, string>>> = {
  shape: recordOf(anyText),
  fields: (variables, prefix) =>
    Object.entries(variables).map(([name, value]) => [`${prefix}environment.${name}`, showText(value)]),
  complete: (recorded) => recorded,
}

export const secrets: Part<Readonly<Record<string, SecretReference>>> = {
  shape: recordOf(secretShape),
  // Only the source; the digest is compared, never shown.
  fields: (references, prefix) =>
    Object.entries(references).map(([name, { source }]) => [`${prefix}secrets.${name}`, showSource(source)]),
  complete: (recorded) => recorded,
}

/** `envFile`: read where the config is (`adapters/config-file`), because the core reads no files. */
const mostFiles = 20

const envFileReader: Reader<readonly string[]> = {
  accepts: 'a path, or an array of paths',
  read(value, at, problems) {
    const paths: readonly unknown[] = Array.isArray(value) ? value : [value]
    if (!paths.every((path) => typeof path === 'string')) return refuseType(value, this.accepts, at, problems)
    if (paths.length > mostFiles || paths.some((path) => path === '' || path.includes('\0')))
      return refuseValue(value, `1 to ${mostFiles} paths that are not empty`, at, problems)
    return paths
  },
}

export const envFiles: ValueType<readonly string[]> = valueType(envFileReader, {
  shape: listOf(anyText),
  show: (paths) => (paths.length === 0 ? null : paths.map(showText).join(', ')),
  write: (paths) => JSON.stringify(paths),
})
