/**
 * Asks an instance to end, by a signal to its own processes and to nothing else. A process id can be given to somebody else between looking
 * and sending, so the whole cgroup is frozen meanwhile: a frozen process cannot end, hence its number cannot be reused. Nor can that of the
 * command while its parent, the keeper, is frozen and reaps nothing, even if the command has moved itself to another cgroup.
 */

import { setTimeout as sleep } from 'node:timers/promises'

import type { SignalName, StopPolicy } from '../../core/model/service.ts'
import { isWaitingShell } from '../../core/model/shell-command.ts'
import { commandWords, isAlive, observeProcess } from '../../system/process-stat.ts'
import { DarumaError } from '../../ports/error.ts'
import { hasCode } from '../../system/errno.ts'
import { type Cgroup, type Freezer } from './cgroups/cgroup.ts'
import type { KeeperIdentity } from './keepers/keeper-lane.ts'

/** Freezing takes well under a millisecond; a process that cannot be frozen in this time is in an uninterruptible call. */
const freezeLimitMs = 500
const looksPerAttempt = 20

export interface StopRequest {
  readonly cgroup: Cgroup
  /** The command. */
  readonly target: { readonly pid: number; readonly startTicks: number }
  /** Null where it is not known (format 1), or has gone: then it is told nothing. */
  readonly keeper: KeeperIdentity | null
  readonly signal: SignalName
  readonly to: StopPolicy['to']
}

/** Does nothing when the command has ended. Throws `E_RUNTIME_UNFREEZABLE`, having sent nothing: ending the epoch still works. */
export async function sendFrozen(request: StopRequest): Promise<void> {
  const { cgroup, target, signal } = request
  const freezer = cgroup.freezer
  // A process group cannot be frozen: there the check and the signal are merely next to each other, and `guarantees` says weaker.
  if (freezer === null) return sendTo(request)
  if (!cgroup.isPopulated()) return
  freezer.freeze()
  try {
    if (!(await isFrozenInTime(freezer, cgroup))) {
      if (!cgroup.isPopulated()) return
      throw new DarumaError(
        'E_RUNTIME_UNFREEZABLE',
        `process ${target.pid} could not be frozen within ${freezeLimitMs} ms for ${signal}`,
        {
          hint: 'it is in an uninterruptible call, such as a read from a hanging disk',
        },
      )
    }
    sendTo(request)
  } finally {
    freezer.thaw()
  }
}

async function isFrozenInTime(freezer: Freezer, cgroup: Cgroup): Promise<boolean> {
  const deadline = performance.now() + freezeLimitMs
  for (let looks = 1; !freezer.isFrozen(); looks += 1) {
    if (performance.now() > deadline || !cgroup.isPopulated()) return false
    // A v1 freezer can miss anything that forks in that moment, and then stays "FREEZING" forever; let go and asked again, it catches him.
    if (looks % looksPerAttempt === 0) {
      freezer.thaw()
      await sleep(1)
      freezer.freeze()
    }
    await sleep(1)
  }
  return true
}

function sendTo({ cgroup, target, keeper, signal, to }: StopRequest): void {
  const members = cgroup.members()
  const command = findCommand(target, members)
  // The keeper first: it must know that the end is asked for before the command is gone. SIGCONT: everything has been told (keeper.sh).
  const isKeeperThere = keeper !== null && members.includes(keeper.pid) && isAlive(keeper)
  const canBeTold = isKeeperThere && signal !== 'SIGKILL' && (command.length > 0 || to === 'all')
  if (canBeTold) sendOne(keeper.pid, to === 'all' ? 'SIGCONT' : signal)
  const companions = keeper === null ? [] : [keeper.pid, observeProcess(keeper.pid)?.parent ?? 0]
  const everything = to === 'all' ? members.filter((pid) => !companions.includes(pid)) : []
  for (const pid of new Set([...everything, ...command])) sendOne(pid, signal)
}

/** The command, with what a shell that waits has to have told first; nothing when it has gone, or its number is another process's. */
function findCommand(target: StopRequest['target'], members: readonly number[]): readonly number[] {
  const stat = observeProcess(target.pid)
  if (stat === null || stat.startTicks !== target.startTicks) return []
  if (!members.includes(target.pid) && !members.includes(stat.parent)) return []
  // A shell that waits hears the signal when what it runs has ended.
  const children = isWaitingShell(commandWords(target.pid))
    ? members.filter((pid) => observeProcess(pid)?.parent === target.pid)
    : []
  return [...children, target.pid]
}

function sendOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error
  }
}
