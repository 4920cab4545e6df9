/** Ending a daemon by hand, in the way in which it is supervised. What it runs runs on. */

import { setTimeout as delay } from 'node:timers/promises'

import { DarumaError } from '../../ports/error.ts'
import type { Context } from '../context.ts'
import { Client } from './client.ts'
import { askVersion, isUnderSystemd } from './connect.ts'
import { unitOf } from './systemd-unit.ts'

/** Ending means: answer what is being answered, close the database. */
const stopLimitMs = 30_000
const pollIntervalMs = 20

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
        hint: 'kill -9 is safe: the instances keep running, and the next daemon adopts them.',
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
