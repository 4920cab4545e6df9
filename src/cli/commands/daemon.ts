/** `daruma daemon run | status | stop | restart`. Whatever is done to the daemon, the instances keep running. */

import { DarumaError } from '../../ports/error.ts'
import { Client } from '../daemon/client.ts'
import { askVersion, startDaemon, waitForDaemon } from '../daemon/connect.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'
import { plural } from '../render/quantity.ts'
import { resolveState } from '../daemon/state.ts'
import { stopDaemon } from '../daemon/stop-daemon.ts'

export async function run(context: Context, invocation: Invocation): Promise<number> {
  const state = resolveState(context, invocation)
  return context.tools.runDaemon({ state: state.directory, takeOver: invocation.has('takeOver') })
}

export async function status(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  const state = resolveState(context, invocation)
  const answer = await askVersion(new Client(state.directory))
  if (invocation.json) terminal.print(JSON.stringify(answer))
  else if (answer === null)
    terminal.print(`no daemon runs for ${state.directory}${state.isUsed ? '; the next command that needs it starts it' : ''}`)
  else
    terminal.print(
      `running: pid ${answer.pid}, version ${answer.version}, API ${answer.api}, ${answer.runs}\nstate: ${answer.state}`,
    )
  return answer === null ? 1 : 0
}

export async function stop(context: Context, invocation: Invocation): Promise<number> {
  const state = resolveState(context, invocation)
  const running = await countRunning(new Client(state.directory))
  const hasStopped = await stopDaemon(context, state.directory)
  context.terminal.print(
    hasStopped
      ? `The daemon has ended. ${describeRunning(running)} The next command that needs it starts it again.`
      : `no daemon runs for ${state.directory}`,
  )
  return 0
}

/** Null where nobody answers. */
async function countRunning(client: Client): Promise<number | null> {
  try {
    return (await client.status()).instances.filter(({ pid }) => pid !== null).length
  } catch (error) {
    if (error instanceof DarumaError) return null
    throw error
  }
}

function describeRunning(count: number | null): string {
  if (count === null) return 'Its instances keep running.'
  return count === 0
    ? 'None of its instances is running.'
    : `${plural(count, 'instance')} ${count === 1 ? 'keeps' : 'keep'} running.`
}

export async function restart(context: Context, invocation: Invocation): Promise<number> {
  const state = resolveState(context, invocation)
  if (!state.isUsed && (await askVersion(new Client(state.directory))) === null) {
    throw new DarumaError('E_STATE_UNUSED', `Nothing has been applied here: ${state.directory} holds no state.`, {
      hint: '`daruma up` starts the daemon.',
    })
  }
  await stopDaemon(context, state.directory)
  await startDaemon(context, state.directory)
  const answer = await waitForDaemon(new Client(state.directory), () => startDaemon(context, state.directory))
  context.terminal.print(`The daemon runs: pid ${answer.pid}, version ${answer.version}. The instances were not touched.`)
  return 0
}
