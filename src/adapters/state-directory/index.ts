/**
 * Opens a state directory for one daemon: takes its lock, makes sure that it is the directory it says it is, then takes the lock on
 * the state's id. A copy of another's is refused: two daemons that both believe to be state X would each be right
 * to start X's slots.
 */

import { randomBytes } from 'node:crypto'
import { closeSync, constants, openSync } from 'node:fs'
import { chown, mkdir, open, readFile, readdir, rename, stat, statfs } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import { findAccount } from '../../system/account.ts'
import { hasCode, isMissing } from '../../system/errno.ts'
import { readText } from '../../system/read-quietly.ts'
import { makeStateFolder } from '../../system/state-folder.ts'
import { DarumaError } from '../../ports/error.ts'
import { type StateDirectory, stateNotWritable } from '../../ports/storage/state-directory.ts'
import { isInhabited } from './cgroups.ts'
import { lockDirectory } from './flock.ts'
import { type Identity, copied, findOriginal, identityAt, judge, newTakeOver, readIdentity, writeIdentity } from './identity.ts'
import { type Holder, findLockHolder } from './lock-holder.ts'
import { type AskContainers, findLostState } from './lost-identity.ts'
import { readOwner, writeOwner } from './owner-record.ts'
import { type Place, isMounted, isSameDirectory, observePlace } from './place.ts'
import { lockState } from './state-lock.ts'

export interface OpenOptions {
  readonly path: string
  /** Make a copied directory this one's own; refused while the original is still there. */
  readonly takeOver: boolean
  readonly askContainers: AskContainers
}

/**
 * Throws `E_STATE_NOT_WRITABLE`, `E_STATE_READ` (the disk fails), `E_STATE_LOCK`, `E_DAEMON_RUNNING` (naming the holder's pid), `E_STATE_COPIED`,
 * `E_STATE_MOVED`, `E_STATE_IDENTITY`, `E_STATE_NEWER`. The locks are given back with the end of this process, or when it is disposed of.
 */
export async function openStateDirectory(options: OpenOptions): Promise<StateDirectory & Disposable> {
  const path = resolve(options.path)
  makeDirectory(path)
  const releases: (() => void)[] = []
  const release = (): void => {
    for (const each of releases.splice(0).toReversed()) each()
  }
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
    releases.push(() => closeSync(descriptor))
    if (!lockDirectory(descriptor, path)) throw isOwned(path, findLockHolder(path))
    const identity = await establish({ ...options, path }, releases)
    const known = pick(identity)
    return { ...known, ...accessTo(path, known), [Symbol.dispose]: release }
  } catch (error) {
    release()
    throw error
  }
}

type Known = Pick<StateDirectory, 'stateId' | 'bootId' | 'takeOver'>

const pick = ({ stateId, bootId, takeOver }: Identity): Known => ({
  stateId,
  bootId: bootId === undefined || bootId === '' ? 'unknown' : bootId,
  takeOver: takeOver ?? null,
})

function makeDirectory(path: string): void {
  const fault = makeStateFolder(path)
  if (fault === null) return
  if (!passing.some((code) => hasCode(fault.cause, code))) throw stateNotWritable(path, fault)
  throw new DarumaError('E_STATE_READ', `The state directory ${path} cannot be used now: ${fault.why}.`, {
    hint: 'The daemon retries automatically. Check the disk, and how many files are open on this machine.',
    cause: fault.cause,
  })
}

/** Nobody has to change anything before this can go well again. */
const passing = ['EIO', 'EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EBUSY', 'EINTR', 'ESTALE', 'ETIMEDOUT'] as const

function isOwned(path: string, holder: Holder | null): DarumaError {
  return new DarumaError('E_DAEMON_RUNNING', `Another daemon owns ${path}: ${nameHolder(holder, path)}.`, {
    hint: 'Only one daemon may own a state directory. Talk to that one, or choose another directory with --state DIR.',
  })
}

function isRunning(path: string, stateId: string, holder: Holder | null): DarumaError {
  const where = readOwner(stateId)?.path ?? null
  const place = holder?.state ?? where
  const there = place === null ? '' : ` from the state directory ${place}`
  return new DarumaError(
    'E_DAEMON_RUNNING',
    `Another daemon runs what ${path} says it runs (state ${stateId})${there}: ${nameHolder(holder, path)}.`,
    {
      hint: 'Two daemons of one state could start everything twice. One of the two directories is a copy: use the other, or remove this one.',
    },
  )
}

/** The record serves where /proc does not. */
function nameHolder(holder: Holder | null, path: string): string {
  if (holder !== null) return `pid ${holder.pid}`
  const pid = recordedPid(path)
  return pid === null || pid === process.pid ? 'its pid could not be found' : `pid ${pid} (by its own record)`
}

function recordedPid(path: string): number | null {
  try {
    const { pid } = JSON.parse(readText(join(path, 'daemon.json'))) as { pid?: unknown }
    return typeof pid === 'number' ? pid : null
  } catch {
    return null
  }
}

/** What may be written is written under both locks: on the directory, and on the id. */
async function establish(options: OpenOptions, releases: (() => void)[]): Promise<Identity> {
  const { path, takeOver } = options
  const file = join(path, 'identity.json')
  const here = observePlace(path)
  const recorded = readIdentity(file)
  const lost = recorded === null ? await findLostState(here, options.askContainers) : null
  const stateId = recorded?.stateId ?? lost ?? randomBytes(8).toString('hex')
  const verdict = recorded === null ? null : judge(recorded, here)
  if (recorded !== null && verdict?.kind === 'copy' && (!takeOver || verdict.original !== null))
    throw copied(path, recorded, here, verdict.original)
  const lock = await lockState(stateId)
  if (lock.kind === 'held') throw isRunning(path, stateId, lock.by)
  releases.push(lock.release)
  const isNewOwner = succeeds({ stateId, here, path, takeOver, isLost: lost !== null })
  const isTakenOver = lost !== null || isNewOwner || (verdict !== null && verdict.kind !== 'own')
  const identity = identityAt(stateId, here, isTakenOver ? newTakeOver() : recorded?.takeOver)
  // A full disk must not keep a daemon from what it owns already.
  if (recorded === null || isTakenOver || hasChanged(recorded, identity)) write(file, identity, recorded !== null && !isTakenOver)
  writeOwner(stateId, here)
  return identity
}

const hasChanged = (recorded: Identity, identity: Identity): boolean =>
  recorded.device !== identity.device || recorded.bootId !== identity.bootId || recorded.path !== identity.path

function write(file: string, identity: Identity, mayFail: boolean): void {
  try {
    writeIdentity(file, identity)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (!mayFail || (code !== 'ENOSPC' && code !== 'EDQUOT')) throw error
  }
}

/** Whether another directory had the state id in this boot. Throws where that one must not be succeeded. */
function succeeds(claim: {
  readonly stateId: string
  readonly here: Place
  readonly path: string
  readonly takeOver: boolean
  readonly isLost: boolean
}): boolean {
  const { stateId, here, path, takeOver, isLost } = claim
  const owner = readOwner(stateId)
  if (owner === null || isSameDirectory(owner, here)) return false
  const original = findOriginal(stateId, owner, here)
  const mayBeThere = isMounted(owner.device) || isInhabited(stateId)
  if (original !== null || (mayBeThere && !takeOver && !isLost)) throw copied(path, owner, here, original)
  return true
}

/** The files of a directory that is ours. */
function accessTo(path: string, known: Known): Omit<StateDirectory, keyof Known> {
  return {
    path,
    async folder(name) {
      await mkdir(join(path, name), { recursive: true, mode: 0o700 })
      return { ...known, ...accessTo(join(path, name), known) }
    },
    pathOf: (name) => join(path, name),
    writeFile: (name, text) => writeWhole(join(path, name), text),
    readFile: (name) => readWhole(join(path, name)),
    async space() {
      const { bavail, blocks, bsize } = await statfs(path)
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
    },
    ensureVolume: (name, user) => ensureVolume(join(path, 'volumes', name), user),
  }
}

/** Null only where there is none: anything that takes a disk's failure for that would write over what it holds. */
async function readWhole(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    if (isMissing(cause)) return null
    throw new DarumaError('E_STATE_READ', `${file} cannot be read: ${(cause as Error).message}.`, {
      hint: 'Check the disk. Running instances keep running.',
      cause,
    })
  }
}

async function writeWhole(file: string, text: string): Promise<void> {
  const next = `${file}.${process.pid}.next`
  const handle = await open(next, 'w', 0o600)
  try {
    await handle.writeFile(text)
    await handle.datasync()
  } finally {
    await handle.close()
  }
  await rename(next, file)
}

/** Idempotent in each half: a crash between making and giving away leaves an empty directory, which is given away now. */
async function ensureVolume(directory: string, user: string | null): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o755 })
  const owner = user === null ? null : await findAccount(user)
  if (owner === null) return directory
  const { uid } = await stat(directory)
  if (uid !== owner.uid && (await readdir(directory)).length === 0) await chown(directory, owner.uid, owner.gid)
  return directory
}
