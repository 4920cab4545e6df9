/**
 * The connection to the engine: each question with a limit, and one word for all of them when it is away. An answer that does not come
 * proves nothing about what was asked: whoever asked must look again when the engine is back.
 */

import { existsSync } from 'node:fs'

import type { Log } from '../../../ports/log.ts'
import { EngineClient } from './client.ts'
import { EngineSilent, isUnreachable, reasonOf } from './errors.ts'
import { type EngineInfo, parseEngine, type RawVersion } from './parse-engine.ts'
import { answers, findSockets } from './sockets.ts'

export interface Limits {
  /** How long the engine may take for a small question; a frozen one is found out by this. */
  readonly askMs: number
  /** For what makes it work: create, start, remove. Dozens at once on a slow disk take their time. */
  readonly workMs: number
  /** How often an engine that is away is tried. */
  readonly retryMs: number
  /** The net under its event stream. */
  readonly pollMs: number
  /** How long an empty network is kept. */
  readonly idleMs: number
}

export const usualLimits: Limits = { askMs: 5000, workMs: 30_000, retryMs: 500, pollMs: 5000, idleMs: 60_000 }

export interface EngineOptions {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly limits: Limits
  readonly log: Log
}

type Ask<Answer> = (client: EngineClient, signal: AbortSignal) => Promise<Answer>

export class Engine {
  readonly limits: Limits
  readonly #options: EngineOptions
  #client: EngineClient | null = null
  #info: EngineInfo | null = null
  #version: RawVersion | null = null
  #fault: string | null = null
  readonly #listeners = new Set<(fault: string | null) => void>()
  #retry: NodeJS.Timeout | null = null
  #isClosed = false
  #waiting: (() => void)[] = []

  constructor(options: EngineOptions) {
    this.#options = options
    this.limits = options.limits
  }

  /** Why it is away; null while it answers. */
  get fault(): string | null {
    return this.#fault
  }

  get info(): EngineInfo | null {
    return this.#info
  }

  /** From now on the listener is called once when it goes and once when it is back, until the returned function is called. */
  listen(listener: (fault: string | null) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Null when the engine answers; else the reason, as a sentence. */
  async connect(): Promise<string | null> {
    try {
      await this.ask('info', (client, signal) => this.#readInfo(client, signal), this.limits.askMs)
      return null
    } catch (error) {
      return this.#fault ?? reasonOf(error)
    }
  }

  /** Asks with a limit. Rejects with {@link EngineSilent} when there is no answer, and with the engine's own error when it refuses. */
  async ask<Answer>(what: string, question: Ask<Answer>, limitMs: number): Promise<Answer> {
    if (this.#isClosed) throw new EngineSilent('this daemon is ending')
    const abort = new AbortController()
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => reject(new EngineSilent(`no answer to "${what}" within ${limitMs / 1000} s`)), limitMs)
    try {
      const client = await this.#connected()
      const answer = await Promise.race([question(client, abort.signal), late])
      this.#noteBack()
      return answer
    } catch (error) {
      if (error instanceof EngineSilent || isUnreachable(error)) throw this.#noteAway(error)
      throw error
    } finally {
      clearTimeout(timer)
      late.catch(() => {})
      abort.abort()
    }
  }

  /** Begins something that may take as long as it likes (a pull, a log, a start); only its beginning is not awaited forever by anybody. */
  async open<Answer>(question: (client: EngineClient) => Promise<Answer>): Promise<Answer> {
    try {
      return await question(await this.#connected())
    } catch (error) {
      if (error instanceof EngineSilent || isUnreachable(error)) throw this.#noteAway(error)
      throw error
    }
  }

  /** At once while it answers; also when this daemon ends. */
  async whenBack(): Promise<void> {
    if (this.#fault !== null && !this.#isClosed) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  close(): void {
    this.#isClosed = true
    for (const resolve of this.#waiting.splice(0)) resolve()
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#listeners.clear()
  }

  async #connected(): Promise<EngineClient> {
    if (this.#client !== null) return this.#client
    const sockets = findSockets(this.#options.environment)
    if (sockets.kind === 'unusable') throw new EngineSilent(sockets.reason)
    const present = sockets.paths.filter(existsSync)
    const [first] = present
    if (first === undefined) throw new EngineSilent(`there is no ${sockets.paths.join(' and no ')}`)
    for (const socketPath of present) {
      const client = new EngineClient(socketPath)
      // A socket may have been left by an engine that was removed: then the other one is asked.
      if (present.length > 1 && !(await answers(client, this.limits.askMs))) continue
      this.#client = client
      this.#options.log.write('info', `containers are run by the engine at ${socketPath}`)
      return client
    }
    throw new EngineSilent(`nothing answers at ${present.join(' or ')}`)
  }

  async #readInfo(client: EngineClient, signal: AbortSignal): Promise<void> {
    // Podman asks its runtime and its monitor for theirs each time, which on a busy machine takes seconds.
    const [info, version] = await Promise.all([client.info(signal), this.#version ?? client.version(signal)])
    this.#version = version
    this.#info = parseEngine(info, version, client.socketPath)
  }

  #noteAway(error: unknown): EngineSilent {
    const said = reasonOf(error)
    const silent = error instanceof EngineSilent ? error : new EngineSilent(said, { cause: error })
    if (this.#isClosed) return silent
    if (this.#fault === null) {
      this.#fault = said
      this.#report(said)
    }
    this.#retry ??= setTimeout(() => this.#tryAgain(), this.limits.retryMs)
    this.#retry.unref()
    return silent
  }

  #report(fault: string | null): void {
    for (const listener of this.#listeners) listener(fault)
  }

  #tryAgain(): void {
    this.#retry = null
    this.connect().catch(() => {})
  }

  #noteBack(): void {
    if (this.#fault === null || this.#isClosed) return
    this.#fault = null
    for (const resolve of this.#waiting.splice(0)) resolve()
    this.#report(null)
  }
}
