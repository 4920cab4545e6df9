/**
 * Stands in front of a real engine's socket and fails what a test says: refused, never answered, cut off, or answered with something
 * changed. Everything else goes through untouched, so that what is tested is a real engine on a bad day.
 */

import { type IncomingMessage, type ServerResponse, createServer, request, type Server } from 'node:http'
import { join } from 'node:path'

import type { TestEngine } from './engine-kind.ts'

export type Fault =
  | { readonly kind: 'refuse'; readonly status: number; readonly message: string }
  | { readonly kind: 'hang' }
  | { readonly kind: 'cut' }
  /** The engine's answer of JSON, changed. */
  | { readonly kind: 'change'; readonly change: (answer: unknown) => unknown }

/** By method and path, without the query. */
export type Rule = (method: string, path: string) => Fault | null

let serial = 0

export class FaultyEngine implements AsyncDisposable {
  rule: Rule = () => null
  readonly socket: string
  readonly #engine: TestEngine
  readonly #server: Server

  private constructor(engine: TestEngine) {
    this.#engine = engine
    this.socket = join(engine.folder, `faulty-${(serial += 1)}.sock`)
    this.#server = createServer((asked, answer) => this.#pass(asked, answer))
  }

  static async start(engine: TestEngine): Promise<FaultyEngine> {
    const faulty = new FaultyEngine(engine)
    await new Promise<void>((resolve) => faulty.#server.listen(faulty.socket, resolve))
    return faulty
  }

  get environment(): Readonly<Record<string, string>> {
    return { ...this.#engine.environment, DOCKER_HOST: `unix://${this.socket}` }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #pass(asked: IncomingMessage, answer: ServerResponse): void {
    const { method = '', url = '', headers } = asked
    const fault = this.rule(method, url.replace(/\?.*$/, ''))
    if (fault?.kind === 'hang') return
    if (fault?.kind === 'cut') return void answer.destroy()
    if (fault?.kind === 'refuse') {
      answer.writeHead(fault.status, { 'Content-Type': 'application/json', Connection: 'close' })
      return void answer.end(JSON.stringify({ message: fault.message }))
    }
    const onwards = request({ socketPath: this.#engine.socket, method, path: url, headers }, (response) => {
      const { statusCode = 502, headers: said } = response
      if (fault?.kind === 'change') return void this.#change(response, answer, fault.change)
      answer.writeHead(statusCode, said)
      answer.flushHeaders()
      response.pipe(answer)
      response.on('error', () => answer.destroy())
    })
    onwards.on('error', () => answer.destroy())
    answer.on('close', () => onwards.destroy())
    asked.pipe(onwards)
  }

  async #change(response: IncomingMessage, answer: ServerResponse, change: (answer: unknown) => unknown): Promise<void> {
    let text = ''
    response.setEncoding('utf8')
    for await (const piece of response) text += piece as string
    const { statusCode = 502 } = response
    answer.writeHead(statusCode, { 'Content-Type': 'application/json', Connection: 'close' })
    answer.end(statusCode < 300 ? JSON.stringify(change(JSON.parse(text))) : text)
  }
}
