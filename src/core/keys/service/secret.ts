/** Where the value of a secret comes from, and what is recorded of it. What is written in its place never comes back in a message. */

import { command } from '../../values/command.ts'
import type { Place, ProblemList } from '../../values/problem-list.ts'
import { anyText, exactly, listOf, objectOf, orNull, type Shape, type Shapes, unionBy } from '../../values/shape.ts'
import { kindOf, show } from '../../values/show.ts'
import { isPlainObject, type Reader } from '../../values/value-type.ts'
import { variablePattern, variableRule } from './variable.ts'

/** Where a secret's value comes from when `up` runs; and that the program is given it as a file, where it is not a variable. */
export type SecretSource = (
  | { readonly from: 'environment'; readonly name: string }
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'command'; readonly command: readonly string[] }
) & { readonly as?: 'file' }

/**
 * A secret as it is recorded: never its value. `digest` is a keyed hash of the value (key: the state's own), so that a change can
 * be seen without the value; null until the daemon has received the value.
 */
export interface SecretReference {
  readonly source: SecretSource
  readonly digest: string | null
}

type Plain<From extends SecretSource['from']> = Omit<Extract<SecretSource, { readonly from: From }>, 'as'>

const sourceShape: Shape<SecretSource> = unionBy<SecretSource>('from', {
  environment: perhapsAsFile<Plain<'environment'>>({ from: exactly('environment'), name: anyText }),
  file: perhapsAsFile<Plain<'file'>>({ from: exactly('file'), path: anyText }),
  command: perhapsAsFile<Plain<'command'>>({ from: exactly('command'), command: listOf(anyText) }),
})

/** What says nothing stays without the key: revisions of before are equal to those of today. */
function perhapsAsFile<Source extends object>(fields: Shapes<Source>): Shape<Source & { readonly as?: 'file' }> {
  const plain = objectOf<Source>(fields)
  const asFile = objectOf<Source & { readonly as: 'file' }>({ ...fields, as: exactly('file') } as Shapes<
    Source & { readonly as: 'file' }
  >)
  return (value, path, refuse) =>
    typeof value === 'object' && value !== null && 'as' in value ? asFile(value, path, refuse) : plain(value, path, refuse)
}

export const secretShape: Shape<SecretReference> = objectOf<SecretReference>({ source: sourceShape, digest: orNull(anyText) })

export function showSource(source: SecretSource): string {
  const form = source.as === 'file' ? ', as a file' : ''
  switch (source.from) {
    case 'environment':
      return `from environment ${source.name}${form}`
    case 'file':
      return `from file ${JSON.stringify(source.path)}${form}`
    case 'command':
      return `from command ${JSON.stringify(source.command)}${form}`
  }
}

export const secretNoun: string = "secret('NAME'), secret.file('path') or secret.command(['program', 'argument'])"

/** What `secret()` of the sdk makes: plain data, told from a value by its `from`. */
export const secretSource: Reader<SecretSource> = {
  accepts: secretNoun,
  read(value, at, problems) {
    if (!isPlainObject(value) || typeof value['from'] !== 'string') {
      const kind = isPlainObject(value) ? 'an object without "from"' : kindOf(value)
      problems.add('E_CONFIG_SECRET', at, `${kind} is not a secret: secrets are named, never written`, { allowed: secretNoun })
      return undefined
    }
    if (value['as'] !== undefined && value['as'] !== 'file')
      return refuseSecret(
        `as: ${show(value['as'])} is not a form of a secret`,
        "as: 'file', or nothing for a variable",
        at,
        problems,
      )
    const form = value['as'] === 'file' ? ({ as: 'file' } as const) : {}
    if (value['from'] === 'environment') {
      const name = value['name']
      if (typeof name === 'string' && variablePattern.test(name)) return { from: 'environment', name, ...form }
      return refuseSecret('the name of the variable is not one', variableRule, at, problems)
    }
    if (value['from'] === 'file') {
      const path = value['path']
      if (typeof path === 'string' && path !== '' && path.length <= 4096 && !path.includes('\0'))
        return { from: 'file', path, ...form }
      return refuseSecret('the path of the file is not one', 'a path', at, problems)
    }
    if (value['from'] === 'command') {
      if (!Array.isArray(value['command']))
        return refuseSecret('the command is not an array', "['program', 'argument']", at, problems)
      const program = command.read(value['command'], { up: at, key: 'command' }, problems)
      return program === undefined ? undefined : { from: 'command', command: program, ...form }
    }
    return refuseSecret(`${show(value['from'])} is not a place that secrets come from`, secretNoun, at, problems)
  },
}

function refuseSecret(message: string, allowed: string, at: Place, problems: ProblemList): undefined {
  problems.add('E_CONFIG_SECRET', at, message, { allowed })
  return undefined
}
