/**
 * The API's transport for browsers: the page's files for everybody on this machine, the reading half of the API for anything that has the
 * token. A browser runs other people's code too, so each of their ways in is shut here: another site has no token and is given no CORS; a
 * name that was made to point at 127.0.0.1 is not a loopback name (DNS rebinding); nothing but GET is answered (decision 11).
 */

import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer } from '../../system/node-http.ts'
import type { Route } from '../../ports/api.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Log } from '../../ports/log.ts'
import type { OpenPage } from '../../ports/page-server.ts'
import { answerCall, sendError } from './exchange.ts'
import { readPageFiles, type PageFile } from './page-files.ts'

export interface PageOptions {
  readonly port: number | null
  readonly token: string
  readonly onUse: () => void
  readonly routes: readonly Route[]
  /** The folder that the page was built into. */
  readonly folder: string
  readonly log: Log
}

/** Far more than the open tabs of a few people need; each stream is a buffer in the daemon. */
const maxConnections = 64
const maxStreams = 32
/** A tab that does not read is cut off much earlier than a command: it reconnects by itself. */
const maxUnsentBytes = 2 ** 20

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
}

export async function openPage(options: PageOptions): Promise<OpenPage> {
  const files = readPageFiles(options.folder)
  const routes = options.routes.filter(({ method }) => method === 'GET')
  const streams = new Set<ServerResponse>()
  const digest = digestOf(options.token)

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value)
    if (!isLoopback(request.headers.host)) throw unknownHost()
    if (request.method !== 'GET') throw otherMethod(response, request.method ?? '')
    const path = pathOf(request)
    const file = files.get(path)
    if (file !== undefined) return sendFile(request, response, file)
    response.setHeader('cache-control', 'no-store')
    if (!isAllowed(request.headers.authorization, digest)) throw noToken(response)
    options.onUse()
    if (streams.size >= maxStreams) throw tooMany()
    streams.add(response)
    response.once('close', () => {
      streams.delete(response)
      options.onUse()
    })
    // The path under which scrapers look by themselves.
    if (path === '/metrics') request.url = (request.url ?? '').replace('/metrics', '/v1/metrics')
    return answerCall({ routes, maxUnsentBytes }, request, response)
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (!(error instanceof DarumaError)) options.log.write('error', `page: ${String(error)}`)
      if (response.headersSent) response.destroy()
      else sendError(response, error)
    })
  })
  server.maxConnections = maxConnections
  server.headersTimeout = 10_000
  server.requestTimeout = 10_000
  await listen(server, options.port)
  return {
    port: (server.address() as AddressInfo).port,
    isWatched: () => streams.size > 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function listen(server: Server, port: number | null): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'something else listens there' : cause.message
      reject(
        new DarumaError('E_PAGE_PORT', `The page cannot be served on port ${port ?? 0}: ${why}.`, {
          hint: 'Name another one with --port, or leave it out for a free one.',
          cause,
        }),
      )
    })
    server.listen({ host: '127.0.0.1', port: port ?? 0 }, resolve)
  })
}

/** Any port: through `ssh -L` the browser knows another one than we do. */
function isLoopback(host: string | undefined): boolean {
  return /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i.test(host ?? '')
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? '/'
  const end = url.indexOf('?')
  return end < 0 ? url : url.slice(0, end)
}

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Digests are compared, so that neither content nor length of the token shows in the time it takes. */
function isAllowed(authorization: string | undefined, digest: Buffer): boolean {
  const given = /^Bearer ([\x21-\x7e]{1,256})$/i.exec(authorization ?? '')?.[1]
  return timingSafeEqual(digestOf(given ?? ''), digest)
}

function sendFile(request: IncomingMessage, response: ServerResponse, file: PageFile): void {
  response.setHeader('cache-control', file.isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache')
  response.setHeader('etag', file.tag)
  response.setHeader('vary', 'accept-encoding')
  if (request.headers['if-none-match'] === file.tag) {
    response.writeHead(304).end()
    return
  }
  const isSmall = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))
  const body = isSmall ? file.gzip : file.plain
  response.writeHead(200, {
    'content-type': file.contentType,
    'content-length': body.length,
    ...(isSmall ? { 'content-encoding': 'gzip' } : {}),
  })
  response.end(body)
}

const unknownHost = (): DarumaError =>
  new DarumaError('E_PAGE_HOST', 'The page is served under loopback names only: 127.0.0.1, localhost, [::1].', {
    hint: 'From another machine: ssh -L PORT:127.0.0.1:PORT, and open the link there.',
  })

function otherMethod(response: ServerResponse, method: string): DarumaError {
  response.setHeader('allow', 'GET')
  return new DarumaError('E_PAGE_METHOD', `The page is read-only: ${method} is not answered here.`, {
    hint: 'Changes are made by the command, over the daemon’s socket.',
  })
}

function noToken(response: ServerResponse): DarumaError {
  response.setHeader('www-authenticate', 'Bearer')
  return new DarumaError('E_PAGE_TOKEN', 'This needs the token that `daruma ui` prints.', {
    hint: 'Open the link of `daruma ui`; scripts send it as `Authorization: Bearer TOKEN`.',
  })
}

const tooMany = (): DarumaError =>
  new DarumaError('E_PAGE_BUSY', `More than ${maxStreams} answers are under way.`, { hint: 'Close some tabs.' })
