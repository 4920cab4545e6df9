/**
 * A shell tells a signal as 128 + its number, and so does a program that handles SIGTERM well and then exits with 143. Both mean
 * the same to a person, so both are told as the signal.
 */

import { constants } from 'node:os'

import type { Exit } from '../core/model/status.ts'

export function explainExitCode(code: number): Exit {
  const signal = code > 128 ? signalNames.get(code - 128) : undefined
  return signal === undefined ? { kind: 'code', code } : { kind: 'signal', signal }
}

/** The first name of each number wins: SIGABRT before SIGIOT. */
const signalNames: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.signals)
    .toReversed()
    .map(([name, number]) => [number, name]),
)

/** The line that `exit` holds: as a shell counts, or a word where no number is known. */
export function renderExit(exit: Exit): string {
  if (exit.kind === 'code') return `code ${exit.code}`
  if (exit.kind !== 'signal') return exit.kind
  const number = (constants.signals as Readonly<Record<string, number>>)[exit.signal]
  return number === undefined ? 'unknown' : `code ${128 + number}`
}
