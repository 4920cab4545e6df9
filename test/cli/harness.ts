/** A command line without a terminal and a daemon of canned answers on a real unix socket, for the tests of `src/cli`. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { choosePalette } from '../../src/cli/screen/colour.ts'
import type { Context } from '../../src/cli/context.ts'
import type { Terminal } from '../../src/cli/screen/terminal.ts'
import type { Tools } from '../../src/cli/tools.ts'
import { socketAddress } from '../../src/protocol/socket.ts'
import { hangLimit } from '../hang-limit.ts'

export interface TemporaryFolder extends Disposable {
  readonly path: string
}

export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), 'daruma-cli-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** A state directory in which a daemon once lived. */
export function usedState(): TemporaryFolder {
  const folder = temporaryFolder()
  writeFileSync(join(folder.path, 'state.db'), '')
  return folder
}

export interface Screen extends Terminal {
  readonly printed: () => string
  readonly noted: () => string
}

export function createScreen(
  options: { readonly answer?: string; readonly interactive?: boolean; readonly columns?: number } = {},
): Screen {
  let printed = ''
  let noted = ''
  const isInteractive = options.interactive === true
  return {
    isInteractive,
    canAsk: options.answer !== undefined,
    palette: choosePalette(isInteractive, {}),
    notePalette: choosePalette(isInteractive, {}),
    columns: () => options.columns ?? (isInteractive ? 80 : Infinity),
    rows: () => (isInteractive ? 24 : Infinity),
    print: (text) => void (printed += `${text}\n`),
    note: (text) => void (noted += `${text}\n`),
    write: (text) => void (printed += text),
    ask: async (question) => {
      printed += question
      return options.answer ?? ''
    },
    outputClosed: new AbortController().signal,
    drain: async () => undefined,
    finish: async () => undefined,
    printed: () => printed,
    noted: () => noted,
  }
}

export interface Rehearsal extends Context {
  readonly terminal: Screen
  /** Presses Ctrl-C, or gives another signal. */
  readonly interrupt: (signal?: NodeJS.Signals) => void
}

export function createContext(
  options: Partial<Omit<Context, 'tools' | 'terminal'>> & { readonly tools?: Partial<Tools>; readonly terminal?: Screen } = {},
): Rehearsal {
  const listeners = new Set<(signal: NodeJS.Signals) => void>()
  const { tools, terminal, ...rest } = options
  return {
    environment: {},
    cwd: '/nowhere',
    userId: 1000,
    userName: 'ada',
    pid: 4711,
    version: '0.1.0',
    node: '/opt/node',
    entry: '/opt/daruma/dist/main/cli.js',
    onInterrupt: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    interrupt: (signal = 'SIGINT') => {
      for (const listener of listeners) listener(signal)
    },
    ...rest,
    terminal: terminal ?? createScreen(),
    tools: { ...absentTools, ...tools },
  }
}

const absent = (name: string) => (): never => {
  throw new Error(`${name} must not be called here`)
}

const absentTools: Tools = {
  findConfig: async () => null,
  loadConfig: absent('loadConfig'),
  readSource: absent('readSource'),
  watchSources: absent('watchSources'),
  resolveSecrets: absent('resolveSecrets'),
  launchDaemon: absent('launchDaemon'),
  runDaemon: absent('runDaemon'),
  listFormerStates: async () => [],
  findFormerStates: async () => [],
  inspectMachine: absent('inspectMachine'),
  findEngineFault: async () => null,
  preflight: async () => [],
  openBrowser: absent('openBrowser'),
  systemd: { isRunning: () => false, control: absent('systemctl'), unitDirectory: '/nowhere' },
}

/** What a path answers: JSON, NDJSON (an array of `lines`), an error, or whatever a function does. */
export type Answer =
  | { readonly json: unknown }
  | { readonly lines: readonly unknown[] }
  | { readonly status: number; readonly code: string; readonly message: string; readonly hint?: string }
  | ((request: IncomingMessage, response: ServerResponse, body: unknown) => void)

export interface FakeDaemon extends AsyncDisposable {
  /** `METHOD /path` and the body of every request, the handshake apart. */
  readonly requests: readonly { readonly what: string; readonly body: unknown }[]
}

/** A number beyond the kernel's largest: anything that asks whether that process has ended hears yes. */
export const runningVersion = { api: 1, version: '0.1.0', pid: 2 ** 22 + 99, state: '/state', runs: 'supervised' }

/** Paths are given as `GET /v1/status`; a list of answers is used up, its last one stays. */
export async function fakeDaemon(
  state: string,
  answers: Readonly<Record<string, Answer | readonly Answer[]>>,
): Promise<FakeDaemon> {
  const requests: { what: string; body: unknown }[] = []
  const left = new Map(
    Object.entries(answers).map(([what, answer]) => [
      what,
      Array.isArray(answer) ? [...(answer as readonly Answer[])] : [answer as Answer],
    ]),
  )
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const what = `${request.method} ${request.url}`
      const text = Buffer.concat(parts).toString()
      const body: unknown = text === '' ? null : JSON.parse(text)
      const queue = left.get(what)
      if (what === 'GET /v1/version' && queue === undefined) return reply(response, 200, runningVersion)
      requests.push({ what, body })
      const answer = queue === undefined ? undefined : queue.length > 1 ? queue.shift() : queue[0]
      if (answer === undefined) return reply(response, 404, { error: { code: 'E_NOT_FOUND', message: `no ${what}`, hint: null } })
      if (typeof answer === 'function') return answer(request, response, body)
      if ('json' in answer) return reply(response, 200, answer.json)
      if ('lines' in answer) {
        response.writeHead(200)
        response.end(answer.lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
        return
      }
      reply(response, answer.status, { error: { code: answer.code, message: answer.message, hint: answer.hint ?? null } })
    })
  })
  const address = socketAddress(state)
  await new Promise<void>((resolve) => server.listen(address.path, resolve))
  return {
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      address[Symbol.dispose]()
    },
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

/** Polls; its limit is for hangs. */
export async function until(isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + hangLimit(10_000)
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`never true: ${isTrue.toString()}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

export const escapeCharacter = '\u001B'
