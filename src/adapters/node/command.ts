/**
 * Runs exec probes. The child leads its own process group, so that a time-out ends all that it started. What a newcomer would get wrong:
 * a killed process need not end (it may be in the kernel, or of another user), so its end is not waited for with the verdict.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

import type { CommandRunner } from '../../ports/command.ts'
import { findMarked, killQuietly } from './marked-processes.ts'

const maxOutputBytes = 2000
/** How often what was killed is looked for again; at last seldom. */
const lookMs = 50
const longestLookMs = 5000
const lateLooksMs = [500, 2000, 10_000, 60_000]

type Plan = Parameters<CommandRunner['run']>[0]
type Result = Awaited<ReturnType<CommandRunner['run']>>

/** For all instances of this daemon. */
export function createCommandRunner(): CommandRunner {
  /** Given up and not gone yet, by what they are. */
  const remaining = new Map<string, number>()
  return {
    async run(plan, timeoutMs) {
      const key = keyOf(plan)
      const pid = remaining.get(key)
      if (pid !== undefined)
        return { code: null, output: `the one before was killed at its time-out and has not ended yet (pid ${pid})` }
      try {
        return await runOnce(plan, timeoutMs, (child) => {
          remaining.set(key, child.pid ?? 0)
          void clearUp(child, plan).finally(() => remaining.delete(key))
        })
      } catch (error) {
        return { code: null, output: error instanceof Error ? error.message : String(error) }
      }
    },
  }
}

/** The same for each attempt. */
const keyOf = ({ command, marker }: Plan): string => JSON.stringify(command.filter((word) => word !== marker))

async function runOnce(plan: Plan, timeoutMs: number, giveUp: (child: ChildProcess) => void): Promise<Result> {
  const [program, ...args] = plan.command
  if (program === undefined) return { code: null, output: 'no command' }
  const child = spawn(program, args, { env: plan.environment, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let output = ''
  const keep = (chunk: Buffer): void => {
    if (output.length < maxOutputBytes) output += chunk.toString('utf8').slice(0, maxOutputBytes - output.length)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const abort = new AbortController()
  const ended = new Promise<Result>((resolve) => {
    child.once('error', (error) => resolve({ code: null, output: error.message }))
    child.once('exit', (code) => resolve({ code, output: output.trim() }))
  })
  const late = sleep(timeoutMs, 'late' as const, { signal: abort.signal }).catch(() => 'late' as const)
  const result = await Promise.race([ended, late])
  abort.abort()
  if (result !== 'late') return result
  const said = output.trim()
  giveUp(child)
  return { code: null, output: `no end within ${timeoutMs} ms; ${said}` }
}

/** Kills until nothing is left, however long that takes: each look costs next to nothing. */
async function clearUp(child: ChildProcess, { marker }: Plan): Promise<void> {
  for (const stream of [child.stdout, child.stderr]) stream?.destroy()
  const hasEnded = (): boolean => child.pid === undefined || child.exitCode !== null || child.signalCode !== null
  const gone = hasEnded() ? Promise.resolve() : once(child, 'exit').catch(() => undefined)
  // The child is ours and unreaped, so its pid (and group) cannot have passed to anybody else.
  if (child.pid !== undefined && !hasEnded()) killQuietly(-child.pid)
  if (marker !== undefined) {
    await killMarked(marker)
    void killLate(marker)
  }
  await gone
}

async function killMarked(marker: string): Promise<void> {
  for (let waitMs = lookMs; ; waitMs = Math.min(2 * waitMs, longestLookMs)) {
    const pids = await findMarked(marker)
    if (pids.length === 0) return
    for (const pid of pids) killQuietly(pid)
    await sleep(waitMs, undefined, { ref: false })
  }
}

/** An engine that was asked late, or is slow, may begin it when nobody waits for it any more. */
async function killLate(marker: string): Promise<void> {
  for (const waitMs of lateLooksMs) {
    await sleep(waitMs, undefined, { ref: false })
    await killMarked(marker)
  }
}
