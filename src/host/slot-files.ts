/**
 * The slot directory on disk, format 1: the only place that knows its names and layouts.
 *
 * Files that must be writable on a full disk (`epoch`, `started`, `exit`, `log.bound`) have their space from the start
 * and are overwritten in place; a final newline says that the text is whole. An epoch directory is made once and never again.
 * There are as few of them as can be: of a thousand runs that begin in one second, making files is a fifth of the work.
 */

import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { type Epoch, type SlotId, asEpoch, asServiceName, isRunSlot, runSlotId, slotId } from '../core/model/id.ts'
import type { Exit } from '../core/model/status.ts'
import { observeBootId, parseProcessStat } from '../system/process-stat.ts'
import { syncTogether } from '../system/sync-together.ts'
import { isMissing } from '../system/errno.ts'
import { libc } from '../system/libc.ts'
import { makePipeAt, outputPipe, removeOutput } from './logs/output-pipe.ts'
import { listLogFiles, listSegments, segmentName } from './logs/segments.ts'
import { ensureSpare, moveIfThere, placeEpochDirectory, retireEpochDirectory, sparePipeOf } from './spare-epoch.ts'
import { explainExitCode, renderExit } from '../system/exit-code.ts'

/** Enough for the longest line that a keeper writes: /proc/PID/stat has 52 numbers of at most 20 digits. */
export const reservedBytes: number = 1536
/** What a log keeps where there is no `log.bound`; the collector knows it too. */
export const usualLogBytes: number = 10 * 1024 * 1024
/** As many past epochs keep their directory, for anything that wants to know how the last ones ended. */
const keptEpochs = 3

export interface SlotPaths {
  readonly directory: string
  /** Of one run of a schedule: there is a new one with every tick. */
  readonly isRun: boolean
  /** The directory itself: its keeper's flock is on it. */
  readonly lock: string
  readonly epoch: string
  readonly logBound: string
  /** How far a container's output has been taken into the log. */
  readonly logCursor: string
}

/**
 * `web/0` ↔ `web.0`, `report/2026-11-22T03:00:00Z` ↔ `report.2026-11-22T03:00:00Z`, `@balancer/0` ↔ `@balancer.0`: no service's name holds a
 * dot, and only the daemon's own begin with `@`.
 */
export function slotName(slot: SlotId): string {
  return slot.replace('/', '.')
}

const slotNamePattern = /^(@?[a-z][a-z0-9-]*)\.(\d+|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z)$/

export function parseSlotName(name: string): SlotId | null {
  const [, service, place] = slotNamePattern.exec(name) ?? []
  if (service === undefined || place === undefined) return null
  return place.endsWith('Z') ? runSlotId(asServiceName(service), place) : slotId(asServiceName(service), Number(place))
}

export function slotPaths(stateDirectory: string, slot: SlotId): SlotPaths {
  const directory = join(stateDirectory, 'slots', slotName(slot))
  const inside = (name: string): string => `${directory}/${name}`
  return {
    directory,
    isRun: isRunSlot(slot),
    lock: directory,
    epoch: inside('epoch'),
    logBound: inside('log.bound'),
    logCursor: inside('log.cursor'),
  }
}

/** 16 digits hold every safe integer. */
export const renderNumber = (value: number): string => `${`${value}`.padStart(16, '0')}\n`

/** Null for a missing or unfinished file. */
export function readNumber(path: string): number | null {
  const text = readIfThere(path)
  return text !== null && /^\d{16}\n$/.test(text) ? Number(text) : null
}

export function writeNumber(path: string, value: number): void {
  // Not shortened: for a text of the same length there is always space.
  const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  try {
    writeSync(descriptor, renderNumber(value), 0)
  } finally {
    closeSync(descriptor)
  }
}

/** Makes the slot's directory and files where they are missing. What exists is left as it is. Durable with its first epoch. */
export function ensureSlot(paths: SlotPaths, maxLogBytes: number): void {
  const isNew = mkdirSync(paths.directory, { recursive: true, mode: 0o700 }) !== undefined
  const bound = isNew ? null : readNumber(paths.logBound)
  if (bound === null ? maxLogBytes !== usualLogBytes : bound !== maxLogBytes) writeNumber(paths.logBound, maxLogBytes)
  adoptFormerLog(paths, isNew)
  if (!isNew && readNumber(paths.epoch) !== null) return
  // Last, because its presence says that all the others are there.
  writeNumber(paths.epoch, 0)
}

/** What a former Daruma let programs write into directly becomes the first segment, now that nobody of it runs any more. */
function adoptFormerLog(paths: SlotPaths, isNew: boolean): void {
  const former = `${paths.directory}/log`
  if (isNew || !existsSync(former)) return
  const hole = readNumber(`${former}.head`) ?? 0
  const hasSegments = listSegments(paths.directory).some(({ path }) => path !== former)
  if (hasSegments || (hole > 0 && !cutHole(former, hole))) rmSync(former)
  else renameSync(former, `${paths.directory}/${segmentName(0)}`)
  rmSync(`${former}.head`, { force: true })
}

/** Its bound was kept by punching holes at its head. */
function cutHole(path: string, bytes: number): boolean {
  const descriptor = openSync(path, 'r+')
  try {
    return bytes < fstatSync(descriptor).size && libc().cutFront(descriptor, bytes)
  } finally {
    closeSync(descriptor)
  }
}

export const epochDirectory = (paths: SlotPaths, epoch: Epoch): string => `${paths.directory}/${epoch}`

/** What the runtime itself must know of an epoch later, in another daemon's life. */
export interface EpochNote {
  readonly format: 1
  readonly bootId: string
  readonly directory: string
  readonly user: string | null
  readonly namespaces: boolean
  /** Who was told to run it; absent for one of format 1, and for a container. `startTicks` is 0 where the host has no /proc. */
  readonly keeper?: { readonly pid: number; readonly startTicks: number }
  readonly note: string
  /** The container engine's id where a container was started, empty until it is known; absent for a process. */
  readonly container?: string
}

/** Puts the epoch's directory where it belongs; false when there was one already. To be called while nothing of the slot runs. */
export function makeEpochDirectory(paths: SlotPaths, epoch: Epoch): boolean {
  const path = epochDirectory(paths, epoch)
  if (existsSync(path)) return false
  const former = (): readonly string[] => listEpochs(paths).map((each) => epochDirectory(paths, each))
  placeEpochDirectory(paths.directory, path, { fill: reserveEpochFiles, former })
  return true
}

export function removeEpochDirectory(paths: SlotPaths, epoch: Epoch): void {
  const directory = epochDirectory(paths, epoch)
  retireEpochDirectory(paths.directory, directory)
  if (!existsSync(sparePipeOf(paths.directory))) moveIfThere(outputPipe(directory), sparePipeOf(paths.directory))
  removeOutput(directory)
}

/** For the next start in this slot. Does nothing where everything is there. */
export function prepareNextEpoch(paths: SlotPaths): void {
  // A run seldom begins twice in its slot.
  if (paths.isRun || !existsSync(paths.directory)) return
  ensureSpare(paths.directory, { fill: reserveEpochFiles, pipe: makePipeAt })
}

function reserveEpochFiles(directory: string): void {
  overwriteWhole(join(directory, 'exit'), reserved)
  overwriteWhole(join(directory, 'started'), ' '.repeat(spareNoteBytes))
}

/** Of `started`: what the keeper writes, and a note of the usual length. */
const spareNoteBytes = 8192

/** Everything the keeper will write to gets its space here, before anything has been started. The note stands behind that space. */
export function writeEpochFiles(directory: string, note: Omit<EpochNote, 'format' | 'bootId'>): void {
  const whole: EpochNote = { format: 1, bootId: observeBootId(), ...note }
  overwriteWhole(join(directory, 'exit'), reserved)
  overwriteWhole(join(directory, 'started'), `${reserved}\n${JSON.stringify(whole)}`, '\n')
}

/** In place, so that what is there already needs no space; what was longer is filled up with spaces before the `end`. */
function overwriteWhole(path: string, text: string, end: string = ''): void {
  const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  try {
    const missing = fstatSync(descriptor).size - Buffer.byteLength(text) - end.length
    // All of it, or an error: one call alone may write less on a disk that is getting full.
    writeFileSync(descriptor, `${text}${' '.repeat(Math.max(0, missing))}${end}`)
  } finally {
    closeSync(descriptor)
  }
}

const reserved = ' '.repeat(reservedBytes)

/** The commit that comes before any effect: from here on no keeper of an older epoch runs anything. */
export async function commitEpoch(paths: SlotPaths, epoch: Epoch): Promise<void> {
  const isFirst = (readNumber(paths.epoch) ?? 0) === 0
  const descriptor = openSync(paths.epoch, 'r+')
  try {
    writeSync(descriptor, renderNumber(epoch), 0)
    // With the first one the slot itself must last: the file's own data are not found where its folder has lost it.
    const folders = isFirst ? [syncTogether(paths.directory), syncTogether(join(paths.directory, '..'))] : []
    // All of them are waited for, so that the descriptor is not closed under one of them.
    for (const result of await Promise.allSettled([syncData(descriptor), ...folders]))
      if (result.status === 'rejected') throw result.reason
  } finally {
    closeSync(descriptor)
  }
}

const syncData = promisify(fdatasync)

export function readEpochNote(directory: string): EpochNote | null {
  const [last = '', rest] = (readIfThere(join(directory, 'started')) ?? '').split('\n').slice(-2)
  if (rest !== '' || !last.startsWith('{')) return null
  const note = JSON.parse(last) as EpochNote
  return note.format === 1 ? note : null
}

/** Who was told to run it; null where that is not known, or was before this machine was booted. */
export function readKeeper(directory: string): { readonly pid: number; readonly startTicks: number } | null {
  const note = readEpochNote(directory)
  return note?.bootId === observeBootId() ? (note.keeper ?? null) : null
}

export type Beginning =
  | { readonly kind: 'none' }
  | { readonly kind: 'started'; readonly pid: number; readonly startTicks: number; readonly startedAt: string }
  | { readonly kind: 'refused'; readonly word: string }

/** What the keeper wrote into `started`: the command's line of /proc/PID/stat, or why it left. */
export function readBeginning(directory: string): Beginning {
  const line = readReserved(join(directory, 'started'))
  if (line === null) return { kind: 'none' }
  if (line.startsWith('refused ')) return { kind: 'refused', word: line.slice('refused '.length) }
  const stat = parseProcessStat(line)
  const startedAt = statSync(join(directory, 'started')).mtime.toISOString()
  return { kind: 'started', pid: stat?.pid ?? Number(line), startTicks: stat?.startTicks ?? 0, startedAt }
}

/** How the command ended, or null while (or because) its keeper has not written it. */
export function readExit(directory: string): Exit | null {
  const [line = '', second] = readReservedLines(join(directory, 'exit'))
  if (line === 'oom' || line === 'unknown') return { kind: line }
  const match = /^code (\d+)$/.exec(line)
  if (match === null) return null
  const exit = explainExitCode(Number(match[1]))
  return exit.kind === 'code' && second === 'left' ? { ...exit, left: true } : exit
}

export function listEpochs(paths: SlotPaths): Epoch[] {
  try {
    return readdirSync(paths.directory)
      .flatMap((name) => (/^\d{1,16}$/.test(name) ? [Number(name)] : []))
      .toSorted((a, b) => a - b)
      .map(asEpoch)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** Forgets all but the last few epochs; `isLive` ones stay. */
export async function pruneEpochs(paths: SlotPaths, isLive: (epoch: Epoch) => boolean): Promise<void> {
  for (const epoch of listEpochs(paths).slice(0, -keptEpochs)) {
    if (isLive(epoch)) continue
    if (!paths.isRun) retireEpochDirectory(paths.directory, epochDirectory(paths, epoch))
    await removeEpoch(paths, epoch)
  }
}

/**
 * What a slot leaves when nobody wants it any more. The directory and `epoch` stay: what a late keeper locks, and the memory of the last epoch.
 * Of a run nothing stays: there is a new slot with every tick, the ledger's watermark remembers it, and a late keeper finds no directory.
 */
export async function removeSlotFiles(paths: SlotPaths): Promise<void> {
  if (paths.isRun) return rm(paths.directory, { recursive: true, force: true })
  for (const epoch of listEpochs(paths)) await removeEpoch(paths, epoch)
  const spares = [`${paths.directory}/spare`, sparePipeOf(paths.directory)]
  const others = [paths.logBound, paths.logCursor, ...listLogFiles(paths.directory)]
  for (const path of [...spares, ...others]) await rm(path, { recursive: true, force: true })
}

async function removeEpoch(paths: SlotPaths, epoch: Epoch): Promise<void> {
  const directory = epochDirectory(paths, epoch)
  await rm(directory, { recursive: true, force: true })
  removeOutput(directory)
}

/** The committed epoch's directory may be missing (a restored copy); one above it was made by a daemon that died before it started anything. */
export function newestStarted(paths: SlotPaths): Epoch | null {
  const onDisk = listEpochs(paths)
  const committed = readNumber(paths.epoch) ?? onDisk.at(-1) ?? 0
  return onDisk.filter((epoch) => epoch <= committed).at(-1) ?? null
}

/** The line that was written over the reserved space; null while there is none, or not all of it. */
function readReserved(path: string): string | null {
  return readReservedLines(path)[0] ?? null
}

function readReservedLines(path: string): readonly string[] {
  const text = readIfThere(path)
  return text === null || text.startsWith(' ') ? [] : text.split('\n').slice(0, -1)
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/** What a keeper writes for a process, the daemon writes for a container: in place, into the space that was reserved. */
export function writeBeginning(directory: string, statLine: string, startedAt: string): void {
  const path = join(directory, 'started')
  overwrite(path, statLine)
  // The file's time is the time of the start, as it is where the keeper writes it.
  utimesSync(path, new Date(startedAt), new Date(startedAt))
}

export function writeExit(directory: string, exit: Exit): void {
  overwrite(join(directory, 'exit'), renderExit(exit))
}

function overwrite(path: string, text: string): void {
  const descriptor = openSync(path, 'r+')
  try {
    writeSync(descriptor, `${text}\n`, 0)
  } finally {
    closeSync(descriptor)
  }
}
