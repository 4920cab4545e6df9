/**
 * Where a command writes and what it may ask. Two sinks: `print` for what was asked for (stdout), `note` for what the person should
 * know besides (stderr). Only a terminal is ever redrawn, coloured or asked.
 */

import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { WriteStream } from 'node:tty'

import { choosePalette, type Palette } from './colour.ts'

export interface Terminal {
  /** Whether stdout may be redrawn. */
  readonly isInteractive: boolean
  /** Whether a person can be asked. */
  readonly canAsk: boolean
  readonly palette: Palette
  /** For what goes to stderr, which may be a terminal while stdout is a file. */
  readonly notePalette: Palette
  /** Infinity where stdout is not a terminal. */
  columns(): number
  rows(): number
  /** One line or more; the closing newline is added. */
  print(text: string): void
  note(text: string): void
  /** Raw, for redrawing. */
  write(text: string): void
  /** Reads one line. An end of input is an empty answer. */
  ask(question: string): Promise<string>
}

export interface Streams {
  readonly input: Readable & { readonly isTTY?: boolean }
  readonly output: NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY' | 'columns' | 'rows'>>
  readonly error: NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY'>>
}

export function createTerminal(streams: Streams, environment: Readonly<Record<string, string | undefined>>): Terminal {
  const isTerminal = streams.output.isTTY === true
  const isInteractive = isTerminal && environment['TERM'] !== 'dumb'
  return {
    isInteractive,
    canAsk: isTerminal && streams.input.isTTY === true,
    palette: choosePalette(isTerminal, environment),
    notePalette: choosePalette(streams.error.isTTY === true, environment),
    columns: () => (isTerminal ? (streams.output.columns ?? 80) : Infinity),
    rows: () => (isTerminal ? (streams.output.rows ?? 24) : Infinity),
    print: (text) => void streams.output.write(`${text}\n`),
    note: (text) => void streams.error.write(`${text}\n`),
    write: (text) => void streams.output.write(text),
    ask: (question) => askOnce(streams, question),
  }
}

function askOnce(streams: Streams, question: string): Promise<string> {
  const reader = createInterface({ input: streams.input, output: streams.output })
  return new Promise((resolve) => {
    reader.on('close', () => resolve(''))
    reader.on('SIGINT', () => {
      streams.output.write('\n')
      reader.close()
    })
    reader.question(question, (answer) => {
      resolve(answer.trim())
      reader.close()
    })
  })
}
