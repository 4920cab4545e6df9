/**
 * An flock(2) that this process holds until it ends. Node has no flock of its own: flock(1) locks the open file description behind the
 * descriptor that it inherits; ours refers to the same one, so the lock is ours when the child has gone. It never fails open: where
 * nobody could be asked, the answer is an error and not "it is ours".
 */

import { spawnSync } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync } from 'node:fs'

import { hasCode } from '../../system/errno.ts'
import { DarumaError } from '../../ports/error.ts'

/** flock(1) does not wait; one that takes this long is stopped or starved, and is killed. */
const askLimitMs = 10_000
/** The child may be killed for memory, or the host be out of processes for a moment. */
const maxAttempts = 5
const pauseMs = 50

/** True when this process holds the lock now, false when somebody else does. Throws `E_STATE_LOCK` where that cannot be known. */
export function lockDirectory(descriptor: number, path: string): boolean {
  let trouble = ''
  for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
    if (attempt > 1) pause()
    const { status, signal, error } = askFlock(descriptor)
    // 1 means held (flock(1)).
    if (status === 1) return false
    if (status === 0 && isHeldHere(descriptor, path)) return true
    trouble =
      error?.message ?? (signal === null ? `it ended with ${status}, and the lock is not there` : `it was ended by ${signal}`)
    if (hasCode(error, 'ENOENT')) break
  }
  throw new DarumaError(
    'E_STATE_LOCK',
    `The lock on ${path} could not be taken, because flock(1) could not be asked: ${trouble}.`,
    {
      hint: 'Without the lock two daemons could start everything twice. flock comes with util-linux.',
    },
  )
}

const askFlock = (descriptor: number): ReturnType<typeof spawnSync> =>
  spawnSync('flock', ['--exclusive', '--nonblock', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', descriptor],
    timeout: askLimitMs,
    killSignal: 'SIGKILL',
  })

/** The kernel says so itself (proc(5), fdinfo); where its /proc has no word for it, a second description must find the lock held. */
function isHeldHere(descriptor: number, path: string): boolean {
  try {
    if (/^lock:.*\bFLOCK\b/m.test(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1'))) return true
  } catch {
    // No /proc: the other question is asked.
  }
  const other = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    return askFlock(other).status === 1
  } finally {
    closeSync(other)
  }
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs)
}
