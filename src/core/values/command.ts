/** A command line, which a shell runs, or the arguments of a program, which none does. */

import { listOf, anyText } from './shape.ts'
import { quote } from './show.ts'
import { readItems, type Reader, refuseType, refuseValue, type ValueType, valueType } from './value-type.ts'

/** The kernel bounds one argument or variable at 128 KiB (execve(2)); a UTF-16 unit is at most 3 bytes of UTF-8. */
export const longestArgument: number = 40_000
const mostArguments = 1000

const commandReader: Reader<readonly string[]> = {
  accepts: "a command line such as 'node server.js' (run by sh -c), or an array of arguments such as ['node', 'server.js']",
  read(value, at, problems) {
    if (typeof value === 'string') {
      const isRight = value.trim() !== '' && value.length <= longestArgument && !value.includes('\0')
      return isRight ? ['/bin/sh', '-c', value] : refuseValue(value, this.accepts, at, problems)
    }
    if (!Array.isArray(value)) return refuseType(value, this.accepts, at, problems)
    if (value.length === 0 || value.length > mostArguments || value[0] === '')
      return refuseValue(value, this.accepts, at, problems)
    return readItems(value, at, problems, argument)
  },
}

const argument: Reader<string> = {
  accepts: 'a string (an argument of the command)',
  read(value, at, problems) {
    if (typeof value !== 'string') {
      return refuseType(value, this.accepts, at, problems, typeof value === 'number' ? quote(String(value)) : null)
    }
    const isRight = value.length <= longestArgument && !value.includes('\0')
    return isRight ? value : refuseValue(value, this.accepts, at, problems)
  },
}

export const command: ValueType<readonly string[]> = valueType(commandReader, { shape: listOf(anyText), show: showCommand })

/** A command that was written as a string is shown as one. */
export function showCommand(words: readonly string[]): string {
  const [shell, flag, text, ...rest] = words
  return shell === '/bin/sh' && flag === '-c' && text !== undefined && rest.length === 0
    ? JSON.stringify(text)
    : JSON.stringify(words)
}
