/**
 * Sends a signal to the command itself and to nothing else. A process id can be given to somebody else between looking and sending,
 * so the whole cgroup is frozen meanwhile: a frozen process cannot end, hence its number cannot be reused.
 */

import { setTimeout as sleep } from 'node:timers/promises'

import type { SignalName } from '../../core/model/service.ts'
import { isWaitingShell } from '../../core/model/shell-command.ts'
import { commandWords, observeProcess } from '../../system/process-stat.ts'
import { DarumaError } from '../../ports/error.ts'
import { hasCode } from '../../system/errno.ts'
import { type Enclosure, type Freezer } from './enclosure.ts'

/** Freezing takes well under a millisecond; a process that cannot be frozen in this time is in an uninterruptible call. */
const freezeLimitMs = 500
const looksPerAttempt = 20

/** Does nothing when the command has ended. Throws `E_RUNTIME_UNFREEZABLE`, having sent nothing: ending the epoch still works. */
export async function sendFrozen(options: {
  readonly enclosure: Enclosure
  readonly target: { readonly pid: number; readonly startTicks: number }
  readonly signal: SignalName
}): Promise<void> {
  const { enclosure, target, signal } = options
  const freezer = enclosure.freezer
  // A process group cannot be frozen: there the check and the signal are merely next to each other, and `guarantees` says weaker.
  if (freezer === null) return sendTo(enclosure, target, signal)
  if (!enclosure.isPopulated()) return
  freezer.freeze()
  try {
    if (!(await isFrozenInTime(freezer, enclosure))) {
      if (!enclosure.isPopulated()) return
      throw new DarumaError(
        'E_RUNTIME_UNFREEZABLE',
        `process ${target.pid} could not be frozen within ${freezeLimitMs} ms for ${signal}`,
        {
          hint: 'it is in an uninterruptible call, such as a read from a hanging disk',
        },
      )
    }
    sendTo(enclosure, target, signal)
  } finally {
    freezer.thaw()
  }
}

async function isFrozenInTime(freezer: Freezer, enclosure: Enclosure): Promise<boolean> {
  const deadline = performance.now() + freezeLimitMs
  for (let looks = 1; !freezer.isFrozen(); looks += 1) {
    if (performance.now() > deadline || !enclosure.isPopulated()) return false
    // A v1 freezer can miss whoever forks in that moment, and then stays "FREEZING" for ever; let go and asked again, it catches him.
    if (looks % looksPerAttempt === 0) {
      freezer.thaw()
      await sleep(1)
      freezer.freeze()
    }
    await sleep(1)
  }
  return true
}

function sendTo(enclosure: Enclosure, target: { readonly pid: number; readonly startTicks: number }, signal: SignalName): void {
  if (!enclosure.members().includes(target.pid)) return
  const stat = observeProcess(target.pid)
  if (stat === null || stat.startTicks !== target.startTicks) return
  // A shell that waits hears the signal when what it runs has ended: that is told first.
  if (isWaitingShell(commandWords(target.pid))) {
    for (const pid of enclosure.members()) if (observeProcess(pid)?.parent === target.pid) sendOne(pid, signal)
  }
  sendOne(target.pid, signal)
}

function sendOne(pid: number, signal: SignalName): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error
  }
}
