/**
 * Moves what the instances of one host write from their pipes into their logs. One thread that never computes: the kernel moves the
 * bytes (splice(2)), in a step that is either done or not, so this process may be killed between any two lines and nothing is lost or
 * written twice. What a newcomer would get wrong: reading into memory and writing it out again would lose what was read.
 *
 * It has a pipe open for as long as somebody else has: at the end of an instance it takes the rest, and sees the end of the pipe.
 */

import { closeSync, constants, fstatSync, openSync, readSync, readdirSync, statSync, writeSync } from 'node:fs'
import { constants as system } from 'node:os'
import { join } from 'node:path'
import { getSystemErrorName } from 'node:util'

import { hasCode, isMissing } from '../../system/errno.ts'
import { type PipeSet, libc } from '../../system/libc.ts'
import { bootMs } from '../../system/process-stat.ts'
import { readNumber, usualLogBytes } from '../slot-files.ts'
import { letterBox, openLetterBox, outputPipe } from './output-pipe.ts'
import { adoptRest } from './saved-output.ts'
import { type Room, SegmentWriter } from './segment-writer.ts'

const { errno } = system

/** At a time from one pipe, so that a program that never stops writing keeps no other waiting. */
const maxMoveBytes = 1 << 20
/**
 * After each round with something in it: what is written meanwhile comes in one piece, and costs as much as a single line. The pause is
 * short where a pipe was found half full: 64 KiB, its usual capacity, in each of these are some 50 MB/s from one program, and who writes
 * more waits for its pipe.
 */
const pauseMs = 4
const shortPauseMs = 1
const muchBytes = 32 * 1024
/** The same while a log cannot be written: what is left in its pipe would be told without a pause. */
const stuckPauseMs = 20
/** Of a log that cannot be written so much is left in the pipe; what is more is given up, before its program has to wait. */
const patienceBytes = 32 * 1024

interface Source {
  readonly pipe: number
  readonly slot: string
  readonly epoch: number
  readonly log: SegmentWriter
}

export class Collector {
  readonly #state: string
  readonly #slots: string
  readonly #set: PipeSet = libc().openSet()
  readonly #nowhere: number = openSync('/dev/null', 'w')
  readonly #sources = new Map<number, Source>()
  readonly #logs = new Map<string, SegmentWriter>()
  /** Logs that cannot be written for now, with what was given up of them until a stamp can say so. */
  readonly #dropped = new Map<string, number>()
  /** A pipe that is there could not be opened: too many files are open, say. */
  #hasMissed = false
  /** In this round something was left where it was; a pipe held much. */
  #isStuck = false
  #hadMuch = false
  readonly #onTrouble: (message: string) => void
  #box: number

  constructor(stateDirectory: string, onTrouble: (message: string) => void) {
    this.#state = stateDirectory
    this.#slots = join(stateDirectory, 'slots')
    this.#onTrouble = onTrouble
    // Before the first look at the slots: who comes later is told of through it.
    this.#box = openLetterBox(stateDirectory)
    libc().watch(this.#set, this.#box)
    this.openAll()
  }

  /** Instances whose output may still come. */
  get openPipes(): number {
    return this.#sources.size
  }

  /** Every pipe there is. One that no process has open is over, and not kept. */
  openAll(): void {
    this.#attempt('the slots', () => {
      for (const slot of this.#allSlots()) this.#attempt(slot, () => this.#openSlot(slot))
    })
  }

  #openSlot(slot: string): void {
    const directory = this.#directoryOf(slot)
    const names = list(directory)
    const epochsOf = (pattern: RegExp): readonly number[] =>
      names.flatMap((name) => (pattern.test(name) ? [Number.parseInt(name, 10)] : [])).toSorted((a, b) => a - b)
    // What keepers have saved of instances that ended while no collector was alive.
    for (const epoch of epochsOf(/^\d{1,16}\.rest$/))
      this.#attempt(slot, () =>
        adoptRest(directory, epoch, this.#logs.get(slot) ?? new SegmentWriter(directory, boundOf(directory))),
      )
    for (const epoch of epochsOf(/^\d{1,16}\.out$/)) this.#attempt(slot, () => this.#open(slot, epoch))
  }

  /** What does not go now, because too many files are open, say, or a disk is full, is tried again. */
  #attempt(what: string, act: () => void): void {
    try {
      act()
    } catch (error) {
      if (!this.#hasMissed) this.#onTrouble(`the output of ${what} cannot be taken in for now: ${String(error)}`)
      this.#hasMissed = true
    }
  }

  /** The machine's own slots by their names, those of projects by their paths in the state directory. */
  #allSlots(): readonly string[] {
    const projects = list(join(this.#state, 'projects')).map((project) => `projects/${project}/slots`)
    const inside = projects.flatMap((slots) => list(join(this.#state, slots)).map((slot) => `${slots}/${slot}`))
    return [...list(this.#slots), ...inside]
  }

  #directoryOf(slot: string): string {
    return slot.startsWith('projects/') ? join(this.#state, slot) : join(this.#slots, slot)
  }

  /** Waits until something is there, or the time is over, and takes it. */
  round(timeoutMs: number): void {
    const events = libc().wait(this.#set, timeoutMs)
    const openBefore = this.#sources.size
    for (const { descriptor, isHungUp } of events) {
      if (descriptor === this.#box) this.#readBox()
      else this.#take({ pipe: descriptor, isHungUp })
    }
    // What has ended leaves room for what had to wait.
    if (openBefore > this.#sources.size) this.#openMissed()
    if (events.length > 0) libc().sleep(this.#isStuck ? stuckPauseMs : this.#hadMuch ? shortPauseMs : pauseMs)
    this.#isStuck = false
    this.#hadMuch = false
  }

  #openMissed(): void {
    if (!this.#hasMissed) return
    this.#hasMissed = false
    this.openAll()
  }

  /** To be called now and then: opens what could not be opened, and another letter box where somebody has removed it. */
  tend(): void {
    this.#openMissed()
    const there = statSync(letterBox(this.#state), { throwIfNoEntry: false })
    const ours = fstatSync(this.#box)
    // What is announced in one that was removed comes nowhere.
    if (there !== undefined && there.ino === ours.ino && there.dev === ours.dev) return
    closeSync(this.#box)
    this.#box = openLetterBox(this.#state)
    libc().watch(this.#set, this.#box)
    this.openAll()
  }

  close(): void {
    for (const source of this.#sources.values()) closeSync(source.pipe)
    for (const log of this.#logs.values()) log.close()
    for (const descriptor of [this.#box, this.#nowhere, this.#set.descriptor]) closeSync(descriptor)
    this.#sources.clear()
    this.#logs.clear()
  }

  #readBox(): void {
    const text = readAll(this.#box)
    for (const line of text.split('\n')) {
      const [, slot, epoch] = /^((?:projects\/[^./]+\/slots\/)?[^./][^/]*)\/(\d{1,16})$/.exec(line) ?? []
      if (slot !== undefined) this.#attempt(slot, () => this.#open(slot, Number(epoch)))
    }
  }

  #open(slot: string, epoch: number): void {
    const earlier = [...this.#sources.values()].filter((source) => source.slot === slot)
    if (earlier.some((source) => source.epoch === epoch)) return
    // What an instance wrote comes before what its successor writes: nobody writes to the earlier pipe any more.
    for (const { pipe } of earlier) this.#take({ pipe, isHungUp: false })
    const directory = this.#directoryOf(slot)
    const boundBytes = boundOf(directory)
    const pipe = this.#openPipe(slot, epoch)
    if (pipe === null) return
    const log = this.#logs.get(slot) ?? new SegmentWriter(directory, boundBytes)
    log.boundBytes = boundBytes
    this.#logs.set(slot, log)
    this.#sources.set(pipe, { pipe, slot, epoch, log })
    libc().watch(this.#set, pipe)
    this.#take({ pipe, isHungUp: false })
  }

  #openPipe(slot: string, epoch: number): number | null {
    const path = outputPipe(join(this.#directoryOf(slot), `${epoch}`))
    let pipe: number | null = null
    try {
      pipe = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
      // The end of a pipe is told only to whom has seen somebody write to it (pipe_poll, fs/pipe.c).
      const writing = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
      try {
        // A pipe whose log could not be opened beside it would keep a place that the others need to come to an end.
        closeSync(openSync('/dev/null', 'r'))
      } finally {
        closeSync(writing)
      }
      if (!libc().isHungUp(pipe) || libc().unreadBytes(pipe) > 0) return pipe
      // Over and empty: its daemon will remove it.
      closeSync(pipe)
      return null
    } catch (error) {
      if (pipe !== null) closeSync(pipe)
      if (isMissing(error)) return null
      throw error
    }
  }

  #take({ pipe, isHungUp }: { readonly pipe: number; readonly isHungUp: boolean }): void {
    const source = this.#sources.get(pipe)
    if (source === undefined) return
    for (let left = maxMoveBytes; left > 0;) {
      // Asked first: of a pipe with nothing in it no stamp is made, and no file.
      const unread = libc().unreadBytes(pipe)
      if (unread === 0) return isHungUp ? this.#end(source) : undefined
      this.#hadMuch ||= unread >= muchBytes
      const moved = this.#move(source, left)
      if (moved === 0) return
      left -= moved
    }
  }

  /** How much is gone from the pipe; 0 where there was nothing after all, or nothing could be done. */
  #move(source: Source, maxBytes: number): number {
    let trouble = ''
    for (;;) {
      try {
        const room = source.log.prepare(this.#stamp(source))
        // What was lost is told now.
        if (this.#dropped.has(source.slot)) this.#dropped.set(source.slot, 0)
        const moved = moveOrCopy(source.pipe, room, maxBytes)
        if (moved === -errno.EAGAIN || moved === 0) return 0
        if (moved > 0) {
          source.log.added(moved)
          this.#dropped.delete(source.slot)
          return moved
        }
        trouble = getSystemErrorName(moved)
      } catch (error) {
        // Of a slot that was removed nothing is kept.
        if (isMissing(error)) return Math.max(0, libc().drop(source.pipe, this.#nowhere, maxBytes))
        // Logs can be opened again at any time, pipes cannot.
        if (isOutOfFiles(error)) {
          for (const log of this.#logs.values()) log.close()
          if (trouble !== '') break
          trouble = String(error)
          continue
        }
        trouble = error instanceof Error ? error.message : String(error)
      }
      // A full disk: what is oldest in this log gives way to what is newest.
      if (!source.log.removeOldest()) break
    }
    return this.#giveUp(source, trouble)
  }

  /** A program must not stand still because a disk is full. */
  #giveUp({ pipe, slot }: Source, trouble: string): number {
    this.#isStuck = true
    if (!this.#dropped.has(slot)) this.#onTrouble(`the output of ${slot} cannot be kept for now: ${trouble}`)
    const dropped = this.#dropped.get(slot) ?? 0
    const tooMany = libc().unreadBytes(pipe) - patienceBytes
    const moved = tooMany > 0 ? Math.max(0, libc().drop(pipe, this.#nowhere, tooMany)) : 0
    this.#dropped.set(slot, dropped + moved)
    return moved
  }

  #stamp({ slot, epoch }: Source): Parameters<SegmentWriter['prepare']>[0] {
    return { wallMs: Date.now(), bootMs: bootMs(), epoch, dropped: this.#dropped.get(slot) ?? 0 }
  }

  #end(source: Source): void {
    closeSync(source.pipe)
    this.#sources.delete(source.pipe)
    if ([...this.#sources.values()].some(({ slot }) => slot === source.slot)) return
    source.log.close()
    this.#logs.delete(source.slot)
    this.#dropped.delete(source.slot)
  }
}

const isOutOfFiles = (error: unknown): boolean => hasCode(error, 'EMFILE') || hasCode(error, 'ENFILE')

const boundOf = (directory: string): number => readNumber(join(directory, 'log.bound')) ?? usualLogBytes

/** By the kernel; where a file system cannot take bytes from a pipe, by way of this process, which must not be killed in between. */
function moveOrCopy(pipe: number, room: Room, maxBytes: number): number {
  const bytes = Math.min(maxBytes, room.bytes)
  const moved = libc().move(pipe, room.file, { offset: room.offset, maxBytes: bytes })
  if (moved !== -errno.EINVAL && moved !== -errno.ENOSYS) return moved
  const piece = Buffer.allocUnsafe(Math.min(bytes, 64 * 1024))
  const read = readSync(pipe, piece)
  for (let written = 0; written < read;) written += writeSync(room.file, piece, written, read - written, room.offset + written)
  return read
}

function readAll(descriptor: number): string {
  const piece = Buffer.allocUnsafe(64 * 1024)
  let text = ''
  for (;;) {
    try {
      const bytes = readSync(descriptor, piece)
      if (bytes === 0) return text
      text += piece.toString('latin1', 0, bytes)
    } catch (error) {
      if (hasCode(error, 'EAGAIN')) return text
      throw error
    }
  }
}

function list(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (isMissing(error) || hasCode(error, 'ENOTDIR')) return []
    throw error
  }
}
