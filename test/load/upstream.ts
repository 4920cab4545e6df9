/** Starts the counting upstream as a process of its own, for tests that have no daemon to do it. */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export const countingUpstream: string = join(import.meta.dirname, '../fixtures/counting-upstream.mjs')

export interface RunningUpstream extends AsyncDisposable {
  readonly port: number
  readonly child: ChildProcess
  /** Asks it to drain; resolves to its exit code. */
  drain(): Promise<number | null>
}

export async function startUpstream(environment: Readonly<Record<string, string>>): Promise<RunningUpstream> {
  const child = spawn(process.execPath, [countingUpstream], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const ended = async (): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    return child.exitCode
  }
  return {
    port: Number(line.split(' ').at(-1)),
    child,
    drain: () => {
      child.kill('SIGTERM')
      return ended()
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended()
    },
  }
}
