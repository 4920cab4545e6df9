/**
 * Where a command writes and what it may ask. Two sinks: `print` for what was asked for (stdout), `note` for what the person should
 * know besides (stderr). Only a terminal is ever redrawn, coloured or asked. A pipe takes what it is given in its reader's time, so a
 * loop that prints without an end in sight awaits `drain`, and no command ends before `finish`.
 */

import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { WriteStream } from 'node:tty'

import { DarumaError } from '../../ports/error.ts'
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
  /** Aborted when nothing can be printed any more: the reader has left (`| head`), or the disk that stdout goes to is full. */
  readonly outputClosed: AbortSignal
  /** Resolves when stdout has room again: what waits to be taken stays bounded, however slow the reader is. */
  drain(): Promise<void>
  /**
   * Resolves when both readers have taken everything. A reader that left is no error; throws `E_OUTPUT` when stdout could not be
   * written for another reason.
   */
  finish(): Promise<void>
}

type Output = NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY' | 'writableNeedDrain'>>

export interface Streams {
  readonly input: Readable & { readonly isTTY?: boolean }
  readonly output: Output & Partial<Pick<WriteStream, 'columns' | 'rows'>>
  readonly error: Output
}

export function createTerminal(streams: Streams, environment: Readonly<Record<string, string | undefined>>): Terminal {
  const isTerminal = streams.output.isTTY === true
  const isInteractive = isTerminal && environment['TERM'] !== 'dumb'
  const output = watchSink(streams.output)
  const error = watchSink(streams.error)
  return {
    isInteractive,
    canAsk: isTerminal && streams.input.isTTY === true,
    palette: choosePalette(isTerminal, environment),
    notePalette: choosePalette(streams.error.isTTY === true, environment),
    columns: () => (isTerminal ? (streams.output.columns ?? 80) : Infinity),
    rows: () => (isTerminal ? (streams.output.rows ?? 24) : Infinity),
    print: (text) => output.write(`${text}\n`),
    note: (text) => error.write(`${text}\n`),
    write: (text) => output.write(text),
    ask: (question) => askOnce(streams, question),
    outputClosed: output.closed,
    drain: () => output.drain(),
    finish: async () => {
      await Promise.all([output.empty(), error.empty()])
      const fault = output.fault()
      if (fault !== null && fault.code !== 'EPIPE')
        throw new DarumaError('E_OUTPUT', `The output could not be written: ${fault.message}.`, { cause: fault })
    },
  }
}

interface Sink {
  readonly closed: AbortSignal
  fault(): NodeJS.ErrnoException | null
  write(text: string): void
  drain(): Promise<void>
  empty(): Promise<void>
}

/** After the first error nothing more is written: the stream has destroyed itself. */
function watchSink(stream: Output): Sink {
  const closing = new AbortController()
  let fault: NodeJS.ErrnoException | null = null
  const close = (error: NodeJS.ErrnoException): void => {
    fault ??= error
    closing.abort()
  }
  stream.on('error', close)
  const until = (wait: (resolve: () => void) => void): Promise<void> => {
    if (closing.signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        closing.signal.removeEventListener('abort', done)
        resolve()
      }
      closing.signal.addEventListener('abort', done)
      wait(done)
    })
  }
  return {
    closed: closing.signal,
    fault: () => fault,
    write: (text) => {
      if (!closing.signal.aborted) stream.write(text)
    },
    drain: () => (stream.writableNeedDrain === true ? until((done) => stream.once('drain', done)) : Promise.resolve()),
    empty: () => until((done) => stream.write('', done)),
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
