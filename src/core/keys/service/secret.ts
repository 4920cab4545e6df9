/** Where the value of a secret comes from, and what is recorded of it. What is written in its place never comes back in a message. */

import { command } from '../../values/command.ts'
import type { Place, ProblemList } from '../../values/problem-list.ts'
import { anyText, exactly, listOf, objectOf, orNull, type Shape, unionBy } from '../../values/shape.ts'
import { kindOf, show } from '../../values/show.ts'
import { isPlainObject, type Reader } from '../../values/value-type.ts'
import { variablePattern, variableRule } from './variable.ts'

/** Where a secret's value comes from when `up` runs. */
export type SecretSource =
  | { readonly from: 'environment'; readonly name: string }
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'command'; readonly command: readonly string[] }

/**
 * A secret as it is recorded: never its value. `digest` is a keyed hash of the value (key: the state's own), so that a change can
 * be seen without the value; null until the daemon has received the value.
 */
export interface SecretReference {
  readonly source: SecretSource
  readonly digest: string | null
}

type Of<From extends SecretSource['from']> = Extract<SecretSource, { readonly from: From }>

const sourceShape: Shape<SecretSource> = unionBy<SecretSource>('from', {
  environment: objectOf<Of<'environment'>>({ from: exactly('environment'), name: anyText }),
  file: objectOf<Of<'file'>>({ from: exactly('file'), path: anyText }),
  command: objectOf<Of<'command'>>({ from: exactly('command'), command: listOf(anyText) }),
})

export const secretShape: Shape<SecretReference> = objectOf<SecretReference>({ source: sourceShape, digest: orNull(anyText) })

export function showSource(source: SecretSource): string {
  switch (source.from) {
    case 'environment':
      return `from environment ${source.name}`
    case 'file':
      return `from file ${JSON.stringify(source.path)}`
    case 'command':
      return `from command ${JSON.stringify(source.command)}`
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
