/**
 * The access log: one line a request (or tunnel) when it has ended, on standard output, in the words that HAProxy's adapter uses too: time
 * in UTC, client, method, host, target, status, bytes sent to the client, milliseconds in all, upstream; `-` for what there is not. Method,
 * host and target are JSON strings, because they come from strangers. Lines are collected for a moment and written together.
 */

export interface Access {
  readonly address: string
  /** Null for raw TCP. */
  readonly request: { readonly method: string; readonly host: string; readonly target: string; readonly status: number } | null
  readonly bytesOut: number
  readonly durationMs: number
  readonly upstream: string | null
}

const collectMs = 100
const collectBytes = 64 * 1024

export class AccessLog {
  isOn = false
  readonly #write: (text: string) => void
  #lines = ''
  #timer: NodeJS.Timeout | null = null

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  add(access: Access): void {
    this.#lines += `${renderAccess(access, new Date())}\n`
    if (this.#lines.length >= collectBytes) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), collectMs).unref()
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const lines = this.#lines
    this.#lines = ''
    if (lines !== '') this.#write(lines)
  }
}

/** `2026-11-22T03:00:00Z 10.0.0.7 "GET" "shop.example.com" "/cart?x=1" 200 5120 3 web/0#1048577`. */
export function renderAccess({ address, request, bytesOut, durationMs, upstream }: Access, now: Date): string {
  const words =
    request === null ? '- - - -' : `${quote(request.method)} ${quote(request.host)} ${quote(request.target)} ${request.status}`
  return `${now.toISOString().slice(0, 19)}Z ${address} ${words} ${bytesOut} ${Math.round(durationMs)} ${upstream ?? '-'}`
}

/** Bytes beyond ASCII are what a header's bytes are in latin1: written as escapes, so that a line stays a line in any encoding. */
const quote = (text: string): string =>
  JSON.stringify(text).replace(/[\x7f-\uffff]/g, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`)
