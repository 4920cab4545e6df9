/**
 * The daemon's hold on its instances' pipes. What an instance wrote stays in its pipe only while a process has the pipe open; its keeper
 * ends with it, and the collector may just be dead. So the daemon holds each pipe from before the start until it is empty after the end.
 */

import { closeSync, constants, mkdirSync, openSync, writeSync } from 'node:fs'
import { join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { SlotId } from '../../core/model/id.ts'
import { hasCode } from '../../system/errno.ts'
import { libc } from '../../system/libc.ts'
import { readText } from '../../system/read-quietly.ts'
import { announceOutput, makeOutputPipe, openOutputPipe, removeOutputPipe } from '../../host/logs/output-pipe.ts'
import { readLastWords, readLog } from '../../host/logs/read-log.ts'
import type { SlotPaths } from '../../host/slot-files.ts'
import type { InstanceRef, LogPage, LogStart } from '../../ports/runtime/runtime.ts'

interface Hold {
  readonly slot: SlotId
  readonly pipe: number
  readonly epochPath: string
  isAnnounced: boolean
  /** On the monotonic clock; null while it may still write. */
  endedAtMs: number | null
}

const settlePauseMs = 2
/** Of a program that never pauses, something is always under way. */
const settleLimitMs = 300
/**
 * After an end, so much longer than the five seconds in which a collector that stands still is replaced. It counts from the end: a log
 * that cannot be written, because its disk is full, delays anything that reads it no longer than that.
 */
const endLimitMs = 8000

export class Outputs {
  readonly #state: string
  readonly #holds = new Map<string, Hold>()

  /** `stateDirectory`: the machine's, where the collector is. */
  constructor(stateDirectory: string) {
    this.#state = stateDirectory
    noteHolder(stateDirectory)
  }

  /** Before anything of the instance can write. */
  open(slot: SlotId, epochDirectory: string, owner: Parameters<typeof makeOutputPipe>[1], undo: (() => void)[]): void {
    makeOutputPipe(epochDirectory, owner)
    undo.push(() => this.end(epochDirectory))
    this.hold(slot, epochDirectory)
  }

  /** From when it was found. Does nothing for one without a pipe (started by a former Daruma). */
  hold(slot: SlotId, epochDirectory: string): void {
    if (this.#holds.has(epochDirectory)) return
    const pipe = openOutputPipe(epochDirectory)
    if (pipe === null) return
    const hold = { slot, pipe, epochPath: this.#letterOf(epochDirectory), isAnnounced: false, endedAtMs: null }
    this.#holds.set(epochDirectory, hold)
    this.#announce(hold)
  }

  /** It writes no more; what it wrote may still be to be read. */
  end(epochDirectory: string): void {
    const hold = this.#holds.get(epochDirectory)
    if (hold === undefined) return
    hold.endedAtMs ??= performance.now()
    this.#releaseIfEmpty(epochDirectory, hold)
  }

  /** To be called once a second or so. */
  look(): void {
    for (const [directory, hold] of this.#holds) {
      if (!hold.isAnnounced) this.#announce(hold)
      if (hold.endedAtMs !== null) this.#releaseIfEmpty(directory, hold)
    }
  }

  /** The last lines of an instance that has ended are waited for: they are the reason why it did, and the collector may be late. */
  async read(slot: SlotId, paths: SlotPaths, from: LogStart, maxBytes: number): Promise<LogPage> {
    if (!('offset' in from)) await this.#settle(slot, endLimitMs)
    return readLog(paths.directory, from, maxBytes)
  }

  /** A start waits for the answer, so that it is given soon. */
  async readLastWords({ slot, epoch }: InstanceRef, paths: SlotPaths): Promise<string> {
    await this.#settle(slot, settleLimitMs)
    return readLastWords(paths.directory, epoch)
  }

  /** Resolves when what the slot's instances have written is in the log; of those that have ended, at most `limitMs` after their end. */
  async #settle(slot: SlotId, limitMs: number): Promise<void> {
    const askedAtMs = performance.now()
    const isAwaited = ({ slot: owner, pipe, endedAtMs }: Hold): boolean => {
      const untilMs = endedAtMs === null ? askedAtMs + settleLimitMs : endedAtMs + limitMs
      return owner === slot && performance.now() < untilMs && libc().unreadBytes(pipe) > 0
    }
    while ([...this.#holds.values()].some(isAwaited)) await sleep(settlePauseMs)
  }

  close(): void {
    for (const { pipe } of this.#holds.values()) closeSync(pipe)
    this.#holds.clear()
  }

  /** What the collector is told: the machine's own slots by their names, those of a project by their paths in the state directory. */
  #letterOf(epochDirectory: string): string {
    const own = relative(`${this.#state}/slots`, epochDirectory)
    return own.startsWith('..') ? relative(this.#state, epochDirectory) : own
  }

  #announce(hold: Hold): void {
    hold.isAnnounced = announceOutput(this.#state, hold.epochPath)
  }

  #releaseIfEmpty(directory: string, hold: Hold): void {
    if (libc().unreadBytes(hold.pipe) > 0) return
    closeSync(hold.pipe)
    removeOutputPipe(directory)
    this.#holds.delete(directory)
  }
}

/**
 * Keepers look whether this process lives: then nothing has to be saved of their pipes at the end. In place, as it is once made; where a
 * full disk does not let it be made, they save what they need not.
 */
function noteHolder(stateDirectory: string): void {
  const path = join(stateDirectory, 'host', 'holder.pid')
  try {
    mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 })
    const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
    writeSync(file, readText('/proc/self/stat').padEnd(holderBytes), 0)
    closeSync(file)
  } catch (error) {
    if (!hasCode(error, 'ENOSPC') && !hasCode(error, 'EDQUOT')) throw error
  }
}

/** The longest line of /proc/PID/stat, and more. */
const holderBytes = 1024
