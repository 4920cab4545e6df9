/**
 * The API's transport: HTTP/1.1 with JSON on a unix socket of mode 0600. A route is a function from a request to an answer or a
 * stream; whatever it throws becomes an error answer here and nowhere else. `node:http` and a table serve: a framework's
 * megabytes would be in every daemon (decision 5).
 */

import { chmodSync, existsSync, unlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Route } from '../../ports/api.ts'
import type { Log } from '../../ports/log.ts'
import { DarumaError } from '../../ports/error.ts'
import type { ErrorAnswer } from '../../protocol/api.ts'

/** A config of 10,000 services is about 12 MB; anything much larger is no config. */
const maxBodyBytes = 64 * 2 ** 20

/** A reader that is this far behind is cut off, not buffered for without end. */
const maxUnsentBytes = 8 * 2 ** 20

/** `address` is where to listen, valid now; `file` the socket's real path, for its mode. */
export async function serve(options: {
  readonly address: string
  readonly file: string
  readonly routes: readonly Route[]
  readonly log: Log
}): Promise<Server> {
  // A socket file of a former daemon: we hold the directory's lock, so nobody listens on it.
  if (existsSync(options.file)) unlinkSync(options.file)
  const server = createServer((request, response) => {
    answer(options.routes, request, response).catch((error: unknown) => options.log.write('error', `api: ${String(error)}`))
  })
  server.requestTimeout = 60_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.address, resolve)
  })
  chmodSync(options.file, 0o600)
  return server
}

async function answer(routes: readonly Route[], request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const url = new URL(request.url ?? '/', 'http://daemon')
    const found = match(routes, request.method ?? 'GET', url.pathname)
    const body = request.method === 'POST' ? await readBody(request) : null
    const result = await found.route.handle({ parameters: found.parameters, query: url.searchParams, body })
    if (result.kind === 'json') sendJson(response, 200, result.body)
    else await sendLines(response, result.run)
  } catch (error) {
    if (response.headersSent) response.destroy()
    else sendError(response, error)
  }
}

function match(
  routes: readonly Route[],
  method: string,
  path: string,
): { readonly route: Route; readonly parameters: readonly string[] } {
  const segments = path.split('/').map(decodeURIComponent)
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

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
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
}

function sendError(response: ServerResponse, error: unknown): void {
  const isKnown = error instanceof DarumaError
  const code = isKnown ? error.code : 'E_INTERNAL'
  const message = error instanceof Error ? error.message : String(error)
  const body: ErrorAnswer = { error: { code, message, hint: isKnown ? error.hint : null } }
  sendJson(response, statuses[code] ?? (isKnown ? 400 : 500), body)
}

async function sendLines(
  response: ServerResponse,
  run: (send: (line: unknown) => boolean, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  response.flushHeaders()
  await run((line) => {
    if (gone.signal.aborted || response.writableLength > maxUnsentBytes) return false
    response.write(`${JSON.stringify(line)}\n`)
    return true
  }, gone.signal)
  response.end()
}
