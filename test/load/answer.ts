/**
 * Reads one HTTP/1.1 answer after the other from the bytes of a connection. Strict on purpose: what it does not understand is a
 * failure of whoever sent it, and bytes that nobody asked for are one too.
 */

export interface Answer {
  readonly status: number
  /** In lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly isLast: boolean
}

type Body =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; missing: number }
  | { readonly kind: 'chunks' }
  | { readonly kind: 'until-close' }

export class AnswerReader {
  #pending: Buffer = Buffer.alloc(0)
  #answer: Answer | null = null
  #body: Body = { kind: 'none' }

  /** How far the answer under way has come: what a connection that breaks now has cut. */
  get phase(): 'wait' | 'head' | 'body' {
    if (this.#answer !== null) return 'body'
    return this.#pending.length > 0 ? 'head' : 'wait'
  }

  /** The answer that these bytes completed, or null while it is under way. Throws on what is no HTTP. */
  read(bytes: Buffer): Answer | null {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes])
    if (this.#answer === null && !this.#readHead()) return null
    return this.#readBody() ? this.#finish() : null
  }

  /** Whether the end of the connection is the end of the answer under way. */
  endsWithConnection(): Answer | null {
    return this.#body.kind === 'until-close' ? this.#finish() : null
  }

  /** Whether there are bytes that belong to no answer. */
  get hasSurplus(): boolean {
    return this.#answer === null && this.#pending.length > 0
  }

  #readHead(): boolean {
    const end = this.#pending.indexOf('\r\n\r\n')
    if (end < 0) {
      if (this.#pending.length > 64 * 1024) throw new Error('a head of more than 64 KiB')
      return false
    }
    const [first = '', ...lines] = this.#pending.toString('latin1', 0, end).split('\r\n')
    this.#pending = this.#pending.subarray(end + 4)
    const status = Number(/^HTTP\/1\.1 (\d{3})(?: |$)/.exec(first)?.[1])
    if (!(status >= 100)) throw new Error(`no status line: ${JSON.stringify(first.slice(0, 80))}`)
    if (status < 200) return this.#readHead()
    const headers = new Map(lines.map(splitHeader))
    this.#answer = { status, headers, isLast: headers.get('connection')?.toLowerCase() === 'close' }
    this.#body = bodyOf(status, headers)
    return true
  }

  #readBody(): boolean {
    switch (this.#body.kind) {
      case 'none':
        return true
      case 'until-close':
        this.#pending = Buffer.alloc(0)
        return false
      case 'length': {
        const taken = Math.min(this.#body.missing, this.#pending.length)
        this.#pending = this.#pending.subarray(taken)
        this.#body.missing -= taken
        return this.#body.missing === 0
      }
      case 'chunks':
        return this.#readChunks()
    }
  }

  #readChunks(): boolean {
    for (;;) {
      const end = this.#pending.indexOf('\r\n')
      if (end < 0) return false
      const line = this.#pending.toString('latin1', 0, end)
      if (!/^[0-9a-f]+(?:;.*)?$/i.test(line)) throw new Error(`no chunk size: ${JSON.stringify(line.slice(0, 80))}`)
      const size = Number.parseInt(line, 16)
      const needed = end + 2 + size + 2
      if (this.#pending.length < needed) return false
      this.#pending = this.#pending.subarray(needed)
      if (size === 0) return true
    }
  }

  #finish(): Answer {
    const answer = this.#answer
    if (answer === null) throw new Error('an end without a beginning')
    this.#answer = null
    this.#body = { kind: 'none' }
    return answer
  }
}

function splitHeader(line: string): [string, string] {
  const colon = line.indexOf(':')
  if (colon <= 0) throw new Error(`no header: ${JSON.stringify(line.slice(0, 80))}`)
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
}

function bodyOf(status: number, headers: ReadonlyMap<string, string>): Body {
  if (status === 204 || status === 304) return { kind: 'none' }
  if (headers.get('transfer-encoding')?.toLowerCase() === 'chunked') return { kind: 'chunks' }
  const length = headers.get('content-length')
  if (length === undefined) return { kind: 'until-close' }
  if (!/^\d+$/.test(length)) throw new Error(`content-length: ${length}`)
  return Number(length) === 0 ? { kind: 'none' } : { kind: 'length', missing: Number(length) }
}
