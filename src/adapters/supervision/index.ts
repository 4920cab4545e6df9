/**
 * Daemon, supervisor and collector keep each other alive: the supervisor restarts the daemon, the daemon restarts the other two, the
 * collector restarts the supervisor. Any two of them may be killed at once. All the deciding is in their locks: starting one
 * too many is harmless, since it finds the lock held and leaves.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { collectorFlags } from '../../system/daemon-flags.ts'
import { closeInheritedDescriptors } from '../../system/inherited-descriptors.ts'
import { installScript } from '../../host/install-script.ts'
import { announceOutput } from '../../host/logs/output-pipe.ts'
import { commandWords, isAlive, observeProcess, parseProcessStat } from '../../system/process-stat.ts'
import { readText } from '../../system/read-quietly.ts'
import { makeStateFolder } from '../../system/state-folder.ts'
import { DarumaError } from '../../ports/error.ts'
import { stateNotWritable } from '../../ports/storage/state-directory.ts'
import { collectorDigest, collectorProgram } from './collector-program.ts'

export interface SupervisionOptions {
  /** The state directory; it exists. */
  readonly state: string
  /** The program and its first argument that make the daemon: `<node> <entry> daemon run --state <state>`. */
  readonly node: string
  readonly entry: string
  /** The folder that holds `supervisor.sh`; this package's own when not given. */
  readonly scripts?: string
}

export type Companion = 'supervisor' | 'collector'

export interface Companions {
  /** Gets up what is dead and says which; to be called about once a second. Costs three small reads while both live. */
  ensure(): Promise<readonly Companion[]>
  /**
   * Tells both that the daemon's coming end is wanted; to be called before a daemon ends with 0. The supervisor ends with the
   * daemon; the collector when the last instance is gone too. Without it a supervisor that did not start this daemon starts another.
   */
  stop(): Promise<void>
}

/**
 * Starts the supervisor (and with it the daemon) and the collector, detached from the caller, who may end at once. Does nothing where
 * they live. Throws `E_SUPERVISION_TOOLS` without flock, `E_SUPERVISION_START` when the supervisor cannot be started.
 */
export async function launchDaemon(options: SupervisionOptions): Promise<void> {
  const host = join(options.state, 'host')
  const fault = makeStateFolder(options.state)
  if (fault !== null) throw stateNotWritable(options.state, fault)
  mkdirSync(host, { recursive: true, mode: 0o700 })
  // They would hold the pipes of anything that called us, for as long as they live.
  closeInheritedDescriptors()
  rmSync(join(host, 'stopped'), { force: true })
  if (readText(join(host, 'supervised-by')).trim() === 'foreground') rmSync(join(host, 'supervised-by'), { force: true })
  if (!(await ensureCompanion('supervisor', options))) await outliveEndingSupervisor(options)
  await ensureCompanion('collector', options)
}

/** To be called in the daemon. */
export function createCompanions(options: SupervisionOptions): Companions {
  const host = join(options.state, 'host')
  const stopped = join(host, 'stopped')
  const mode = readSupervisor(options.state)
  const wanted: readonly Companion[] = mode === 'supervised' ? ['supervisor', 'collector'] : ['collector']
  const stops: Stops = { seen: 0 }
  let isStopping = false
  /** Every program that writes much waits for it. One that falls as soon as it stands waits for the next look. */
  const replaceAtOnce = (livedMs: number): void => {
    if (!isStopping && livedMs > quickFallMs)
      ensureCompanion('collector', options, replaceAtOnce).catch(() => {
        // The next look tries again, and says why it cannot.
      })
  }
  mkdirSync(host, { recursive: true, mode: 0o700 })
  // The collector reads it: it must not put a supervisor behind a daemon that a person runs by hand.
  if (mode === 'foreground') writeIfPossible(join(host, 'supervised-by'), 'foreground\n')
  return {
    async ensure() {
      if (isStopping) return []
      // Left by an earlier end of a daemon; that this one runs is newer.
      if (existsSync(stopped)) rmSync(stopped, { force: true })
      endUnfitCollector(options.state, stops)
      const restarted: Companion[] = []
      for (const companion of wanted) if (await ensureCompanion(companion, options, replaceAtOnce)) restarted.push(companion)
      return restarted
    },
    async stop() {
      isStopping = true
      writeIfPossible(stopped, 'on request\n')
      // The collector looks at the marker whenever something comes.
      announceOutput(options.state, '')
    },
  }
}

/** Who starts this daemon again when it crashes; nobody, when a person runs it in the foreground. To be asked in the daemon. */
export function readSupervisor(state: string): 'supervised' | 'systemd' | 'foreground' {
  if (process.env['DARUMA_SUPERVISED'] === 'yes') return 'supervised'
  return readText(join(state, 'host', 'supervised-by')).trim() === 'systemd' ? 'systemd' : 'foreground'
}

/** An empty marker is as good as a full one, so a full disk rarely matters; where it does, one daemon too many is started later. */
function writeIfPossible(path: string, text: string): void {
  try {
    writeFileSync(path, text, { mode: 0o600 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error
  }
}

/** A daemon that was just told to stop takes its supervisor along, and the supervisor leaves the marker that we have just removed. */
const endingLimitMs = 1000

async function outliveEndingSupervisor(options: SupervisionOptions): Promise<void> {
  const deadline = performance.now() + endingLimitMs
  while (performance.now() < deadline) {
    if (!isCompanionAlive(options.state, 'supervisor')) {
      rmSync(join(options.state, 'host', 'stopped'), { force: true })
      await ensureCompanion('supervisor', options)
      return
    }
    await sleep(10)
  }
}

/** From the start of a shell, or of a Node, to its lock: milliseconds, and seconds on a host with forty times the load. For hangs only. */
const takeOverLimitMs = 30_000

/** True when a new one was started and took over; false when one lives, or another was quicker. */
async function ensureCompanion(
  companion: Companion,
  options: SupervisionOptions,
  onCollectorEnd: (livedMs: number) => void = () => {},
): Promise<boolean> {
  if (isCompanionAlive(options.state, companion)) return false
  const child = spawnCompanion(companion, options)
  const startedMs = performance.now()
  let hasEnded = false
  child.once('exit', () => {
    hasEnded = true
    if (companion === 'collector') onCollectorEnd(performance.now() - startedMs)
  })
  child.once('error', () => (hasEnded = true))
  child.unref()
  const deadline = performance.now() + takeOverLimitMs
  while (!hasEnded && performance.now() < deadline) {
    if (child.pid !== undefined && readIdentity(options.state, companion)?.pid === child.pid) return true
    await sleep(5)
  }
  if (isCompanionAlive(options.state, companion)) return false
  // One that ended at once found the lock held by a predecessor which is only just ending; the next call sees what became of it.
  if (hasEnded && child.pid !== undefined) return false
  throw new DarumaError('E_SUPERVISION_START', `the ${companion} of ${options.state} could not be started`, {
    hint: `see ${join(options.state, 'daemon.log')}`,
  })
}

interface Stops {
  seen: number
}

/** So long a collector may stand still (SIGSTOP) before it is replaced, in looks. */
const maxStops = 5
const quickFallMs = 1000

/** One that stands still keeps every program waiting, and one of another Daruma may write in another way: both can be killed without loss. */
function endUnfitCollector(state: string, stops: Stops): void {
  const identity = readIdentity(state, 'collector')
  if (identity === null || !isCompanionAlive(state, 'collector')) return
  stops.seen = observeProcess(identity.pid)?.state === 'T' ? stops.seen + 1 : 0
  const words = commandWords(identity.pid)
  if (stops.seen < maxStops && (words.length === 0 || words.includes(collectorDigest))) return
  stops.seen = 0
  try {
    process.kill(identity.pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}

function spawnCompanion(companion: Companion, options: SupervisionOptions): ChildProcess {
  const { state, node, entry, scripts: from = ownScripts } = options
  const flock = findTool('flock')
  if (flock === null) {
    throw new DarumaError('E_SUPERVISION_TOOLS', 'flock was not found, so a daemon cannot be supervised', {
      hint: 'install util-linux',
    })
  }
  const supervisor = installScript({ name: 'supervisor', from, stateDirectory: state })
  const [program, ...words] =
    companion === 'supervisor'
      ? ['/bin/sh', supervisor, state, node, entry, flock]
      : [node, ...collectorFlags, collectorProgram, state, node, entry, supervisor, flock, collectorDigest]
  reserve(identityPath(state, companion))
  const log = openSync(join(state, 'daemon.log'), 'a', 0o600)
  try {
    return spawn(program ?? '', words, { detached: true, stdio: ['ignore', log, log], cwd: '/' })
  } finally {
    closeSync(log)
  }
}

const ownScripts = fileURLToPath(new URL('../../host', import.meta.url))

const identityPath = (state: string, companion: Companion): string => join(state, 'host', `${companion}.pid`)

/** The script overwrites it in place, also on a full disk. The old content stays until then: nobody may miss a living companion. */
function reserve(path: string): void {
  try {
    writeFileSync(path, ' '.repeat(1024), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function isCompanionAlive(state: string, companion: Companion): boolean {
  const identity = readIdentity(state, companion)
  if (identity === null || !isAlive(identity)) return false
  // A copied state directory names the companion of the original; its words name the original's directory.
  const words = commandWords(identity.pid)
  return words.length === 0 || words.includes(state)
}

function readIdentity(state: string, companion: Companion): { readonly pid: number; readonly startTicks: number } | null {
  const [line, ...rest] = readText(identityPath(state, companion)).split('\n')
  return line === undefined || rest.length === 0 ? null : parseProcessStat(line)
}

function findTool(name: string): string | null {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/bin']
  for (const directory of directories) {
    const path = join(directory, name)
    if (!directory.startsWith('/')) continue
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      continue
    }
  }
  return null
}
