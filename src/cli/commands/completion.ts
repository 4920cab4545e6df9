/** `daruma completion SHELL`, and the hidden command that its scripts ask for names. */

import { DarumaError } from '../../ports/error.ts'
import { Client } from '../daemon/client.ts'
import { renderCompletion, shells } from '../tree/completion.ts'
import type { CommandSpec, Run } from '../tree/command-spec.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'
import { findByOrigin } from '../daemon/connect.ts'
import { configFile, resolveState } from '../daemon/state.ts'

/** A key press must not hang: no names are better than late ones. */
const limitMs = 300

/** The tree is handed in by itself: a command that imported it would be in a circle with it. */
export function completionOf(commands: readonly CommandSpec[]): Run {
  return async (context, invocation) => complete(context, invocation, commands)
}

async function complete(context: Context, invocation: Invocation, commands: readonly CommandSpec[]): Promise<number> {
  const shell = shells.find((candidate) => candidate === invocation.words[0])
  if (shell === undefined)
    throw new DarumaError('E_USAGE', `There is no completion for "${invocation.words[0]}".`, {
      hint: `There is one for ${shells.join(', ')}.`,
    })
  context.terminal.print(renderCompletion(shell, commands).trimEnd())
  return 0
}

/** Prints nothing, and never an error, where there is nothing to say. Evaluates no config and starts no daemon. */
export async function completeNames(context: Context, invocation: Invocation): Promise<number> {
  try {
    const client = new Client(resolveState(context, invocation).directory)
    if (invocation.words[0] === 'projects') {
      for (const { id } of await client.projects(limitMs)) context.terminal.print(id)
      return 0
    }
    client.project = await findProject(context, invocation, client)
    const { services, instances } = await client.status(limitMs)
    const names = services.map((service) => service.service as string)
    const slots = invocation.words[0] === 'targets' ? instances.map((instance) => instance.slot as string) : []
    for (const name of [...names, ...slots]) context.terminal.print(name)
  } catch (error) {
    if (!(error instanceof DarumaError)) throw error
  }
  return 0
}

/** By where it was applied from: the config in reach is not evaluated for a key press. */
async function findProject(context: Context, invocation: Invocation, client: Client): Promise<string | null> {
  const named = invocation.text('project')
  const file = named === null ? await configFile(context, invocation) : null
  if (file === null) return named
  const { projects } = await client.version(limitMs)
  return findByOrigin(projects, file, invocation.text('stage'))
}
