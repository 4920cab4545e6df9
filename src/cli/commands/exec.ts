/**
 * `daruma exec TARGET -- COMMAND`: the daemon says how to get inside the instance, and the command runs as a child of this one, on
 * this terminal. The terminal's signals reach it directly, so this process only waits.
 */

import { spawn } from 'node:child_process'
import { constants } from 'node:os'

import { connectUsed } from '../daemon/connect.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'
import { DarumaError } from '../../ports/error.ts'

export async function exec(context: Context, invocation: Invocation): Promise<number> {
  const [target = '', ...rest] = invocation.words
  const command = rest[0] === '--' ? rest.slice(1) : rest
  if (command.length === 0)
    throw new DarumaError('E_USAGE', '`exec` needs a command.', { hint: 'For example: daruma exec web -- sh' })
  const client = await connectUsed(context, invocation)
  const answer = await client.exec({ target, command })
  const release = context.onInterrupt(() => undefined)
  try {
    return await run(context, answer.command, answer.environment)
  } finally {
    release()
  }
}

function run(context: Context, command: readonly string[], environment: Readonly<Record<string, string>>): Promise<number> {
  const [program = '', ...words] = command
  // What belongs to the terminal comes from here, everything else from the instance.
  const own = Object.fromEntries(
    ['TERM', 'COLORTERM', 'LANG'].flatMap((name) =>
      context.environment[name] === undefined ? [] : [[name, context.environment[name]]],
    ),
  )
  const child = spawn(program, words, { stdio: 'inherit', env: { ...own, ...environment } })
  return new Promise((resolve) => {
    child.once('error', (error) => {
      context.terminal.note(`${program}: ${error.message}`)
      resolve(127)
    })
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  })
}
