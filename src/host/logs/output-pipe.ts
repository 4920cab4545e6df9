/**
 * The pipe that is an instance's standard output and error: a FIFO beside its epoch's directory, so that `/dev/stdout` can be opened again
 * and nothing is cut off by it. It belongs to the instance's user, and anything that was given it may write: the directories above keep all
 * others out, and a program that has changed its user still opens its own output. Its keeper, the daemon and the collector hold both
 * ends, so no death of one of them is a SIGPIPE.
 */

import { chmodSync, chownSync, closeSync, constants, existsSync, openSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { hasCode, isMissing } from '../../system/errno.ts'
import { libc } from '../../system/libc.ts'
import { moveIfThere, sparePipeOf } from '../spare-epoch.ts'

/** Not inside: that directory is watched, and each write would be told. */
export const outputPipe = (epochDirectory: string): string => `${epochDirectory}.out`

/** Owner reads and writes, everybody writes. */
const pipeMode = 0o622

/** What its keeper took out of it, where nothing else was alive to do so. */
export const savedOutput = (epochDirectory: string): string => `${epochDirectory}.rest`

export function makeOutputPipe(epochDirectory: string, owner: { readonly uid: number; readonly gid: number } | null): void {
  const path = outputPipe(epochDirectory)
  if (!moveIfThere(sparePipeOf(dirname(epochDirectory)), path)) makePipeAt(path)
  if (owner !== null) chownSync(path, owner.uid, owner.gid)
}

export function makePipeAt(path: string): void {
  libc().makePipe(path, 0o600)
  chmodSync(path, pipeMode)
}

export function removeOutputPipe(epochDirectory: string): void {
  rmSync(outputPipe(epochDirectory), { force: true })
}

/** With what nobody has taken over. */
export function removeOutput(epochDirectory: string): void {
  removeOutputPipe(epochDirectory)
  rmSync(savedOutput(epochDirectory), { force: true })
}

/** Both ends, never waiting; null where there is none: of a container, or of an instance that a former Daruma started. */
export function openOutputPipe(epochDirectory: string): number | null {
  try {
    return openSync(outputPipe(epochDirectory), constants.O_RDWR | constants.O_NONBLOCK)
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/**
 * The collector's letter box: a line for each instance that is about to start: the path of its epoch's directory below `slots`, and of one of a
 * project's below the state directory (`projects/shop/slots/web.0/17`).
 */
export const letterBox = (stateDirectory: string): string => join(stateDirectory, 'host', 'collector.box')

/**
 * Tells the collector of an epoch, so that it opens the pipe before anything is written. Where no collector is, nothing needs to be
 * told: the next one looks for itself when it begins. False where its box is full: tell it again.
 */
export function announceOutput(stateDirectory: string, epochPath: string): boolean {
  let box: number
  try {
    box = openSync(letterBox(stateDirectory), constants.O_WRONLY | constants.O_NONBLOCK)
  } catch (error) {
    // ENXIO: nobody reads it.
    if (isMissing(error) || hasCode(error, 'ENXIO')) return true
    throw error
  }
  try {
    writeSync(box, `${epochPath}\n`)
    return true
  } catch (error) {
    if (hasCode(error, 'EPIPE')) return true
    if (hasCode(error, 'EAGAIN')) return false
    throw error
  } finally {
    closeSync(box)
  }
}

/** Makes it where it is missing. Opened for both ends, so that it is never "over". */
export function openLetterBox(stateDirectory: string): number {
  const path = letterBox(stateDirectory)
  if (!existsSync(path)) libc().makePipe(path, 0o600)
  return openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
}
