/**
 * One epoch, watched from the moment its keeper may exist until nothing of it is left. `look` compares the world with what was
 * reported and takes no hint of what changed, so a lost notification costs at most one poll. The end is reported once, and only
 * after the cgroup was sealed: see {@link Cgroup.seal}.
 */

import { type FSWatcher, existsSync, watch } from 'node:fs'
import { join } from 'node:path'

import type { SignalName, StopPolicy } from '../../core/model/service.ts'
import type { Exit } from '../../core/model/status.ts'
import { commandWords, isAlive } from '../../system/process-stat.ts'
import type { InstanceRef, RuntimeEvent, StartRefusal, StopNotice } from '../../ports/runtime/runtime.ts'
import { type Cgroup, killEach } from './cgroups/cgroup.ts'
import { isKeeperAlive } from './keepers/keeper-alive.ts'
import type { KeeperIdentity } from './keepers/keeper-lane.ts'
import { sendFrozen } from './signal.ts'
import { noteRestTold, type StopNote, withStopNote } from '../../host/stop-note.ts'
import { type Beginning, type SlotPaths, readBeginning, readExit } from '../../host/slot-files.ts'

export interface InstanceMonitorOptions {
  readonly instance: InstanceRef
  readonly paths: SlotPaths
  readonly directory: string
  readonly cgroup: Cgroup
  /** Whether this daemon has just ordered it; else it is adopted, and was populated when it was found. */
  readonly isOurs: boolean
  /** Its keeper; null where that is not known. */
  readonly keeper: KeeperIdentity | null
  /** What the command was given, when this daemon started it; it holds secrets. */
  readonly environment: Readonly<Record<string, string>> | null
  /**
   * From the order (or the adoption) to the command's beginning: milliseconds, on a machine that is out of breath seconds. A keeper that
   * is later is not waited for: it is ended in its cgroup, or finds it sealed.
   */
  readonly arrivalLimitMs: number
  /** How often the kernel killed for memory; asked just before the cgroups go. */
  readonly countOomKills: () => number
  /** Removes what else belongs to the epoch, when nothing of it is left. */
  readonly cleanUp: () => void
  /** Asked when something has changed: true where somebody else will look, a little later. */
  readonly postpone: () => boolean
  /** The end of what its keeper had to say. */
  readonly readLastWords: () => Promise<string>
  readonly explainRefusal: (word: string) => Promise<StartRefusal>
  readonly emit: (event: RuntimeEvent) => void
  readonly onTrouble: (message: string, error: unknown) => void
}

interface Asked {
  readonly signal: SignalName
  readonly to: StopPolicy['to']
}

export class InstanceMonitor {
  readonly instance: InstanceRef
  readonly cgroup: Cgroup
  readonly directory: string
  /** Resolves when the last event was emitted. */
  readonly over: Promise<void>

  readonly #options: InstanceMonitorOptions
  readonly #watchers: FSWatcher[] = []
  readonly #resolveOver: () => void
  #beginning: Beginning = { kind: 'none' }
  #phase: 'open' | 'closing' | 'over' = 'open'
  #isEnding = false
  #asked: Asked | null = null
  #hasToldRest = false
  /** Whether its keeper has been seen in the cgroup. */
  #hasJoined: boolean
  readonly #watchedSinceMs: number = performance.now()
  #quickLook: NodeJS.Timeout | null = null
  #quickDelayMs = 1

  constructor(options: InstanceMonitorOptions) {
    this.#options = options
    this.instance = options.instance
    this.cgroup = options.cgroup
    this.directory = options.directory
    const { promise, resolve } = Promise.withResolvers<void>()
    this.over = promise
    this.#resolveOver = resolve
    // A keeper with a cgroup has been in it since before it was told anything.
    this.#hasJoined = !options.isOurs || options.cgroup.joinFiles.length > 0
    this.#watch(options.directory, this.#onWriting)
    // Nothing is told of a cgroup before somebody has joined it.
    if (options.cgroup.eventsFile !== null) this.#watch(options.cgroup.eventsFile, this.#onJoin)
  }

  get environment(): InstanceMonitorOptions['environment'] {
    return this.#options.environment
  }

  get beginning(): Beginning {
    return this.#beginning
  }

  /** Whether the kernel tells of every change that can come; else only looking does. */
  get isWatched(): boolean {
    return this.#beginning.kind !== 'none' && this.cgroup.eventsFile !== null && this.#watchers.length === 2
  }

  countMemoryKills(): number {
    return this.#options.countOomKills()
  }

  /** An adopted epoch's beginning was reported by discovery, not by an event. What was asked to end has the rest of its time. */
  adopt(beginning: Beginning, stop: StopNote | null): void {
    this.#beginning = beginning
    if (stop !== null && stop.signal !== 'SIGKILL') this.#asked = stop
    this.#hasToldRest = stop?.isRestTold === true
  }

  look(): void {
    if (this.#phase !== 'open') return
    try {
      this.#noticeBeginning()
      if (this.cgroup.isPopulated()) {
        this.#hasJoined = true
        // With the command gone, whatever still lives here is left over.
        if (!this.#isEnding && !this.#isLate() && readExit(this.directory) === null && !this.#isAbandoned()) return
        if (!this.#isEnding && this.#asked !== null) return this.#signalLeftovers(this.#asked)
        this.cgroup.killAll()
        return this.#lookAgainSoon()
      }
      if (!this.#mayStillJoin()) this.#seal()
    } catch (error) {
      this.#options.onTrouble('looking at an instance failed', error)
    }
  }

  /** From here on what the command leaves behind is not killed before {@link end}. */
  async ask(signal: SignalName, to: StopPolicy['to'], stop?: StopNotice): Promise<void> {
    if (this.#beginning.kind !== 'started' || this.#phase !== 'open') return
    if (signal !== 'SIGKILL') this.#asked = { signal, to }
    const { keeper } = this.#options
    const request = { cgroup: this.cgroup, target: this.#beginning, keeper, signal, to }
    if (stop === undefined) return sendFrozen(request)
    await withStopNote(
      this.directory,
      { signal, to, stop },
      {
        send: () => sendFrozen(request),
        onTrouble: (error) => this.#options.onTrouble('a stop could not be noted for the next daemon', error),
      },
    )
  }

  /** SIGKILL for everything; {@link over} tells when it is done. Repeats by itself. */
  end(): void {
    this.#isEnding = true
    this.#quickDelayMs = 1
    this.look()
    this.#lookAgainSoon()
  }

  async endsWithin(limitMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const timer = setTimeout(() => resolve(false), limitMs)
    void this.over.then(() => resolve(true))
    const isOver = await promise
    clearTimeout(timer)
    return isOver
  }

  /** Stops watching and ends nothing. */
  detach(): void {
    this.#phase = 'over'
    this.#stopWatching()
  }

  /** A keeper with a namespace tells what its command has left behind; where it has gone instead, we do. */
  #signalLeftovers({ signal, to }: Asked): void {
    const { keeper } = this.#options
    if (this.#hasToldRest || to === 'all' || this.#beginning.kind !== 'started' || (keeper !== null && isAlive(keeper))) return
    this.#hasToldRest = true
    const rest = { cgroup: this.cgroup, target: this.#beginning, keeper: null, signal, to: 'all' } as const
    sendFrozen(rest)
      .then(() => noteRestTold(this.directory))
      .catch((error: unknown) => this.#options.onTrouble('what a command left behind could not be signalled', error))
  }

  /** Its keeper is on its way: nothing of it has been seen, and it is not late. */
  #mayStillJoin(): boolean {
    return !this.#hasJoined && !this.#isEnding && this.#beginning.kind === 'none' && !this.#isLate()
  }

  /** Its keeper was killed or stopped on its way, or this host is out of breath: anything that waited for it might wait forever. */
  #isLate(): boolean {
    if (this.#beginning.kind !== 'none' || performance.now() - this.#watchedSinceMs <= this.#options.arrivalLimitMs) return false
    // Of one whose files were lost (a state that was restored) nobody knows whether it has begun.
    return this.#options.isOurs || existsSync(join(this.directory, 'started'))
  }

  /** Its keeper was killed, and the command is gone: nobody will ever record its end. */
  #isAbandoned(): boolean {
    const beginning = this.#beginning
    if (beginning.kind !== 'started' || beginning.startTicks === 0 || isAlive(beginning)) return false
    if (this.#options.keeper !== null) return !isAlive(this.#options.keeper)
    // One of format 1 tells by its words.
    return !this.cgroup.members().some((pid) => commandWords(pid).includes(this.directory))
  }

  #noticeBeginning(): void {
    if (this.#beginning.kind !== 'none') return
    const beginning = readBeginning(this.directory)
    this.#beginning = beginning
    if (beginning.kind !== 'started') return
    const { pid, startTicks, startedAt } = beginning
    this.#options.emit({ kind: 'started', ...this.instance, pid, startTicks, startedAt })
  }

  #seal(): void {
    const { keeper } = this.#options
    if (isKeeperAlive(keeper)) {
      // Somebody has moved it out of its cgroup; with it goes its whole namespace.
      if (this.#isEnding) killEach([keeper.pid])
      return this.#lookAgainSoon()
    }
    const oomKills = this.#options.countOomKills()
    this.#stopWatchingEvents()
    if (!this.cgroup.seal()) return this.#lookAgainSoon()
    this.#phase = 'closing'
    // Nothing can change any more: what the keeper wrote last is read now.
    this.#noticeBeginning()
    const exit = settleExit({ recorded: readExit(this.directory), oomKills, wasKilled: this.#isEnding })
    this.#stopWatching()
    this.#options.cleanUp()
    void this.#report(exit)
  }

  async #report(exit: Exit): Promise<void> {
    const beginning = this.#beginning
    try {
      if (beginning.kind === 'started' || !this.#options.isOurs || (beginning.kind === 'none' && this.#isEnding)) {
        this.#options.emit({ kind: 'gone', ...this.instance, exit })
      } else {
        const refusal =
          beginning.kind === 'refused'
            ? await this.#options.explainRefusal(beginning.word)
            : explainSilence(await this.#options.readLastWords())
        this.#options.emit({ kind: 'refused', ...this.instance, refusal })
      }
    } catch (error) {
      this.#options.onTrouble('reporting the end of an instance failed', error)
    } finally {
      this.#phase = 'over'
      this.#resolveOver()
    }
  }

  /** Something was written in the epoch's directory; a beginning tells nothing new of what lives there. */
  readonly #onWriting = (_event: string, name: string | null): void => {
    if (this.#phase !== 'open') return
    if (name !== 'started') return this.#onChange()
    this.#noticeBeginning()
    if (this.#beginning.kind === 'refused') this.#onChange()
  }

  readonly #onJoin = (): void => {
    this.#hasJoined = true
    this.#onChange()
  }

  readonly #onChange = (): void => {
    this.#quickDelayMs = 1
    if (this.#isEnding || !this.#options.postpone()) this.look()
  }

  /** Closes the time between a kill and its effect where no file tells of it; the doubling ends at the poll's own pace. */
  #lookAgainSoon(): void {
    if (this.#quickLook !== null || this.#phase !== 'open') return
    this.#quickLook = setTimeout(() => {
      this.#quickLook = null
      this.#quickDelayMs = Math.min(this.#quickDelayMs * 2, 500)
      this.look()
    }, this.#quickDelayMs)
    this.#quickLook.unref()
  }

  #watch(path: string, onChange: (event: string, name: string | null) => void): void {
    try {
      const watcher = watch(path, { persistent: false }, onChange)
      watcher.on('error', () => watcher.close())
      this.#watchers.push(watcher)
    } catch (error) {
      // ENOSPC here means that the user's inotify watches are used up, not the disk. The poll goes on without them.
      this.#options.onTrouble(`cannot watch ${path}; the poll does it instead`, error)
    }
  }

  /** The kernel keeps a removed cgroup's file alive for its watchers; the epoch directory's watcher stays for a failed close. */
  #stopWatchingEvents(): void {
    if (this.cgroup.eventsFile !== null && this.#watchers.length > 1) this.#watchers.pop()?.close()
  }

  #stopWatching(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close()
    if (this.#quickLook !== null) clearTimeout(this.#quickLook)
    this.#quickLook = null
  }
}

/** The keeper's record first; then the kernel's; "unknown" only where both died with the instance. */
export function settleExit(found: {
  readonly recorded: Exit | null
  readonly oomKills: number
  readonly wasKilled: boolean
}): Exit {
  const { recorded, oomKills, wasKilled } = found
  const wasSigkill = recorded === null || (recorded.kind === 'signal' && recorded.signal === 'SIGKILL')
  if (oomKills > 0 && wasSigkill && !(wasKilled && recorded === null)) return { kind: 'oom' }
  if (recorded !== null) return recorded
  return wasKilled ? { kind: 'signal', signal: 'SIGKILL' } : { kind: 'unknown' }
}

function explainSilence(said: string): StartRefusal {
  return {
    kind: 'failed',
    message: said === '' ? 'the keeper ended before it could start the command' : `the keeper failed: ${said}`,
  }
}
