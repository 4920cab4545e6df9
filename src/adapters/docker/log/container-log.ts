/**
 * Takes a container's output into the slot's own log, where `logs`, its bound and the next daemon find it. The engine keeps its copy
 * until the container is removed, so whatever happens in between (this daemon's death, the engine's) is caught up with from
 * the cursor. A stream that breaks off is opened again; the last lines are taken before the container goes. Where somebody has
 * removed the slot's files they are made again, and the log restarts with what the engine still has.
 */

import { existsSync, writeSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Epoch } from '../../../core/model/id.ts'
import { isMissing } from '../../../system/errno.ts'
import { readNumber, type SlotPaths, usualLogBytes } from '../../../host/slot-files.ts'
import type { Log } from '../../../ports/log.ts'
import type { Engine } from '../engine/engine.ts'
import { isStatus } from '../engine/errors.ts'
import { readCursor, sinceOf, TakenEntries, writeCursor } from './log-cursor.ts'
import { SegmentWriter } from '../../../host/logs/segment-writer.ts'
import { bootMs } from '../../../system/process-stat.ts'
import { FrameReader, type LogEntry } from './log-frames.ts'
import { SilenceWatch } from './log-silence.ts'
import { restoreSlot } from '../restore-slot.ts'

export interface ContainerLogOptions {
  readonly engine: Engine
  readonly containerId: string
  readonly epoch: Epoch
  readonly paths: SlotPaths
  readonly log: Log
}

const retryMs = 250

const nothing = { last: [], forgotten: '' } as const

export class ContainerLog {
  readonly #options: ContainerLogOptions
  #stream: Readable | null = null
  #isClosed = false
  /** The container is known to have ended: what is read from now on is read to its end. */
  #isLast = false
  #hasEnded = false
  #following: Promise<void> | null = null
  #taken = new TakenEntries(nothing, false)
  /** What is usual where nobody remembers: the file was lost before this daemon began, and the next start brings the right bound. */
  #maxLogBytes = usualLogBytes
  /** The trouble that was told last, until all is well again. */
  #told = ''

  constructor(options: ContainerLogOptions) {
    this.#options = options
  }

  /** Follows until the container has ended or {@link close}. Never rejects. */
  follow(): void {
    this.#following ??= this.#follow()
  }

  /** Everything that the container has written is in the log when this resolves true; false when that took longer than the limit. */
  async drain(limitMs: number): Promise<boolean> {
    this.follow()
    const abort = new AbortController()
    const late = sleep(limitMs, false, { signal: abort.signal, ref: false }).catch(() => false)
    const isDone = await Promise.race([(this.#following ?? Promise.resolve()).then(() => this.#hasEnded), late])
    abort.abort()
    return isDone
  }

  /** Takes nothing more; the cursor stays for anything that comes next. */
  close(): void {
    this.#isClosed = true
    this.#stream?.destroy()
  }

  async #follow(): Promise<void> {
    while (!this.#isClosed && !this.#hasEnded) {
      try {
        await this.#takeOnce()
      } catch (error) {
        if (this.#isClosed) return
        const { engine } = this.#options
        // Removed, or about to be: what it had written by then is all.
        if (isStatus(error, 404, 409)) this.#hasEnded = true
        else if (engine.fault === null) this.#report('the output of a container could not be read', String(error))
        await sleep(retryMs, undefined, { ref: false })
        await engine.whenBack()
      }
    }
  }

  /**
   * One stream from the cursor to its end. The engine ends it when the container has ended; but Docker before 23 may end one that it
   * follows a moment before the last lines. So the last stream is one that began when the container had ended.
   */
  async #takeOnce(): Promise<void> {
    const { engine, containerId, epoch, paths } = this.#options
    await this.#ensureFiles()
    const cursor = readCursor(paths.logCursor, epoch)
    const file = new SegmentWriter(paths.directory, this.#maxLogBytes)
    try {
      // Written by a daemon that died before it could note it: the engine will tell it again.
      if (cursor !== null) file.truncate(cursor.logBytes)
      else this.#noteBeginning(file.position)
      this.#taken = new TakenEntries(cursor ?? nothing, engine.info?.name === 'podman')
      const since = sinceOf(this.#taken.since(Date.now()))
      const stream = await engine.open((client) => client.followLog(containerId, since))
      this.#stream = stream
      this.#told = ''
      if (this.#isClosed) stream.destroy()
      await this.#takeStream(stream, file)
      // A stream that breaks off ends too, without an error: only the engine can say whether that was all.
      const isOver = await this.#isOver()
      this.#hasEnded = isOver && this.#isLast
      this.#isLast = isOver
      if (!isOver) await sleep(retryMs, undefined, { ref: false })
    } finally {
      this.#stream = null
      file.close()
    }
  }

  async #ensureFiles(): Promise<void> {
    const { paths, epoch } = this.#options
    if (existsSync(paths.epoch)) this.#maxLogBytes = readNumber(paths.logBound) ?? usualLogBytes
    else if (await restoreSlot(paths, { epoch, maxLogBytes: this.#maxLogBytes }))
      this.#report(`files of ${paths.directory} were removed; its log starts over`)
  }

  /** Once: what goes wrong here is tried again every moment. */
  #report(message: string, error: string | null = null): void {
    const trouble = `${message} ${error}`
    if (this.#told === trouble) return
    this.#told = trouble
    this.#options.log.write('warn', message, ...(error === null ? [] : [{ error }]))
  }

  /** To its end, or until it has lost the thread. */
  async #takeStream(stream: Readable, file: SegmentWriter): Promise<void> {
    const frames = new FrameReader()
    let isLost = false
    const onLost = (): void => {
      isLost = true
      stream.destroy()
    }
    using silence = new SilenceWatch({ isBehind: () => this.#isBehind(), onLost })
    try {
      for await (const piece of stream) {
        silence.heard((piece as Buffer).length)
        const nowMs = Date.now()
        const fresh = frames.push(piece as Buffer).filter(({ at }) => this.#taken.take(at, nowMs))
        if (fresh.length > 0 && !this.#isClosed) this.#append(file, fresh)
      }
    } catch (error) {
      // Missing is what somebody has removed: it is told, and restored, before the next stream.
      if (!isLost && !isMissing(error)) throw error
    }
  }

  async #isBehind(): Promise<boolean> {
    const { engine, containerId } = this.#options
    const ask = engine.limits.askMs
    const last = await engine.ask('the last line', (client, signal) => client.lastOfLog(containerId, signal), ask)
    return new FrameReader().push(last).some(({ at }) => this.#taken.isToCome(at))
  }

  async #isOver(): Promise<boolean> {
    const { engine, containerId } = this.#options
    if (this.#isClosed) return false
    const state = await engine.ask(
      'inspect',
      (client, signal) => client.inspectContainer(containerId, signal),
      engine.limits.askMs,
    )
    return !state.State.Running
  }

  #append(file: SegmentWriter, entries: readonly LogEntry[]): void {
    const { epoch, paths } = this.#options
    const sinceBootMs = bootMs() - Date.now()
    for (const { at, bytes } of entries) {
      const wallMs = momentMs(at)
      for (let written = 0; written < bytes.length;) {
        const room = file.prepare({ wallMs, bootMs: wallMs + sinceBootMs, epoch, dropped: 0 })
        const part = bytes.subarray(written, written + room.bytes)
        const added = writeSync(room.file, part, 0, part.length, room.offset)
        file.added(added)
        written += added
      }
    }
    writeCursor(paths.logCursor, { epoch, ...this.#taken.position, logBytes: file.position })
  }

  /** Before the first entry: so that what a daemon writes and dies over is cut off by the next, and not written twice. */
  #noteBeginning(size: number): void {
    writeCursor(this.#options.paths.logCursor, { epoch: this.#options.epoch, ...nothing, logBytes: size })
  }
}

/** Milliseconds, with their fraction: an engine's moment has nine digits behind the second. */
function momentMs(at: string): number {
  return Date.parse(`${at.slice(0, 19)}Z`) + Number(at.slice(20, 29)) / 1e6
}
