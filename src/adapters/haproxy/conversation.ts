/**
 * Speaks to the master's socket (management.txt, 9.4). The one thing to know: after a reload several workers live at the same time,
 * the old ones for the connections that they still have, and each has its own servers and maps: whatever is said to one must be said
 * to all. In interactive mode each command, also of several in a line, is answered and then prompted for, so answers can be counted.
 */

import { closeSync, constants, openSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { away } from './errors.ts'
import { files } from './names.ts'
import { parseProcesses, type Worker } from './parse.ts'

export interface Conversation extends Disposable {
  /** The newest first: it is the one that accepts connections. */
  workers(): Promise<readonly Worker[]>
  /** Answers in the order of the commands; a payload is lines behind `<<`. */
  ask(worker: Worker, commands: readonly Command[]): Promise<readonly string[]>
  /** The master re-executes itself; the conversation is over. */
  reload(): Promise<void>
}

export type Command = string | { readonly line: string; readonly payload: string }

/** HAProxy answers in microseconds; what takes this long is frozen or gone. */
const answerLimitMs = 5000

/** Rejects with `E_BALANCER_AWAY` where nobody listens or answers, at once or later. */
export async function converse(directory: string): Promise<Conversation> {
  const socket = await open(directory)
  let text = ''
  let failure: Error | null = null
  let heard: () => void = () => undefined
  let target = 'master'
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    text += chunk
    heard()
  })
  const fail = (error?: Error): void => {
    failure ??= away(error)
    heard()
  }
  socket.on('error', fail)
  socket.on('close', () => fail())
  await exchange('prompt\n', 1)

  function rethrow(): void {
    if (failure !== null) throw failure
  }

  async function exchange(line: string, count: number): Promise<readonly string[]> {
    rethrow()
    text = ''
    socket.write(line)
    const deadline = setTimeout(() => fail(new Error(`no answer within ${answerLimitMs} ms`)), answerLimitMs)
    try {
      for (;;) {
        const answers = text.split(prompt(target))
        if (answers.length > count) return answers.slice(0, count).map((answer) => answer.replace(/^(?:\+ )+/, '').trim())
        rethrow()
        await new Promise<void>((resolve) => (heard = resolve))
      }
    } finally {
      clearTimeout(deadline)
    }
  }

  async function turnTo(next: string): Promise<void> {
    if (target === next) return
    target = next
    await exchange(next === 'master' ? '@\n' : `@!${next}\n`, 1)
  }

  return {
    async workers() {
      await turnTo('master')
      const [answer = ''] = await exchange('show proc\n', 1)
      return parseProcesses(answer)
    },
    async ask(worker, commands) {
      await turnTo(String(worker.pid))
      const answers: string[] = []
      for (const group of groups(commands)) answers.push(...(await exchange(group.text, group.count)))
      return answers
    },
    async reload() {
      await turnTo('master')
      await exchange('reload\n', 1).catch(() => undefined)
    },
    [Symbol.dispose]: () => socket.destroy(),
  }
}

/** The master says in its prompt that its last reload failed. */
const prompt = (target: string): RegExp =>
  target === 'master' ? /master(?:\[ReloadFailed\])?> / : new RegExp(`(?<![^\\s])${target}> `)

/** A line must fit into one of HAProxy's buffers, together with what it answers before it reads on. */
const maxLineBytes = 4096

/** As many commands to a line as fit; one with a payload ends its line. */
function* groups(commands: readonly Command[]): Generator<{ readonly text: string; readonly count: number }> {
  let lines: string[] = []
  let bytes = 0
  for (const command of commands) {
    const line = typeof command === 'string' ? command : command.line
    if (lines.length > 0 && (typeof command !== 'string' || bytes + line.length > maxLineBytes)) {
      yield { text: `${lines.join('; ')}\n`, count: lines.length }
      ;[lines, bytes] = [[], 0]
    }
    if (typeof command === 'string') {
      lines.push(line)
      bytes += line.length + 2
    } else yield { text: `${line} <<\n${withoutEmptyLines(command.payload)}\n\n`, count: 1 }
  }
  if (lines.length > 0) yield { text: `${lines.join('; ')}\n`, count: lines.length }
}

/** An empty line is the end of a payload. */
const withoutEmptyLines = (text: string): string =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .join('\n')

/** A socket's address holds 107 bytes and a state directory may be longer: it is reached through a descriptor of the directory. */
async function open(directory: string): Promise<Socket> {
  let descriptor: number
  try {
    descriptor = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (error) {
    throw away(error)
  }
  const path =
    process.platform === 'linux' ? `/proc/self/fd/${descriptor}/${files.masterSocket}` : join(directory, files.masterSocket)
  try {
    return await new Promise<Socket>((resolve, reject) => {
      const socket = connect(path)
      socket.setTimeout(answerLimitMs, () => socket.destroy(new Error('no connection in time')))
      socket.once('error', (error) => reject(away(error)))
      socket.once('connect', () => {
        socket.setTimeout(0)
        socket.removeAllListeners('error')
        resolve(socket)
      })
    })
  } finally {
    closeSync(descriptor)
  }
}
