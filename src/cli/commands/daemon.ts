/** `daruma daemon run | status | stop | restart`. Whatever is done to the daemon, the instances run on. */

import { setTimeout as delay } from 'node:timers/promises'

import { DarumaError } from '../../ports/error.ts'
import { Client } from '../daemon/client.ts'
import { askVersion, isUnderSystemd, startDaemon, waitForDaemon } from '../daemon/connect.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'
import { plural } from '../render/quantity.ts'
import { resolveState } from '../daemon/state.ts'
import { unitOf } from '../daemon/systemd-unit.ts'

/** Ending means: answer what is being answered, close the database. */
const stopLimitMs = 30_000
const pollIntervalMs = 20

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
  if (count === null) return 'What it ran runs on.'
  return count === 0 ? 'Nothing of it runs.' : `${plural(count, 'instance')} ${count === 1 ? 'runs' : 'run'} on.`
}

export async function restart(context: Context, invocation: Invocation): Promise<number> {
  const state = resolveState(context, invocation)
  if (!state.isUsed && (await askVersion(new Client(state.directory))) === null) {
    throw new DarumaError('E_STATE_UNUSED', `Nothing was ever applied here: ${state.directory} holds no state.`, {
      hint: '`daruma up` starts the daemon.',
    })
  }
  await stopDaemon(context, state.directory)
  await startDaemon(context, state.directory)
  const answer = await waitForDaemon(new Client(state.directory), () => startDaemon(context, state.directory))
  context.terminal.print(`The daemon runs: pid ${answer.pid}, version ${answer.version}. The instances were not touched.`)
  return 0
}

/** Whether there was one. Resolves when it is gone: after its last answer it still holds the lock that its successor needs. */
export async function stopDaemon(context: Context, state: string): Promise<boolean> {
  const client = new Client(state)
  const running = await askVersion(client)
  if (running === null) return false
  if (running.runs === 'systemd' && isUnderSystemd(state) && context.tools.systemd.isRunning()) {
    await context.tools.systemd.control(['stop', unitOf(state)])
  } else {
    await client.stopDaemon()
  }
  const deadline = performance.now() + stopLimitMs
  for (;;) {
    const now = await askVersion(client)
    if (now?.pid !== running.pid && !isProcess(running.pid)) return true
    if (performance.now() > deadline) {
      throw new DarumaError('E_DAEMON_NO_STOP', `The daemon (pid ${running.pid}) did not end within ${stopLimitMs / 1000} s.`, {
        hint: 'kill -9 is safe: the instances run on, and the next daemon adopts them.',
      })
    }
    await delay(pollIntervalMs)
  }
}

/** Asked within the seconds in which it ended, so its number is not another's yet. */
function isProcess(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
