/**
 * Opens a state directory for one daemon: takes its lock, then makes sure that it is the directory it says it is. A copy of
 * somebody else's (another inode, another machine) is refused: two daemons that both believe to be state X would
 * each be right to start X's slots.
 */

import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { constants, openSync, readFileSync, readlinkSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { chown, mkdir, open, readFile, readdir, rename, stat, statfs } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { makeStateFolder } from '../../host/state-folder.ts'
import { DarumaError } from '../../ports/error.ts'
import { type StateDirectory, stateNotWritable } from '../../ports/state-directory.ts'
import { lookUpUser } from './user.ts'

/** What `identity.json` holds: enough to tell this directory from a copy of it. */
interface Identity {
  readonly format: 1
  readonly stateId: string
  readonly machineId: string
  /** Inode and birth time (ns) of the directory: a move keeps both, a copy neither. */
  readonly inode: string
  readonly birth: string
  readonly path: string
}

export interface OpenOptions {
  readonly path: string
  /** Make a copied directory this one's own; refused while the original is still there. */
  readonly takeOver: boolean
}

/**
 * Throws `E_STATE_NOT_WRITABLE`, `E_DAEMON_RUNNING` (naming the holder's pid), `E_STATE_COPIED`, `E_STATE_NEWER`. The lock is
 * released by the end of this process and by nothing else.
 */
export function openStateDirectory(options: OpenOptions): StateDirectory {
  const path = resolve(options.path)
  const fault = makeStateFolder(path)
  if (fault !== null) throw stateNotWritable(path, fault)
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  const isLocked = lock(descriptor, path)
  const { identity, isTakenOver } = establishIdentity(path, options.takeOver)
  return {
    path,
    stateId: identity.stateId,
    isTakenOver,
    bootId: readBootId(),
    isLocked,
    pathOf: (name) => join(path, name),
    writeFile: (name, text) => writeWhole(join(path, name), text),
    readFile: (name) => readFile(join(path, name), 'utf8').catch(() => null),
    async space() {
      const { bavail, blocks, bsize } = await statfs(path)
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
    },
    ensureVolume: (name, user) => ensureVolume(join(path, 'volumes', name), user),
  }
}

/**
 * `flock(1)` locks the open file description behind the descriptor that it inherits; ours refers to the same one, so the lock is ours
 * when the child has gone. Node offers no flock of its own.
 */
function lock(descriptor: number, path: string): boolean {
  const { status, error } = spawnSync('flock', ['--exclusive', '--nonblock', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', descriptor],
  })
  if (status === 0) return true
  // 1 means held (flock(1)); anything else, that it could not be asked.
  if (error !== undefined || status !== 1) return lockByRecord(path)
  const holder = describeHolder(path)
  throw new DarumaError('E_DAEMON_RUNNING', `Another daemon owns ${path}: ${holder}.`, {
    hint: 'Only one daemon may own a state directory. Talk to that one, or choose another directory with --state DIR.',
  })
}

/** Without flock(1) only the record of the last daemon is left to ask; `doctor` says that this is weaker. */
function lockByRecord(path: string): boolean {
  const pid = recordedPid(path)
  if (pid === null || pid === process.pid) return false
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  throw new DarumaError('E_DAEMON_RUNNING', `Another daemon owns ${path}: pid ${pid}.`)
}

function recordedPid(path: string): number | null {
  try {
    const { pid } = JSON.parse(readFileSync(join(path, 'daemon.json'), 'utf8')) as { pid?: unknown }
    return typeof pid === 'number' ? pid : null
  } catch {
    return null
  }
}

/** The pids that have the directory open, by /proc: the lock's holder among them. The record serves where /proc does not. */
function describeHolder(path: string): string {
  const { ino, dev } = statSync(path)
  for (const pid of listPids()) {
    if (pid === process.pid) continue
    for (const fd of listDescriptors(pid)) {
      const link = `/proc/${pid}/fd/${fd}`
      try {
        if (readlinkSync(link) !== path) continue
        const opened = statSync(link)
        if (opened.ino !== ino || opened.dev !== dev) continue
        if (/^lock:.*FLOCK/m.test(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))) return `pid ${pid}`
      } catch {
        // The process or the descriptor went away while we looked.
      }
    }
  }
  const pid = recordedPid(path)
  return pid === null ? 'its pid could not be found' : `pid ${pid} (by its own record)`
}

function listPids(): readonly number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger)
  } catch {
    return []
  }
}

function listDescriptors(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`)
  } catch {
    return []
  }
}

function establishIdentity(path: string, takeOver: boolean): { readonly identity: Identity; readonly isTakenOver: boolean } {
  const file = join(path, 'identity.json')
  const { ino, birthtimeNs } = statSync(path, { bigint: true })
  const here = { machineId: readMachineId(), inode: String(ino), birth: String(birthtimeNs), path }
  const recorded = readIdentity(file)
  if (recorded === null) {
    const fresh: Identity = { format: 1, stateId: findLivingState(path) ?? randomBytes(8).toString('hex'), ...here }
    writeIdentity(file, fresh)
    return { identity: fresh, isTakenOver: false }
  }
  const isSame = recorded.machineId === here.machineId && recorded.inode === here.inode && recorded.birth === here.birth
  if (!isSame) {
    if (!takeOver || originalExists(recorded)) throw copied(recorded, path)
    const moved: Identity = { ...recorded, ...here }
    writeIdentity(file, moved)
    return { identity: moved, isTakenOver: true }
  }
  return { identity: recorded, isTakenOver: false }
}

/**
 * The state id of instances that still run out of this very path, when its identity was removed under them (`rm -r` and a new `up`):
 * their keepers name both in their words. Under a new id the daemon could not see them, and would start everything twice.
 */
function findLivingState(path: string): string | null {
  for (const pid of listPids()) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      if (!words.includes(`\0${path}/slots/`)) continue
      const stateId = /\/daruma\/([0-9a-f]+)\//.exec(words)?.[1]
      if (stateId !== undefined) return stateId
    } catch {
      // The process went away while we looked.
    }
  }
  return null
}

/** By rename: half an identity would be none, and a new one would not see what runs. */
function writeIdentity(file: string, identity: Identity): void {
  writeFileSync(`${file}.next`, `${JSON.stringify(identity)}\n`, { mode: 0o600, flush: true })
  renameSync(`${file}.next`, file)
}

function readIdentity(file: string): Identity | null {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return null
  }
  if (text === '') return null
  const identity = JSON.parse(text) as Identity
  if (identity.format !== 1) {
    throw new DarumaError(
      'E_STATE_NEWER',
      `${file} was written by a newer version of daruma (format ${String(identity.format)}).`,
      {
        hint: 'Use that version, or choose another directory with --state DIR. Nothing was changed.',
      },
    )
  }
  return identity
}

function originalExists(recorded: Identity): boolean {
  if (recorded.machineId !== readMachineId()) return false
  try {
    const { ino, birthtimeNs } = statSync(recorded.path, { bigint: true })
    return String(ino) === recorded.inode && String(birthtimeNs) === recorded.birth
  } catch {
    return false
  }
}

function copied(recorded: Identity, path: string): DarumaError {
  const origin = recorded.machineId === readMachineId() ? recorded.path : `${recorded.path} on another machine`
  const remains = originalExists(recorded) ? 'The original is still there' : 'The original is not there any more'
  return new DarumaError('E_STATE_COPIED', `${path} is a copy of the state directory ${origin}. ${remains}.`, {
    hint: originalExists(recorded)
      ? 'Two daemons on one state could start everything twice. Use the original, or remove one of the two.'
      : 'If it is gone for good (a restored backup), take its place: daruma daemon run --take-over --state DIR.',
  })
}

function readMachineId(): string {
  for (const file of ['/etc/machine-id', '/var/lib/dbus/machine-id']) {
    try {
      const text = readFileSync(file, 'utf8').trim()
      if (text !== '') return text
    } catch {
      // Containers often have none; the next source, or none, serves.
    }
  }
  return 'unknown'
}

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return 'unknown'
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
  const owner = user === null ? null : lookUpUser(user)
  if (owner === null) return directory
  const { uid } = await stat(directory)
  if (uid !== owner.uid && (await readdir(directory)).length === 0) await chown(directory, owner.uid, owner.gid)
  return directory
}
