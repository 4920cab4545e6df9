/** `daruma job ls | run | runs | logs`. */

import { constants } from 'node:os'

import { DarumaError } from '../../ports/error.ts'
import type { RunView } from '../../protocol/api.ts'
import type { Client } from '../daemon/client.ts'
import { connectUsed } from '../daemon/connect.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'
import { describeEnd, renderJobs, renderRuns } from '../render/job.ts'
import { LogLines } from '../render/log.ts'
import { untilEnded } from '../daemon/until-ended.ts'

const defaultRuns = 20
const defaultLines = 1000

export async function list(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  const jobs = await (await connectUsed(context, invocation)).jobs()
  if (invocation.json) terminal.print(JSON.stringify(jobs))
  else terminal.print(renderJobs(jobs, { palette: terminal.palette, columns: terminal.columns(), nowMs: Date.now() }).join('\n'))
  return 0
}

export async function runs(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  const answer = await (await connectUsed(context, invocation)).runs(invocation.words[0] ?? '')
  const shown = { ...answer, runs: answer.runs.slice(0, invocation.count('lines', 1) ?? defaultRuns) }
  if (invocation.json) terminal.print(JSON.stringify(shown))
  else terminal.print(renderRuns(shown, { palette: terminal.palette, columns: terminal.columns(), nowMs: Date.now() }).join('\n'))
  return 0
}

export async function run(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  const client = await connectUsed(context, invocation)
  const begun = await client.runJob(invocation.words[0] ?? '')
  const isFollowed = invocation.has('follow')
  if (!isFollowed && !invocation.has('wait')) {
    terminal.print(invocation.json ? JSON.stringify(begun) : begun.slot)
    return 0
  }
  if (!invocation.json) terminal.print(begun.slot)
  const ending = new AbortController()
  const release = context.onInterrupt(() => ending.abort())
  try {
    // The run's end is waited for also when nobody reads its output any more: the exit code tells it.
    const printingEnds = AbortSignal.any([ending.signal, terminal.outputClosed])
    const printing = isFollowed ? print(context, invocation, client, begun.slot, printingEnds) : null
    const last = await wait(client, begun, ending.signal)
    await printing
    if (ending.signal.aborted) return 130
    if (invocation.json) terminal.print(JSON.stringify(last))
    else terminal.print(describeEnd(last, terminal.palette))
    return exitCodeOf(last)
  } finally {
    release()
  }
}

export async function logs(context: Context, invocation: Invocation): Promise<number> {
  const client = await connectUsed(context, invocation)
  const [name = '', tick] = invocation.words
  const answer = await client.runs(name)
  const chosen =
    tick === undefined ? answer.runs.find(({ attempt }) => attempt > 0) : answer.runs.find((each) => each.tick === tick)
  if (chosen === undefined) {
    if (tick !== undefined)
      throw new DarumaError('E_RUN_UNKNOWN', `There is no run ${tick} of ${name}.`, {
        hint: `daruma job runs ${name} lists those that are kept.`,
      })
    context.terminal.note(`${name} has not run yet`)
    return 0
  }
  using ending = untilEnded(context)
  await print(context, invocation, client, chosen.slot, ending.signal)
  return 0
}

async function print(context: Context, invocation: Invocation, client: Client, slot: string, signal: AbortSignal): Promise<void> {
  const { terminal } = context
  const lines = invocation.count('lines', 0) ?? defaultLines
  const follow = invocation.has('follow')
  const rendered = new LogLines(terminal.palette, { hidesTime: true, hidesSlot: true })
  for await (const line of client.logs({ services: [slot], lines, follow }, signal)) {
    if (invocation.json) terminal.print(JSON.stringify(line))
    else if ('note' in line) terminal.note(terminal.notePalette.yellow(line.note))
    else terminal.print(rendered.render(line))
    await terminal.drain()
  }
}

/** A daemon that dies meanwhile comes back by itself, and so do the events of the run. */
const returnLimitMs = 60_000

async function wait(client: Client, begun: RunView, signal: AbortSignal): Promise<RunView> {
  let last = begun
  let deadline = 0
  while (!signal.aborted) {
    try {
      for await (const view of client.followRun(begun.service, begun.tick ?? '', signal)) {
        last = view
        deadline = 0
      }
      if (signal.aborted || last.endedAt !== null || last.state === 'cancelled') return last
    } catch (error) {
      const isAway = error instanceof DarumaError && (error.code === 'E_DAEMON_LOST' || error.code === 'E_DAEMON_NOT_RUNNING')
      if (!isAway) throw error
      deadline = deadline === 0 ? performance.now() + returnLimitMs : deadline
      if (performance.now() > deadline) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  return last
}

function exitCodeOf({ state, exit }: RunView): number {
  if (state === 'succeeded') return 0
  if (exit?.kind === 'code' && exit.code !== 0) return exit.code
  if (exit?.kind === 'signal') return 128 + (constants.signals[exit.signal as NodeJS.Signals] ?? 0)
  return 1
}
