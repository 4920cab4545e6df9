/**
 * One socket between this daemon and one keeper after the other: a new keeper may listen on it only when the last one has said that it took
 * its whole order. A lane on which that is not certain is given up, with whatever stands unread in it.
 */

import type { Socket } from 'node:net'

import { parseProcessStat } from '../../../system/process-stat.ts'

/** A keeper as the host's kernel knows it. */
export interface KeeperIdentity {
  readonly pid: number
  /** 0 where the host has no /proc to tell it. */
  readonly startTicks: number
}

/** A new keeper ended before it had said that it is ready; the message is what was said instead. Somebody killed it, or it cannot live here. */
export class KeeperEnded extends Error {}

export interface NewKeeper {
  readonly greeting: string
  /** What its shell says when it has made it. */
  readonly made: string
  /** Whether any of its processes is there; asked from then on. What it throws counts as yes. */
  readonly isThere: () => boolean
  /** For one that is there and says nothing. */
  readonly limitMs: number
}

/** Between two questions whether a new keeper is still there: it has usually spoken before the second. */
const firstQuestionMs = 5
const longestQuestionMs = 200

export class KeeperLane {
  readonly #socket: Socket
  #text = ''
  #onLine: ((line: string) => void) | null = null
  #onSpoiled: (() => void) | null = null
  /** Whether the present keeper waits for its last message, and what is then to be done. */
  #hasWaited = false
  #onWaits: (() => void) | null = null
  #state: 'free' | 'taken' | 'spoiled' = 'free'
  readonly #onFree: () => void
  readonly #isOnce: boolean

  /** `onFree` is called whenever it may be used again, and when it never may be; `isOnce`: never a second time. */
  constructor(options: { readonly socket: Socket; readonly isOnce: boolean; readonly onFree: () => void }) {
    const { socket } = options
    this.#socket = socket
    this.#onFree = options.onFree
    this.#isOnce = options.isOnce
    socket.unref()
    socket.on('data', (part: Buffer) => this.#read(part.toString('latin1')))
    socket.on('error', () => this.spoil())
    socket.on('close', () => this.spoil())
  }

  get isFree(): boolean {
    return this.#state === 'free'
  }

  get isSpoiled(): boolean {
    return this.#state === 'spoiled'
  }

  /** For a keeper that is about to be made. */
  reserve(): void {
    if (this.#state !== 'free') throw new Error('the lane is in use')
    this.#state = 'taken'
    this.#hasWaited = false
    this.#onWaits = null
  }

  /** Resolves when the new keeper has said who it is; rejects, with what it said instead, when that takes too long, or {@link KeeperEnded}. */
  greet({ greeting, made, isThere, limitMs }: NewKeeper): Promise<KeeperIdentity> {
    if (this.#state === 'spoiled') return Promise.reject(new Error('its lane has been closed'))
    this.#text = ''
    const said: string[] = []
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => this.spoil(), limitMs)
      let question: NodeJS.Timeout | null = null
      const settle = (): void => {
        clearTimeout(limit)
        if (question !== null) clearTimeout(question)
        this.#onSpoiled = null
      }
      const ask = (afterMs: number): void => {
        question = setTimeout(() => {
          if (mayBeThere(isThere)) return ask(Math.min(afterMs * 2, longestQuestionMs))
          settle()
          reject(new KeeperEnded(said.length === 0 ? 'a new keeper ended before it said anything' : said.join(' ')))
          this.spoil()
        }, afterMs)
      }
      this.#onSpoiled = () => {
        settle()
        reject(new Error(said.length === 0 ? `a new keeper said nothing within ${limitMs} ms` : said.join(' ')))
      }
      this.#onLine = (line) => {
        if (line === made) return ask(firstQuestionMs)
        const identity = parseProcessStat(line) ?? (/^\d+$/.test(line) ? { pid: Number(line), startTicks: 0 } : null)
        if (identity === null) return void said.push(line)
        settle()
        this.#onLine = null
        resolve({ pid: identity.pid, startTicks: identity.startTicks })
      }
      this.#socket.write(greeting)
    })
  }

  /** The first message. Before the keeper has said that it waits, nothing else may be sent: it might read both at once. */
  send(text: string): void {
    if (this.#state !== 'taken') return
    this.#onLine = (line) => {
      if (line !== 'waits') return
      this.#onLine = null
      this.#hasWaited = true
      this.#onWaits?.()
    }
    this.#socket.write(text)
  }

  /** The last message, made when the keeper waits for it: when that was taken whole, the lane is free. */
  sendLast(make: () => string, limitMs: number): void {
    if (this.#state !== 'taken') return
    const limit = setTimeout(() => this.spoil(), limitMs)
    limit.unref()
    this.#onWaits = () => {
      this.#onWaits = null
      this.#onLine = (line) => {
        if (line !== 'taken') return
        clearTimeout(limit)
        this.#onLine = null
        if (this.#isOnce) return this.spoil()
        this.#state = 'free'
        this.#onFree()
      }
      this.#socket.write(make())
    }
    if (this.#hasWaited) this.#onWaits()
  }

  /** Never used again. A keeper that still listens reads the end of its input, after what stands in it. */
  spoil(): void {
    if (this.#state === 'spoiled') return
    this.#state = 'spoiled'
    this.#onLine = null
    this.#onWaits = null
    this.#socket.destroy()
    this.#onSpoiled?.()
    this.#onFree()
  }

  #read(text: string): void {
    this.#text += text
    const lines = this.#text.split('\n')
    this.#text = (lines.pop() ?? '').slice(-4096)
    for (const line of lines) this.#onLine?.(line)
  }
}

/** A question that cannot be answered now (no descriptor is left, for instance) is answered by the limit. */
function mayBeThere(isThere: () => boolean): boolean {
  try {
    return isThere()
  } catch {
    return true
  }
}
