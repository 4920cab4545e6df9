/**
 * One daemon for one state *id* on this machine. The lock on the state directory's inode does not see a copy of the whole file system, or
 * a directory that was made again under an old id; what those two daemons would share is the state id, by which cgroups and containers
 * are named. So the lock is on the state's own cgroup directories, which are exactly what is shared, and on a directory in /run, since a
 * cgroup without processes can be removed by anybody who is root. Where there is neither (not root), it is an abstract socket (unix(7)).
 * The kernel gives all of them back with the end of the process.
 */

import { chmodSync, closeSync, constants, fstatSync, mkdirSync, openSync, statSync } from 'node:fs'
import { type Server, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { hasCode } from '../../system/errno.ts'
import { DarumaError } from '../../ports/error.ts'
import { stateCgroups } from './cgroups.ts'
import { lockDirectory } from './flock.ts'
import { type Holder, findLockHolder, findSocketHolder } from './lock-holder.ts'
import { keepsOwners, ownerDirectory } from './owner-record.ts'

export type StateLock =
  | { readonly kind: 'ours'; readonly release: () => void }
  | { readonly kind: 'held'; readonly by: Holder | null }

/** A daemon that is just ending gives back one lock after the other. */
const endingLimitMs = 500
const pauseMs = 25

/** Throws `E_STATE_LOCK` where nothing can be locked. */
export async function lockState(stateId: string): Promise<StateLock> {
  const deadline = performance.now() + endingLimitMs
  for (;;) {
    const lock = await tryToLock(stateId)
    if (lock.kind === 'ours' || performance.now() > deadline) return lock
    await sleep(pauseMs)
  }
}

async function tryToLock(stateId: string): Promise<StateLock> {
  if (process.geteuid?.() !== 0) return listenAbstract(stateId)
  const descriptors: number[] = []
  const release = (): void => {
    for (const descriptor of descriptors.splice(0)) closeSync(descriptor)
  }
  try {
    keepsOwners()
    for (const path of [ownerDirectory(stateId), ...stateCgroups(stateId)]) {
      const lock = lockOne(path)
      if (lock === 'held') {
        release()
        return { kind: 'held', by: findLockHolder(path) }
      }
      if (lock !== null) descriptors.push(lock)
    }
  } catch (error) {
    release()
    throw error
  }
  return descriptors.length > 0 ? { kind: 'ours', release } : listenAbstract(stateId)
}

/** Null where no such directory can be made here: cgroups that are read-only, a /run that is. */
function lockOne(path: string): number | 'held' | null {
  for (;;) {
    const descriptor = openOwn(path)
    if (descriptor === null) return null
    let isOurs = false
    try {
      if (!lockDirectory(descriptor, path)) return 'held'
      // Anything that removed it meanwhile (an ending daemon does) has left us a lock on nothing.
      isOurs = statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(descriptor).ino
      if (isOurs) return descriptor
    } finally {
      if (!isOurs) closeSync(descriptor)
    }
  }
}

/** For others it can be passed through but not opened: anything that could open it could lock it. */
function openOwn(path: string): number | null {
  try {
    mkdirSync(path, { recursive: true, mode: 0o711 })
    chmodSync(path, 0o711)
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (error) {
    const isImpossible = ['EROFS', 'EACCES', 'EPERM', 'ENOENT', 'ENOSPC', 'ENOTDIR'].some((code) => hasCode(error, code))
    if (isImpossible) return null
    throw new DarumaError('E_STATE_LOCK', `The lock on ${path} could not be taken: ${(error as Error).message}.`, {
      cause: error,
    })
  }
}

const socketName = (stateId: string): string => join('daruma/state', stateId)

function listenAbstract(stateId: string): Promise<StateLock> {
  const name = socketName(stateId)
  const server: Server = createServer((socket) => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      if (hasCode(error, 'EADDRINUSE')) return resolve({ kind: 'held', by: findSocketHolder(name) })
      reject(
        new DarumaError('E_STATE_LOCK', `The lock on the state ${stateId} could not be taken: ${error.message}.`, {
          cause: error,
        }),
      )
    })
    server.listen(`\0${name}`, () => {
      server.unref()
      resolve({ kind: 'ours', release: () => server.close() })
    })
  })
}
