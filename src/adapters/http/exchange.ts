/**
 * One request and its answer, whatever socket it came by. A route is a function from a call to an answer or a stream; whatever it
 * throws becomes an error answer here and nowhere else.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Answer, Call, Route } from '../../ports/api.ts'
import { DarumaError } from '../../ports/error.ts'
import type { ErrorAnswer } from '../../protocol/api.ts'

/** A config of 10,000 services is about 12 MB; anything much larger is no config. */
const maxBodyBytes = 64 * 2 ** 20
/** A body of JSON is there at once; of one of bytes, which may be many gigabytes, each next part. */
const bodyLimitMs = 60_000

export interface Exchange {
  readonly routes: readonly Route[]
  /** A reader that is this far behind is cut off, not buffered for without end. */
  readonly maxUnsentBytes: number
}

export async function answerCall(exchange: Exchange, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const url = new URL(request.url ?? '/', 'http://daemon')
    const found = match(exchange.routes, request.method ?? 'GET', url.pathname)
    const takesBytes = found.route.takes === 'bytes'
    if (takesBytes) request.socket.setTimeout(bodyLimitMs, () => request.destroy())
    const body = request.method === 'POST' && !takesBytes ? await readBody(request) : null
    const call: Call = {
      parameters: found.parameters,
      query: url.searchParams,
      body,
      stream: request.iterator({ destroyOnReturn: false }),
    }
    const answer = await answerAfterBody(request, () => found.route.handle(call))
    await send(response, answer, exchange)
  } catch (error) {
    if (response.headersSent) response.destroy()
    else sendError(response, error)
  }
}

/** Whoever still sends reads no answer: what is left of a refused body is read and thrown away first. */
async function answerAfterBody(request: IncomingMessage, handle: () => Answer | Promise<Answer>): Promise<Answer> {
  try {
    return await handle()
  } catch (error) {
    if (!request.readableEnded && !request.destroyed) {
      request.resume()
      await new Promise<void>((resolve) => request.once('close', resolve))
    }
    throw error
  }
}

async function send(response: ServerResponse, answer: Answer, { maxUnsentBytes }: Exchange): Promise<void> {
  switch (answer.kind) {
    case 'json':
      return sendJson(response, 200, answer.body)
    case 'text':
      response.writeHead(200, { 'content-type': answer.contentType }).end(answer.text)
      return
    case 'lines':
      return sendLines(response, answer.run, maxUnsentBytes)
  }
}

function match(
  routes: readonly Route[],
  method: string,
  path: string,
): { readonly route: Route; readonly parameters: readonly string[] } {
  const segments = path.split('/').map(decodeSegment)
  for (const route of routes) {
    const wanted = route.path.split('/')
    if (route.method !== method || wanted.length !== segments.length) continue
    if (wanted.every((part, index) => part === '*' || part === segments[index])) {
      return { route, parameters: segments.filter((_, index) => wanted[index] === '*') }
    }
  }
  throw new DarumaError('E_ROUTE_UNKNOWN', `The daemon has no ${method} ${path}.`, {
    hint: 'Is the command newer than the daemon?',
  })
}

function decodeSegment(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw new DarumaError('E_REQUEST_INVALID', `The path has a broken escape: ${text.slice(0, 80)}`, { cause })
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  const late = setTimeout(() => request.destroy(), bodyLimitMs)
  request.once('close', () => clearTimeout(late))
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBodyBytes) throw new DarumaError('E_REQUEST_TOO_LARGE', `The request is larger than ${maxBodyBytes} bytes.`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (cause) {
    throw new DarumaError('E_REQUEST_INVALID', 'The request is not JSON.', { cause })
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

const statuses: Readonly<Record<string, number>> = {
  E_ROUTE_UNKNOWN: 404,
  E_REQUEST_TOO_LARGE: 413,
  E_OPERATION_BUSY: 409,
  E_PLAN_STALE: 409,
  E_STORE_FULL: 507,
  E_RELEASE_NO_SPACE: 507,
  E_RELEASE_UNKNOWN: 404,
  E_PAGE_TOKEN: 401,
  E_PAGE_METHOD: 405,
  E_PAGE_HOST: 421,
  E_PAGE_BUSY: 503,
}

export function sendError(response: ServerResponse, error: unknown): void {
  const isKnown = error instanceof DarumaError
  const code = isKnown ? error.code : 'E_INTERNAL'
  const message = error instanceof Error ? error.message : String(error)
  const body: ErrorAnswer = { error: { code, message, hint: isKnown ? error.hint : null } }
  sendJson(response, statuses[code] ?? (isKnown ? 400 : 500), body)
}

/** Ends too when nobody takes anything any more. */
function drained(response: ServerResponse): Promise<void> {
  if (!response.writableNeedDrain || response.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}

async function sendLines(
  response: ServerResponse,
  run: Extract<Answer, { readonly kind: 'lines' }>['run'],
  maxUnsentBytes: number,
): Promise<void> {
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  response.flushHeaders()
  await run(
    (line) => {
      if (gone.signal.aborted) return false
      // Cut, not ended: anything that reads slowly must not take what has come for all there was.
      if (response.writableLength > maxUnsentBytes) response.destroy()
      else response.write(`${JSON.stringify(line)}\n`)
      return !response.destroyed
    },
    gone.signal,
    () => drained(response),
  )
  response.end()
}
