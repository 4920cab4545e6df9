/**
 * A stop that is under way, kept beside its instance: a daemon that dies meanwhile leaves the next one the rest of the time, and no program is
 * asked twice. It stands in the space that `exit` has had from the start, behind what a keeper writes there, so that a full disk is no matter.
 * The deadline is on the clock that began with the boot (CLOCK_MONOTONIC), which every daemon of this boot reads alike and nobody sets.
 */

import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

import type { StopUnderWay } from '../core/instance/slot.ts'
import type { SignalName, StopPolicy } from '../core/model/service.ts'
import type { StopNotice } from '../ports/runtime/runtime.ts'
import { bootMs, observeBootId } from '../system/process-stat.ts'

export interface StopNote {
  readonly signal: SignalName
  readonly to: StopPolicy['to']
  readonly bootId: string
  readonly deadlineMs: number
  readonly isAtFault: boolean
  /** Written a second time when the signal has gone out. */
  readonly isSent: boolean
  /** What the command has left behind was told by a daemon, where no keeper is there to do it. */
  readonly isRestTold: boolean
}

const offset = 512
const bytes = 512

/** Notes the stop around `send`, which is called whatever becomes of the note. */
export async function withStopNote(
  directory: string,
  asked: { readonly signal: SignalName; readonly to: StopPolicy['to']; readonly stop: StopNotice },
  tools: { readonly send: () => Promise<void>; readonly onTrouble: (error: unknown) => void },
): Promise<void> {
  const { signal, to, stop } = asked
  const note = {
    signal,
    to,
    bootId: observeBootId(),
    deadlineMs: bootMs() + stop.graceMs,
    isAtFault: stop.isAtFault,
    isRestTold: false,
  }
  const write = (isSent: boolean): void => {
    try {
      writeStopNote(directory, { ...note, isSent })
    } catch (error) {
      tools.onTrouble(error)
    }
  }
  write(false)
  await tools.send()
  write(true)
}

/** Throws what the disk says. */
export function noteRestTold(directory: string): void {
  const note = readStopNote(directory)
  if (note !== null) writeStopNote(directory, { ...note, isRestTold: true })
}

function writeStopNote(directory: string, note: StopNote): void {
  const descriptor = openSync(join(directory, 'exit'), 'r+')
  try {
    writeSync(descriptor, `\n${JSON.stringify(note)}`.padEnd(bytes - 1).concat('\n'), offset)
  } finally {
    closeSync(descriptor)
  }
}

/** Null where there is none, not all of one, or one of an earlier boot. */
export function readStopNote(directory: string): StopNote | null {
  try {
    const line = readFileSync(join(directory, 'exit'), 'utf8')
      .split('\n')
      .find((each) => each.startsWith('{'))
    const note = line === undefined ? null : (JSON.parse(line) as StopNote)
    return note?.bootId === observeBootId() ? note : null
  } catch {
    return null
  }
}

/** As a new daemon takes it up; empty where no stop was under way. */
export function findStopUnderWay(directory: string): { readonly stop?: StopUnderWay } {
  const note = readStopNote(directory)
  if (note === null) return {}
  const { deadlineMs, isAtFault, isSent } = note
  return { stop: { leftMs: Math.max(0, Math.round(deadlineMs - bootMs())), isAtFault, isSent } }
}
