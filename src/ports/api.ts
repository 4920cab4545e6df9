/** What a route of the daemon's API is, whatever carries it. What a route throws becomes an error answer in the transport. */

export interface Call {
  readonly parameters: readonly string[]
  readonly query: URLSearchParams
  readonly body: unknown
  /** Of a route that takes bytes: its body as it comes. */
  readonly stream: AsyncIterable<Uint8Array>
}

/** `lines` is a stream of NDJSON: call `send` for each, resolve when it is over; the signal fires when the client has gone. */
export type Answer =
  | { readonly kind: 'json'; readonly body: unknown }
  | { readonly kind: 'text'; readonly contentType: string; readonly text: string }
  | { readonly kind: 'lines'; readonly run: RunLines }

/** `drain` resolves when what was sent has been taken, but for a bounded rest: anything that sends much awaits it. */
export type RunLines = (send: (line: unknown) => boolean, signal: AbortSignal, drain: () => Promise<void>) => Promise<void>

export interface Route {
  readonly method: 'GET' | 'POST'
  /** Segments; `*` takes any one. */
  readonly path: string
  /** What a POST carries; JSON where nothing is said. */
  readonly takes?: 'bytes'
  readonly handle: (call: Call) => Answer | Promise<Answer>
}
