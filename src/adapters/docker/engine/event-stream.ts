/**
 * The engine's own word for what happens to our containers. A stream that breaks off is opened again; whatever was missed meanwhile is
 * found by looking at all, which is also what the poll does: an event only makes it quicker.
 */

import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Engine } from './engine.ts'
import { type EngineEvent, LineSplitter, labels, parseEvent } from './parse.ts'

export class EventStream {
  readonly #engine: Engine
  readonly #stateId: string
  readonly #onEvent: (event: EngineEvent) => void
  readonly #onReconnect: () => void
  #stream: Readable | null = null
  #isClosed = false

  constructor(options: {
    readonly engine: Engine
    readonly stateId: string
    readonly onEvent: (event: EngineEvent) => void
    readonly onReconnect: () => void
  }) {
    this.#engine = options.engine
    this.#stateId = options.stateId
    this.#onEvent = options.onEvent
    this.#onReconnect = options.onReconnect
  }

  /** Never rejects; ends with {@link close}. */
  async run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#runOnce()
      } catch {
        // Away: told by the engine itself.
      }
      await sleep(this.#engine.limits.retryMs, undefined, { ref: false })
      await this.#engine.whenBack()
    }
  }

  close(): void {
    this.#isClosed = true
    this.#stream?.destroy()
  }

  async #runOnce(): Promise<void> {
    const filters = { type: ['container'], label: [`${labels.state}=${this.#stateId}`] }
    const stream = await this.#engine.open((client) => client.followEvents(filters))
    this.#stream = stream
    if (this.#isClosed) stream.destroy()
    this.#onReconnect()
    const lines = new LineSplitter()
    stream.setEncoding('utf8')
    for await (const piece of stream) {
      for (const line of lines.push(piece as string)) {
        const event = parseEvent(line)
        if (event !== null) this.#onEvent(event)
      }
    }
    // The engine has closed it: it ends, or it was restarted behind a socket that stayed.
    if (!this.#isClosed) await this.#engine.connect()
  }
}
