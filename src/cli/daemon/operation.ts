/**
 * Asking the daemon for an operation and watching it to its end. The operation is the daemon's: when this command dies nothing
 * changes, and when the daemon dies this command waits for the next one, which finishes or rolls back what was begun.
 */

import { setTimeout as delay } from 'node:timers/promises'

import type { OperationAnswer, OperationLine, OperationRequest } from '../../protocol/api.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Client } from './client.ts'
import { askVersion } from './connect.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'
import { createProgress, type Progress } from '../screen/progress.ts'
import { formatDuration, formatTook } from '../render/quantity.ts'
import { describeOperation } from '../render/status.ts'

/** Another's apply of a large config with slow health checks may take this long; afterwards a person should look. */
const waitLimitMs = 3_600_000
/** A daemon that was killed is back within seconds; a machine that swaps needs longer. */
const returnLimitMs = 60_000
const pollIntervalMs = 200

export const interrupted: number = 130

export type EndLine = Extract<OperationLine, { kind: 'end' }>

/** Sends the request, watches it, says how it ended. Resolves to the exit code. */
export async function operate(context: Context, invocation: Invocation, client: Client, body: OperationRequest): Promise<number> {
  const accepted = await request(context, invocation, client, () => client.operate(body))
  return watchOperation(context, invocation, client, accepted)
}

/** With --wait, what is refused because somebody is at work is asked again when they are done, or the signal is given. */
export async function request<Answer>(
  context: Context,
  invocation: Invocation,
  client: Client,
  ask: () => Promise<Answer>,
  signal?: AbortSignal,
): Promise<Answer> {
  const deadline = performance.now() + waitLimitMs
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof DarumaError) || error.code !== 'E_OPERATION_BUSY') throw error
      if (!invocation.has('wait')) throw withWaitHint(error)
      if (performance.now() > deadline) throw error
      await waitUntilIdle(context, client, { deadline, signal })
    }
  }
}

export interface IdleWait {
  readonly deadline?: number
  /** Ends the waiting, as if nobody were at work. */
  readonly signal?: AbortSignal | undefined
}

export async function waitUntilIdle(context: Context, client: Client, wait: IdleWait = {}): Promise<void> {
  const { deadline = performance.now() + waitLimitMs, signal } = wait
  let told = ''
  while (signal?.aborted !== true) {
    const current = await client.currentOperation()
    if (current === null || current.state === 'succeeded' || current.state === 'failed') return
    if (told !== current.id) context.terminal.note(`waiting: ${describeOperation(current, Date.now())}`)
    told = current.id
    if (performance.now() > deadline) {
      throw new DarumaError(
        'E_WAIT_TOO_LONG',
        `Gave up waiting after ${formatDuration(waitLimitMs)}: ${describeOperation(current, Date.now())}.`,
      )
    }
    await delay(pollIntervalMs)
  }
}

function withWaitHint(error: DarumaError): DarumaError {
  const hint = error.hint ?? '`--wait` waits until it is done; `daruma status` shows it.'
  return new DarumaError(error.code, error.message, { hint, cause: error })
}

export async function watchOperation(
  context: Context,
  invocation: Invocation,
  client: Client,
  accepted: OperationAnswer,
): Promise<number> {
  const { terminal } = context
  if (accepted.unchanged) return finishUnchanged(context, invocation, accepted.revision)
  const watching = new AbortController()
  const release = context.onInterrupt(() => watching.abort())
  if (invocation.json) terminal.print(JSON.stringify({ kind: 'operation', ...accepted }))
  const progress = invocation.json ? jsonProgress(context) : createProgress(terminal, () => performance.now())
  let end: EndLine | null
  try {
    end = await follow(client, accepted, progress, watching.signal)
  } finally {
    progress[Symbol.dispose]()
    release()
  }
  if (end === null) {
    terminal.note(
      'Stopped watching. The daemon continues: `daruma status` shows its progress, `daruma events -f` shows the rest.',
    )
    return interrupted
  }
  if (!invocation.json) terminal.print(describeEnd(context, accepted, end))
  return end.state === 'succeeded' ? 0 : 1
}

/** Nothing had to be done. The stream for machines ends like every other. */
export function finishUnchanged(context: Context, invocation: Invocation, revision: number): number {
  const end: EndLine = { kind: 'end', state: 'succeeded', rolledBack: false, revision, durationMs: 0 }
  context.terminal.print(invocation.json ? JSON.stringify(end) : 'No changes.')
  return 0
}

/** Null when the signal ended the watching first. */
async function follow(
  client: Client,
  accepted: OperationAnswer,
  progress: Progress,
  signal: AbortSignal,
): Promise<EndLine | null> {
  const startedMs = performance.now()
  for (;;) {
    try {
      for await (const line of client.operation(accepted.id, signal)) {
        progress.show(line)
        if (line.kind === 'end') return line
      }
      if (signal.aborted) return null
    } catch (error) {
      if (signal.aborted) return null
      if (!(error instanceof DarumaError)) throw error
      if (isForgotten(error)) return await endFromHistory(client, accepted, progress, performance.now() - startedMs)
      if (!isAway(error)) throw error
    }
    progress.say('lost the daemon; waiting for the next one, which resumes this operation')
    if (!(await waitForReturn(client, signal))) return null
  }
}

const isAway = (error: DarumaError): boolean => error.code === 'E_DAEMON_LOST' || error.code === 'E_DAEMON_NOT_RUNNING'
const isForgotten = (error: DarumaError): boolean => error.code === 'E_OPERATION_UNKNOWN' || error.code === 'E_NOT_FOUND'

async function waitForReturn(client: Client, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + returnLimitMs
  while (!signal.aborted) {
    if ((await askVersion(client)) !== null) return true
    if (performance.now() > deadline) {
      throw new DarumaError('E_DAEMON_LOST', `The daemon did not come back within ${returnLimitMs / 1000} s.`, {
        hint: 'The instances keep running. `daruma daemon status` and daemon.log in the state directory say more.',
      })
    }
    await delay(pollIntervalMs)
  }
  return false
}

/** A daemon that began after the operation had ended knows only what became of its revision. */
async function endFromHistory(
  client: Client,
  accepted: OperationAnswer,
  progress: Progress,
  durationMs: number,
): Promise<EndLine> {
  const revisions = await client.revisions()
  const own = revisions.find((revision) => revision.number === accepted.revision)
  const present = revisions.find((revision) => revision.state === 'applied')?.number ?? accepted.revision
  const hasSucceeded = own?.state === 'applied' || own?.state === 'superseded'
  const end: EndLine = {
    kind: 'end',
    state: hasSucceeded ? 'succeeded' : 'failed',
    rolledBack: own?.state === 'failed' && present !== accepted.revision,
    revision: present,
    durationMs,
  }
  progress.show(end)
  return end
}

function describeEnd(context: Context, accepted: OperationAnswer, end: EndLine): string {
  const { green, red, bold } = context.terminal.palette
  const took = formatTook(end.durationMs)
  if (end.state === 'succeeded')
    return green(`✓ done in ${took}`) + (end.revision === 0 ? '' : `, now on revision ${bold(String(end.revision))}`)
  if (!end.rolledBack) return red(`✗ failed after ${took}`) + ': see `daruma events`'
  const back =
    end.revision === 0 ? 'there was none before: no revision is active' : `revision ${bold(String(end.revision))} is active again`
  return `${red(`✗ revision ${accepted.revision} failed and was rolled back`)} after ${took}; ${back}`
}

function jsonProgress(context: Context): Progress {
  return {
    show: (line) => context.terminal.print(JSON.stringify(line)),
    say: (text) => context.terminal.note(text),
    [Symbol.dispose]: () => undefined,
  }
}
